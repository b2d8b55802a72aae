import { defineCdnProvider } from './provider.ts';
import { endpointsOption, sendToAll } from './purge-endpoints.ts';

const contract = { product: 'nginx', example: 'nginx.conf' };

/** nginx with its cache purge module, which knows exact addresses only. */
export const nginx = defineCdnProvider({
  type: 'nginx',
  options: { endpoints: endpointsOption },
  kinds: { urls: { soft: false, rates: [] } },
  rates: {},

  limits: () => ({ maxItems: { urls: 1 }, rates: {}, concurrency: 32 }),

  open({ endpoints }, tools) {
    return {
      effect: 'at-once',
      describe: () => endpoints.map((url) => ({ method: 'PURGE', url })),

      async send({ items }) {
        for (const item of items) {
          const { pathname, search, host } = new URL(item);
          const request = { method: 'PURGE', path: pathname + search, headers: { host }, items: 1 };
          await sendToAll(endpoints, request, contract, tools);
        }
        return {};
      },
    };
  },
});
