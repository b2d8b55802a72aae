import { Type } from '@sinclair/typebox';
import type { HttpAnswer } from '../../core/connection.ts';
import { NotSent, Rejected } from '../../core/effect.ts';
import type { JsonObject } from '../../core/json.ts';
import type { EpochMs } from '../../core/time.ts';
import { inShort, jsonObjectOf, retryAfter, saysTooMany } from './answer.ts';
import { CallTooLarge, defineCdnProvider, ItemsRefused, type PurgeCall, type SendAnswer } from './provider.ts';

/** https://www.fastly.com/documentation/reference/api/purging/: "up to 256 surrogate keys". */
const keysPerCall = 256;

/** https://www.fastly.com/documentation/guides/full-site-delivery/purging/working-with-surrogate-keys/ */
const longestKeyBytes = 1_024;

/**
 * https://www.fastly.com/documentation/reference/api/#rate-limiting: 1,000 writes of a token in an hour, of which purges
 * count only those of everything; and 100,000 purges of a customer in an hour. Half at once and half in the hour: these
 * buckets let no more through in any such window.
 */
const rates = {
  tags: { capacity: 50_000, perSecond: 50_000 / 3_600 },
  urls: { capacity: 50_000, perSecond: 50_000 / 3_600 },
  writes: { capacity: 500, perSecond: 500 / 3_600 },
};

export const fastly = defineCdnProvider({
  type: 'fastly',
  options: {
    service: Type.String({ pattern: '^[A-Za-z0-9]{1,64}$', description: "The service's id." }),
    apiTokenFile: Type.String({
      minLength: 1,
      description: 'A file with an API token that has the scopes purge_select and, for everything, purge_all.',
    }),
    baseUrl: Type.Optional(Type.String({ pattern: '^https?://', default: 'https://api.fastly.com' })),
  },
  kinds: {
    urls: { soft: true, rates: ['urls'] },
    tags: { soft: true, rates: ['tags'] },
    everything: { soft: false, rates: ['writes'] },
  },
  rates: { tags: { counts: 'items' }, urls: { counts: 'items' }, writes: { counts: 'calls' } },

  limits: () => ({ maxItems: { urls: 1, tags: keysPerCall, everything: 1 }, rates, concurrency: 16 }),

  open({ service, apiTokenFile, baseUrl = 'https://api.fastly.com' }, tools) {
    const token = tools.credential(apiTokenFile);
    const base = baseUrl.replace(/\/+$/, '');
    const serviceUrl = `${base}/service/${service}`;
    return {
      effect: 'unknown',

      describe(kind) {
        const url = kind === 'urls' ? `${base}/purge/` : `${serviceUrl}/${kind === 'tags' ? 'purge' : 'purge_all'}`;
        return [{ method: 'POST', url }];
      },

      refusal(kind, item) {
        const isTooLong = kind === 'tags' && item.length > longestKeyBytes;
        return isTooLong ? `Fastly takes keys of at most ${longestKeyBytes} bytes` : undefined;
      },

      async send(call) {
        const answer = await tools.fetch({
          method: 'POST',
          ...requestOf(call, base, serviceUrl),
          headers: {
            'fastly-key': await token.read(),
            accept: 'application/json',
            'content-type': 'application/json',
            ...(call.soft ? { 'fastly-soft-purge': '1' } : {}),
          },
          timeoutMs: tools.sendTimeoutMs,
        });
        return read(answer, call, tools.clock.now());
      },
    };
  },
});

function requestOf({ kind, items }: PurgeCall, base: string, serviceUrl: string): { url: string; body?: string } {
  if (kind === 'tags') return { url: `${serviceUrl}/purge`, body: JSON.stringify({ surrogate_keys: items }) };
  if (kind === 'everything') return { url: `${serviceUrl}/purge_all` };
  return { url: `${base}/purge/${items[0]?.replace(/^https?:\/\//, '')}` };
}

/** `{status: "ok", id}`; of keys `{<key>: <id>, …}`. */
function read(answer: HttpAnswer, call: PurgeCall, now: EpochMs): SendAnswer {
  if (answer.status === 429) {
    throw new NotSent('Fastly limits the rate (429)', { notBefore: limitedUntil(answer, now) ?? now + 60_000 });
  }
  const body = jsonObjectOf(answer);
  if (answer.status >= 500 || body === undefined) {
    throw new Error(`Fastly gave no answer that can be understood (${inShort(answer)})`);
  }
  if (answer.status === 200 && call.kind === 'tags') return { failed: keysWithoutPurge(call.items, body) };
  if (answer.status === 200 && body.status === 'ok') return {};
  const message = `Fastly: ${wordsOf(body)} (${answer.status})`;
  if ([401, 403, 404].includes(answer.status)) throw new Rejected('ConnectionFailed', message);
  if (answer.status === 413 || (call.items.length > 1 && saysTooMany(message))) throw new CallTooLarge(message);
  throw new ItemsRefused(message);
}

/** Fastly tells the end of the hour that is used up, in seconds since 1970. */
function limitedUntil(answer: HttpAnswer, now: EpochMs): EpochMs | undefined {
  const resetSeconds = Number(answer.headers['fastly-ratelimit-reset'] ?? Number.NaN);
  return retryAfter(answer, now) ?? (Number.isNaN(resetSeconds) ? undefined : Math.max(now, resetSeconds * 1_000));
}

function keysWithoutPurge(keys: readonly string[], purges: JsonObject) {
  return keys.flatMap((key, index) =>
    Object.hasOwn(purges, key) ? [] : [{ index, message: 'Fastly answered no purge for this key' }],
  );
}

function wordsOf({ msg, detail, title, reason }: JsonObject): string {
  const words = [msg, title, reason, detail].filter((word) => typeof word === 'string' && word !== '');
  return words.join(': ') || 'failed without saying why';
}
