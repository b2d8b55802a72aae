import type { JsonObject } from '../../../src/core/json.ts';

const defaultTimeoutMs = 3_000;

/** `$params` of `http.#HTTPDo`. */
interface HttpParams {
  readonly method?: string;
  readonly url: string;
  readonly request?: {
    readonly timeout?: string;
    readonly body?: string;
    readonly header?: Readonly<Record<string, string>>;
  };
}

/** What stands for the cluster's Services: the origin that answers, by the origin that a definition names. */
export type Services = Readonly<Record<string, string>>;

/**
 * Sends a step's call as KubeVela does, and gives `$returns`. An error bears the whole `$params`, as it does there: it becomes
 * the step's message, for all to read. Source: kubevela/workflow: pkg/providers/http/http.go
 */
export async function callHttp($params: JsonObject, services: Services): Promise<JsonObject> {
  const { method = 'GET', url, request = {} } = $params as unknown as HttpParams;
  const { origin, pathname, search } = new URL(url);
  const timeoutMs = request.timeout === undefined ? defaultTimeoutMs : goDurationMs(request.timeout);
  const headers = Object.keys(request.header ?? {}).length > 0 ? request.header : undefined;
  try {
    const response = await fetch((services[origin] ?? origin) + pathname + search, {
      method,
      headers: headers ?? { 'Content-Type': 'application/json' },
      signal: AbortSignal.timeout(timeoutMs),
      ...(method !== 'GET' && request.body !== undefined && { body: request.body }),
    });
    const header = Object.fromEntries([...response.headers].map(([name, value]) => [name, [value]]));
    return { statusCode: response.status, body: await response.text(), header };
  } catch (error) {
    // Not Node's words, which may hold a port of ours that changes from call to call.
    const why =
      (error as Error).name === 'TimeoutError'
        ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        : `dial tcp ${new URL(url).host}: connect: connection refused`;
    const verb = method.slice(0, 1) + method.slice(1).toLowerCase();
    throw new Error(`function call error for call: ${verb} "${url}": ${why} (value: ${JSON.stringify($params)})`, {
      cause: error,
    });
  }
}

/** Milliseconds of `5s`, `1m30s`, `1.5h`, `300ms`. */
export function goDurationMs(text: string): number {
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
  const parts = [...text.matchAll(/([\d.]+)(ms|h|m|s)/g)];
  if (parts.map(([part]) => part).join('') !== text || parts.length === 0) throw new Error(`invalid duration ${text}`);
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0);
}
