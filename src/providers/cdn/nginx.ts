import { defineCdnProvider } from './provider.ts';
import { endpointsOf, endpointsOption, sendToAll } from './purge-endpoints.ts';

const contract = { product: 'nginx', example: 'nginx.conf' };

/** nginx with its cache purge module, which knows exact addresses only. */
export const nginx = defineCdnProvider({
  type: 'nginx',
  options: { endpoints: endpointsOption },
  kinds: { urls: { soft: false, rates: [] } },
  rates: {},

  limits: () => ({ maxItems: { urls: 1 }, rates: {}, concurrency: 32 }),

  open({ endpoints: option }, tools) {
    const endpoints = endpointsOf(option, tools);
    return {
      effect: 'at-once',
      describe: () => endpoints.described.map((url) => ({ method: 'PURGE', url })),

      async send({ items }) {
        const nodes = await endpoints.read();
        for (const item of items) {
          const { pathname, search, host } = new URL(item);
          const request = { method: 'PURGE', path: pathname + search, headers: { host }, items: 1 };
          await sendToAll(nodes, request, contract, tools);
        }
        return {};
      },
    };
  },
});
