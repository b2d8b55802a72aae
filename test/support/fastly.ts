import type { JsonObject } from '../../src/core/json.ts';
import { type ApiAnswer, type ApiRequest, type ApiStandIn, startApiStandIn } from './api-stand-in.ts';
import { EdgePages } from './edge-pages.ts';

/** https://www.fastly.com/documentation/reference/api/#rate-limiting: writes of a token in an hour. */
const WRITES_PER_HOUR = 1_000;
/** Of a customer in an hour, URLs and keys each: apis.io, Fastly rate limits. */
const PURGES_PER_HOUR = 100_000;
const HOUR_MS = 3_600_000;
/** https://www.fastly.com/documentation/reference/api/purging/ */
const KEYS_PER_CALL = 256;
const LONGEST_KEY_BYTES = 1_024;

export interface FastlyOptions {
  /** Default SU1Z0isxPaozGVKXdv0eY. */
  readonly service?: string;
  /** The only one that is let in. */
  readonly token?: string;
  /** Milliseconds; only differences count. Default: the machine's clock. */
  readonly nowMs?: () => number;
}

export interface Fastly extends ApiStandIn {
  readonly service: string;
  readonly token: string;
  readonly pages: EdgePages;
}

/** Fastly's purge API with its documented limits enforced; the sources stand beside each of them. */
export async function startFastly(options: FastlyOptions = {}): Promise<Fastly> {
  const { service = 'SU1Z0isxPaozGVKXdv0eY', token = 'fastly-token', nowMs = Date.now } = options;
  const pages = new EdgePages();
  const limits = new HourlyLimits(nowMs);
  let purges = 0;

  function answer(request: ApiRequest): ApiAnswer {
    if (request.headers['fastly-key'] !== token) {
      return json(401, { msg: 'Provided credentials are missing or invalid' });
    }
    if (request.method !== 'POST') return json(405, { msg: 'Method not allowed' });
    const soft = request.headers['fastly-soft-purge'] === '1';
    const [, url] = /^\/purge\/(.+)$/.exec(request.path) ?? [];
    if (url !== undefined) return purgeUrl(url, soft);
    const [, given, action] = /^\/service\/([^/]+)\/(purge|purge_all)$/.exec(request.path) ?? [];
    if (given !== service) return json(404, { msg: 'Record not found', detail: 'Cannot load service' });
    return action === 'purge' ? purgeKeys(request.body, soft) : purgeAll(soft);
  }

  function purgeUrl(url: string, soft: boolean): ApiAnswer {
    return limits.take('urls', 1, PURGES_PER_HOUR) ?? purged(({ host, path }) => host + path === url, soft);
  }

  function purgeKeys(body: string, soft: boolean): ApiAnswer {
    const { surrogate_keys: keys } = JSON.parse(body) as { surrogate_keys?: unknown };
    if (!Array.isArray(keys) || keys.length === 0) return failure('No surrogate keys were given');
    if (keys.length > KEYS_PER_CALL) return failure(`Exceeded the limit of ${KEYS_PER_CALL} surrogate keys`);
    const bad = keys.find((key) => typeof key !== 'string' || key === '' || key.length > LONGEST_KEY_BYTES);
    if (bad !== undefined) return failure('Invalid surrogate key');
    const limited = limits.take('keys', keys.length, PURGES_PER_HOUR);
    if (limited !== undefined) return limited;
    purged(({ tags }) => tags.some((tag) => keys.includes(tag)), soft);
    return json(200, Object.fromEntries(keys.map((key: string) => [key, nextId()])));
  }

  function purgeAll(soft: boolean): ApiAnswer {
    if (soft) return failure('Soft purge all is not supported');
    return limits.take('writes', 1, WRITES_PER_HOUR) ?? purged(() => true, false);
  }

  function purged(isMeant: Parameters<EdgePages['purge']>[0], soft: boolean): ApiAnswer {
    pages.purge(isMeant, soft ? 'stale' : 'dropped');
    return json(200, { status: 'ok', id: nextId() });
  }

  function nextId(): string {
    purges += 1;
    return `108-1391560174-${purges}`;
  }

  return { ...(await startApiStandIn(answer)), service, token, pages };
}

/** Counted from the first call of each hour on. */
class HourlyLimits {
  readonly #nowMs: () => number;
  readonly #hours = new Map<string, { readonly endsAtMs: number; used: number }>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** The 429, where so many are no longer left, and undefined otherwise. */
  take(name: string, count: number, mostPerHour: number): ApiAnswer | undefined {
    const nowMs = this.#nowMs();
    const known = this.#hours.get(name);
    const hour = known !== undefined && nowMs < known.endsAtMs ? known : { endsAtMs: nowMs + HOUR_MS, used: 0 };
    this.#hours.set(name, hour);
    if (hour.used + count > mostPerHour) {
      const reset = String(Math.ceil(hour.endsAtMs / 1_000));
      const headers = { 'fastly-ratelimit-remaining': '0', 'fastly-ratelimit-reset': reset };
      // Text: fastly/terraform-provider-fastly#313.
      return { ...json(429, { title: 'You have exceeded your hourly rate limit.' }), headers };
    }
    hour.used += count;
    return undefined;
  }
}

function failure(reason: string): ApiAnswer {
  return json(400, { status: 'fail', reason });
}

function json(status: number, body: JsonObject): ApiAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
