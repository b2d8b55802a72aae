import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { type Listening, listenOnLoopback } from './listen.ts';

export interface ApiRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface CapturedRequest extends ApiRequest {
  /** Of the answer that was sent. */
  readonly outcome: number | 'reset';
}

export interface ApiFault {
  /** What goes out instead of the answer: another one, or the end of the connection. */
  readonly answer: ApiAnswer | 'reset';
  /** The request is carried out all the same. Default: nothing is done. */
  readonly isApplied?: boolean;
}

export interface ApiStandIn extends Listening {
  /** In the order of their arrival, refused and failed ones too. */
  readonly requests: readonly CapturedRequest[];
  /** What happens to the request that comes next, or after those that were to fail before. */
  failNext(fault: ApiFault): void;
}

/** A server that gives the answers of an API, and fails when it is asked to. */
export async function startApiStandIn(answer: (request: ApiRequest) => ApiAnswer): Promise<ApiStandIn> {
  const requests: CapturedRequest[] = [];
  const faults: ApiFault[] = [];

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = incoming;
    const request = { method, path, headers, body: await text(incoming) };
    const fault = faults.shift();
    const proper = fault === undefined || fault.isApplied === true ? answer(request) : undefined;
    const given = fault?.answer ?? proper ?? 'reset';
    requests.push({ ...request, outcome: given === 'reset' ? given : given.status });
    if (given === 'reset') incoming.socket.resetAndDestroy();
    else response.writeHead(given.status, given.headers).end(given.body);
  }

  const listening = await listenOnLoopback(
    createServer((incoming, response) => {
      // A client that is killed while it sends is no mistake of ours.
      serve(incoming, response).catch(() => incoming.socket.destroy());
    }),
  );
  return { ...listening, requests, failNext: (fault) => void faults.push(fault) };
}
