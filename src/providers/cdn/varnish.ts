import { defineCdnProvider, type PurgeCall } from './provider.ts';
import { type EndpointRequest, endpointsOf, endpointsOption, sendToAll } from './purge-endpoints.ts';

const contract = { product: 'Varnish', example: 'varnish.vcl' };

/** Varnish refuses header lines over 8 KiB (http_req_hdr_len), name and all. */
const maxHeaderBytes = 7_500;

/** Varnish with the rules of docs/examples/varnish.vcl: purges by address, keys by vmod xkey, and bans for the rest. */
export const varnish = defineCdnProvider({
  type: 'varnish',
  options: { endpoints: endpointsOption },
  kinds: {
    urls: { soft: true, rates: [] },
    tags: { soft: true, rates: [] },
    prefixes: { soft: false, rates: [] },
    hosts: { soft: false, rates: [] },
    everything: { soft: false, rates: [] },
  },
  rates: {},

  limits: () => ({
    maxItems: { urls: 1, tags: 1_000, prefixes: 250, hosts: 250, everything: 1 },
    maxBytes: { tags: maxHeaderBytes, prefixes: maxHeaderBytes, hosts: maxHeaderBytes },
    rates: {},
    concurrency: 32,
  }),

  itemBytes(kind, item) {
    const separator = 1;
    return (kind === 'tags' ? item : banPattern(kind, item)).length + separator;
  },

  open({ endpoints: option }, tools) {
    const endpoints = endpointsOf(option, tools);
    return {
      effect: 'at-once',
      describe: (kind, soft) => endpoints.described.map((url) => ({ method: methodOf(kind, soft), url })),

      async send(call) {
        const nodes = await endpoints.read();
        for (const request of requestsOf(call)) await sendToAll(nodes, request, contract, tools);
        return {};
      },
    };
  },
});

function methodOf(kind: PurgeCall['kind'], soft: boolean): string {
  if (kind === 'urls') return soft ? 'SOFTPURGE' : 'PURGE';
  return kind === 'tags' ? 'PURGEKEYS' : 'BAN';
}

function requestsOf({ kind, items, soft }: PurgeCall): EndpointRequest[] {
  const method = methodOf(kind, soft);
  if (kind === 'urls') {
    return items.map((item) => {
      const { pathname, search, host } = new URL(item);
      return { method, path: pathname + search, headers: { host }, items: 1 };
    });
  }
  const [name, value] =
    kind === 'tags'
      ? [soft ? 'xkey-softpurge' : 'xkey-purge', items.join(' ')]
      : ['x-ban-url', `^(?:${items.map((item) => banPattern(kind, item)).join('|')})`];
  return [{ method, path: '/', headers: { [name]: value }, items: items.length }];
}

/** A regular expression for the beginning of host and path, which the rules keep with each object. */
function banPattern(kind: PurgeCall['kind'], item: string): string {
  if (kind === 'everything') return '';
  const text = kind === 'hosts' ? `${item}/` : item;
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
