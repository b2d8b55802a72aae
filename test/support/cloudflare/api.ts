import { type ApiAnswer, errorCodes, Refusal, success } from './answer.ts';
import type { EdgeCache } from './edge-cache.ts';
import { answerOf, type Delivery, deliver, Faults } from './faults.ts';
import { assertNotTooMany, type PurgeKind, parsePurge } from './purge-request.ts';
import { PurgedItems } from './purged-items.ts';
import { RateLimits } from './rate-limits.ts';
import { viewOfZone, type Zone } from './zones.ts';

export interface ApiCall {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: string;
  readonly atMs: number;
}

/** A smaller size of call than the documented one, as some accounts have been seen to have. */
export interface BatchLimit {
  readonly kind: PurgeKind;
  readonly items: number;
  /** Default 400. */
  readonly status?: 400 | 413;
}

export interface ApiContext {
  readonly zones: readonly Zone[];
  readonly token: string;
  /** What accepted purges take effect on. */
  readonly edgeCache: EdgeCache;
}

/** The calls of the API and what they do, without the server around them. */
export class CloudflareApi {
  readonly faults = new Faults();
  readonly purged = new PurgedItems();
  readonly batchLimits = new Map<PurgeKind, BatchLimit>();
  readonly #context: ApiContext;
  readonly #rateLimits = new RateLimits();

  constructor(context: ApiContext) {
    this.#context = context;
  }

  answer(call: ApiCall): Delivery {
    const [, zoneId, action] =
      /^\/client\/v4\/zones\/([^/]+)(?:\/(purge_cache|invalidate_cache))?$/.exec(call.path) ?? [];
    if (action === undefined) return answerOf(() => success(viewOfZone(this.#admit(call, 'GET', zoneId))));
    return deliver(this.faults.take(), () =>
      this.#purge(call, this.#admit(call, 'POST', zoneId), action === 'invalidate_cache'),
    );
  }

  /** The checks that Cloudflare makes of all calls. Throws a Refusal. */
  #admit(call: ApiCall, method: string, zoneId: string | undefined): Zone {
    if (call.authorization !== `Bearer ${this.#context.token}`) throw notAuthenticated();
    this.#rateLimits.countRequest(call.atMs);
    if (zoneId === undefined || !/^[0-9a-f]{32}$/.test(zoneId)) {
      const message = `Could not route to ${call.path}, perhaps your object identifier is invalid?`;
      throw new Refusal(404, { code: errorCodes.noRoute, message });
    }
    const zone = this.#context.zones.find(({ id }) => id === zoneId);
    // A zone of somebody else's is refused like a wrong token, so that nobody learns whether it exists.
    if (zone === undefined) throw notAuthenticated();
    if (call.method !== method) {
      throw new Refusal(405, { code: errorCodes.methodNotAllowed, message: `${call.method} method not allowed` });
    }
    return zone;
  }

  #purge({ body, atMs }: ApiCall, zone: Zone, soft: boolean): ApiAnswer {
    const parsed = parsePurge(body, zone);
    const limit = this.batchLimits.get(parsed.kind);
    if (limit !== undefined) assertNotTooMany(parsed.kind, parsed.items.length, limit.items, limit.status);
    this.#rateLimits.countPurge(parsed, zone, atMs);
    const id = String(this.purged.purges.length + 1).padStart(32, '0');
    const purge = { ...parsed, id, zone: zone.id, soft, atMs };
    this.purged.add(purge);
    this.#context.edgeCache.purge(purge, zone);
    return success({ id });
  }
}

function notAuthenticated(): Refusal {
  return new Refusal(403, { code: errorCodes.authentication, message: 'Authentication error' });
}
