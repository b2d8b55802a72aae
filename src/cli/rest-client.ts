import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientSettings } from '../config/client-settings.ts';
import { isFinal } from '../core/execution.ts';
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import type { ExecutionAnswer, ExecutionPage, Plan, RunIdentity, Runner, RunRequest, StepAnswer } from './answers.ts';
import { readEvents } from './event-stream.ts';
import { usageError } from './exit.ts';
import { Refusal } from './refusal.ts';
import { ServerUnreachable, toRefusal, unreachable } from './server-errors.ts';

const answerTimeoutMs = 30_000;
/** Of an event stream, which has a heartbeat every 15 s. */
const silenceMs = 45_000;
/** How often a request is sent whose answer was lost; the server knows by its id that it is the same. */
const mostSends = 3;
/** How long a server may be away while it is followed: enough for a restart, or a node that is replaced. */
const longestGapMs = 5 * 60_000;
const shortestPauseMs = 250;
const longestPauseMs = 5_000;

type Query = Readonly<Record<string, string | undefined>>;

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

/** What listings and streams are narrowed to. */
export interface Filter {
  readonly namespace?: string | undefined;
  readonly step?: string | undefined;
  /** With commas, where there are several. */
  readonly state?: string | undefined;
}

/** The REST API. Every method throws Refusal for a refusal, and ServerUnreachable where no answer came. */
export class RestClient implements Runner {
  readonly #settings: ClientSettings;

  constructor(settings: ClientSettings) {
    this.#settings = settings;
  }

  get server(): string {
    return this.#settings.server;
  }

  async submit(request: RunRequest, { namespace, id, key = randomUUID() }: RunIdentity): Promise<ExecutionAnswer> {
    const call: Call =
      id === undefined
        ? {
            method: 'POST',
            path: '/v1/executions',
            headers: { 'Idempotency-Key': key },
            query: { namespace },
            body: request,
          }
        : { method: 'PUT', path: executionPath(id), query: { namespace }, body: request };
    for (let sends = 1; ; sends++) {
      try {
        return (await this.#json(call)) as unknown as ExecutionAnswer;
      } catch (error) {
        const isLost = error instanceof ServerUnreachable && error.sent;
        if (!isLost || sends >= mostSends) throw error;
      }
    }
  }

  async get(id: string, namespace: string | undefined): Promise<ExecutionAnswer> {
    const answer = await this.#json({ method: 'GET', path: executionPath(id), query: { namespace } });
    return answer as unknown as ExecutionAnswer;
  }

  async list(filter: Filter, page: { readonly limit?: string; readonly continue?: string }): Promise<ExecutionPage> {
    const answer = await this.#json({ method: 'GET', path: '/v1/executions', query: { ...filter, ...page } });
    return answer as unknown as ExecutionPage;
  }

  async act(action: 'cancel' | 'retry', id: string, namespace: string | undefined): Promise<ExecutionAnswer> {
    const path = `${executionPath(id)}:${action}`;
    return (await this.#json({ method: 'POST', path, query: { namespace } })) as unknown as ExecutionAnswer;
  }

  async plan(step: string, params: JsonObject, namespace: string | undefined): Promise<Plan> {
    const path = `/v1/steps/${encodeURIComponent(step)}:plan`;
    const answer = await this.#json({ method: 'POST', path, query: { namespace }, body: { with: params } });
    return answer as unknown as Plan;
  }

  async steps(): Promise<readonly StepAnswer[]> {
    const answer = await this.#json({ method: 'GET', path: '/v1/steps' });
    return (answer as unknown as { items: readonly StepAnswer[] }).items;
  }

  openApi(): Promise<JsonObject> {
    return this.#json({ method: 'GET', path: '/openapi.json' });
  }

  async *follow(
    { id, namespace }: Pick<ExecutionAnswer, 'id' | 'namespace'>,
    options: Parameters<Runner['follow']>[1],
  ): AsyncGenerator<ExecutionAnswer> {
    let told = '';
    const call: Call = { method: 'GET', path: `${executionPath(id)}/events`, query: { namespace } };
    for await (const execution of this.#changes(call, options)) {
      // After a gap the stream begins with what was perhaps told before it.
      const text = JSON.stringify(execution);
      if (text !== told) yield execution;
      told = text;
      if (isFinal(execution.state)) return;
    }
  }

  /** Each change of any execution from now on, until `signal` aborts. */
  followAll(filter: Filter, options: Parameters<Runner['follow']>[1]): AsyncGenerator<ExecutionAnswer> {
    return this.#changes({ method: 'GET', path: '/v1/events', query: { ...filter } }, options);
  }

  /** An event stream that is opened again whenever it breaks off. */
  async *#changes(call: Call, { signal, onGap }: Parameters<Runner['follow']>[1]): AsyncGenerator<ExecutionAnswer> {
    let gapSince: number | undefined;
    let pauseMs = shortestPauseMs;
    while (!signal.aborted) {
      const openedAt = performance.now();
      try {
        for await (const execution of this.#openStream(call, signal)) {
          gapSince = undefined;
          yield execution;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isPassing(error)) throw error;
        if (gapSince === undefined) onGap(error.message);
        gapSince ??= performance.now();
        if (performance.now() - gapSince > longestGapMs) throw error;
      }
      // A stream that lasted ended for a reason of its own; one that breaks off at once is not to be hammered at.
      pauseMs = performance.now() - openedAt > longestPauseMs ? shortestPauseMs : Math.min(pauseMs * 2, longestPauseMs);
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  async *#openStream(call: Call, signal: AbortSignal): AsyncGenerator<ExecutionAnswer> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), silenceMs);
    try {
      const response = await this.#send(call, AbortSignal.any([signal, silence.signal]), 'text/event-stream');
      if (response.body === null) return;
      for await (const { data } of readEvents(response.body, () => timer.refresh())) {
        yield JSON.parse(data) as ExecutionAnswer;
      }
    } catch (error) {
      throw unreachable(this.server, error);
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  async #token(): Promise<string | undefined> {
    const { token } = this.#settings;
    if (token === undefined) return undefined;
    try {
      const text = await token.read();
      // Fetch refuses what no header can hold, and quotes it.
      if (!/^[\x21-\x7e]+$/.test(text))
        throw new Error(`the file ${token.path} does not hold one token and nothing else`);
      return text;
    } catch (error) {
      throw usageError(error instanceof Error ? error.message : String(error), 'name another file with --token-file');
    }
  }

  async #json(call: Call): Promise<JsonObject> {
    const response = await this.#send(call, AbortSignal.timeout(answerTimeoutMs), 'application/json');
    let answer: Json;
    try {
      answer = (await response.json()) as Json;
    } catch (error) {
      if (error instanceof SyntaxError) throw toRefusal(this.server, response, undefined);
      throw unreachable(this.server, error);
    }
    if (!isJsonObject(answer)) throw toRefusal(this.server, response, undefined);
    return answer;
  }

  async #send(
    { method, path, query = {}, headers, body }: Call,
    signal: AbortSignal,
    accept: string,
  ): Promise<Response> {
    const url = new URL(`${this.server}${path}`);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    const token = await this.#token();
    let response: Response;
    try {
      response = await fetch(url, {
        method,
        headers: {
          ...headers,
          Accept: `${accept}, application/problem+json`,
          ...(token !== undefined && { Authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        // A token must not follow to another place, nor a request change its method on the way.
        redirect: 'manual',
        signal,
      });
    } catch (error) {
      throw unreachable(this.server, error);
    }
    if (response.ok) return response;
    throw toRefusal(this.server, response, await response.json().catch(() => undefined));
  }
}

function executionPath(id: string): string {
  return `/v1/executions/${encodeURIComponent(id)}`;
}

/** A server that is away or full may be back soon; any other refusal stands. */
function isPassing(error: unknown): error is ServerUnreachable | Refusal {
  if (error instanceof Refusal) return error.status === 429 || error.status >= 500;
  return error instanceof ServerUnreachable;
}
