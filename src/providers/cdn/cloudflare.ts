import { Type } from '@sinclair/typebox';
import type { HttpAnswer } from '../../core/connection.ts';
import { NotSent, Rejected } from '../../core/effect.ts';
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import type { Rate } from '../../core/token-bucket.ts';
import { inShort, jsonObjectOf, retryAfter, saysTooMany } from './answer.ts';
import {
  CallTooLarge,
  defineCdnProvider,
  ItemsRefused,
  type PurgeCall,
  type PurgeKind,
  type SendAnswer,
} from './provider.ts';

const plans = ['free', 'pro', 'business', 'enterprise'] as const;
type Plan = (typeof plans)[number];

/**
 * https://developers.cloudflare.com/cache/how-to/purge-cache/ (limits by plan): URLs are counted one by one, the rest by
 * call. "800 per second" is not said to allow a burst, so the bucket holds one call.
 */
const limitsByPlan: Readonly<Record<Plan, { urlsPerCall: number; urlsPerSecond: number; lookups: Rate }>> = {
  free: { urlsPerCall: 100, urlsPerSecond: 800, lookups: { capacity: 25, perSecond: 5 / 60 } },
  pro: { urlsPerCall: 100, urlsPerSecond: 1_500, lookups: { capacity: 25, perSecond: 5 } },
  business: { urlsPerCall: 100, urlsPerSecond: 1_500, lookups: { capacity: 50, perSecond: 10 } },
  enterprise: { urlsPerCall: 500, urlsPerSecond: 3_000, lookups: { capacity: 500, perSecond: 50 } },
};

/**
 * https://developers.cloudflare.com/fundamentals/api/reference/limits/: 1,200 calls of a user in any 5 minutes, then 429
 * for 5 minutes. This bucket lets no more through in any such window.
 */
const requests: Rate = { capacity: 600, perSecond: 2 };

/** https://developers.cloudflare.com/cache/how-to/purge-cache/purge_by_prefix/ */
const mostPrefixSlashes = 31;

const bodyKeys: Readonly<Record<PurgeKind, string>> = {
  urls: 'files',
  tags: 'tags',
  prefixes: 'prefixes',
  hosts: 'hosts',
  everything: 'purge_everything',
};

export const cloudflare = defineCdnProvider({
  type: 'cloudflare',
  options: {
    zone: Type.String({ pattern: '^[0-9a-f]{32}$', description: "The zone's id, from its overview page." }),
    apiTokenFile: Type.String({
      minLength: 1,
      description: 'A file with an API token that has the Cache Purge permission.',
    }),
    baseUrl: Type.Optional(Type.String({ pattern: '^https?://', default: 'https://api.cloudflare.com/client/v4' })),
    plan: Type.Optional(
      Type.Union(
        plans.map((plan) => Type.Literal(plan)),
        { default: 'free', description: "The zone's plan, which decides the limits." },
      ),
    ),
  },
  kinds: {
    urls: { soft: true, rates: ['requests', 'urls'] },
    tags: { soft: true, rates: ['requests', 'lookups'] },
    prefixes: { soft: true, rates: ['requests', 'lookups'] },
    hosts: { soft: true, rates: ['requests', 'lookups'] },
    everything: { soft: true, rates: ['requests', 'lookups'] },
  },
  rates: { lookups: { counts: 'calls' }, requests: { counts: 'calls' }, urls: { counts: 'items' } },

  limits({ plan = 'free' }) {
    const { urlsPerCall, urlsPerSecond, lookups } = limitsByPlan[plan];
    const urls = { capacity: urlsPerCall, perSecond: urlsPerSecond };
    const maxItems = { urls: urlsPerCall, tags: 100, prefixes: 100, hosts: 100, everything: 1 };
    return { maxItems, rates: { lookups, requests, urls }, concurrency: 4 };
  },

  open({ zone, apiTokenFile, baseUrl = 'https://api.cloudflare.com/client/v4' }, tools) {
    const token = tools.credential(apiTokenFile);
    const zoneUrl = `${baseUrl.replace(/\/+$/, '')}/zones/${zone}`;
    const urlOf = (soft: boolean): string => `${zoneUrl}/${soft ? 'invalidate_cache' : 'purge_cache'}`;
    return {
      effect: 'unknown',
      describe: (_kind, soft) => [{ method: 'POST', url: urlOf(soft) }],

      refusal(kind, item) {
        if (kind === 'urls' && item.includes('*')) return 'Cloudflare takes no * in a URL';
        if (kind === 'prefixes' && item.split('/').length - 1 > mostPrefixSlashes) {
          return `Cloudflare takes prefixes with at most ${mostPrefixSlashes} slashes`;
        }
        return undefined;
      },

      async send(call) {
        const answer = await tools.fetch({
          method: 'POST',
          url: urlOf(call.soft),
          headers: { authorization: `Bearer ${await token.read()}`, 'content-type': 'application/json' },
          body: JSON.stringify({ [bodyKeys[call.kind]]: call.kind === 'everything' ? true : call.items }),
          timeoutMs: tools.sendTimeoutMs,
        });
        return read(answer, call, tools.clock.now());
      },
    };
  },
});

/** `{success, errors: [{code, message}]}`; only its `success` counts, since a failure can come with status 200. */
function read(answer: HttpAnswer, call: PurgeCall, now: number): SendAnswer {
  if (answer.status === 429) {
    throw new NotSent('Cloudflare limits the rate (429)', { notBefore: retryAfter(answer, now) ?? now + 60_000 });
  }
  const envelope = jsonObjectOf(answer);
  if (answer.status >= 500 || typeof envelope?.success !== 'boolean') {
    throw new Error(`Cloudflare gave no answer that can be understood (${inShort(answer)})`);
  }
  if (envelope.success && answer.status < 300) return {};
  const message = `Cloudflare: ${messagesOf(envelope)}`;
  if ([401, 403, 404].includes(answer.status)) throw new Rejected('ConnectionFailed', message);
  if (answer.status === 413 || (call.items.length > 1 && saysTooMany(message))) throw new CallTooLarge(message);
  throw new ItemsRefused(message);
}

function errorsOf(envelope: JsonObject): readonly JsonObject[] {
  const errors: Json | undefined = envelope.errors;
  return Array.isArray(errors) ? errors.filter(isJsonObject) : [];
}

function messagesOf(envelope: JsonObject): string {
  return (
    errorsOf(envelope)
      .map(({ code, message }) => `${message} (${code})`)
      .join('; ') || 'failed without saying why'
  );
}
