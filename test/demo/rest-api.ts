import type { ExecutionAnswer, RunRequest } from '../../src/cli/answers.ts';
import { readEvents } from '../../src/cli/event-stream.ts';

export interface PutAnswer {
  /** 201 for a new execution, 200 for one that stood there. */
  readonly status: number;
  readonly execution: ExecutionAnswer;
}

/** The calls of the REST API that the demo makes, as any HTTP client would. Throws an Error with the problem's text. */
export class RestApi {
  readonly #server: string;
  readonly #signal: AbortSignal;

  constructor(server: string, signal: AbortSignal) {
    this.#server = server;
    this.#signal = signal;
  }

  async put(id: string, request: RunRequest): Promise<PutAnswer> {
    const response = await this.#send(`/v1/executions/${id}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    return { status: response.status, execution: (await response.json()) as ExecutionAnswer };
  }

  /** The execution as it stands, then each change, until its end: server-sent events. */
  async *follow(id: string): AsyncGenerator<ExecutionAnswer> {
    const { body } = await this.#send(`/v1/executions/${id}/events`, { headers: { accept: 'text/event-stream' } });
    if (body === null) return;
    for await (const { data } of readEvents(body)) yield JSON.parse(data) as ExecutionAnswer;
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    const response = await fetch(this.#server + path, { ...init, signal: this.#signal });
    if (response.ok) return response;
    throw new Error(`${init.method ?? 'GET'} ${path} was answered with ${response.status}: ${await response.text()}`);
  }
}
