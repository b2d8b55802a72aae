import { createServer, type IncomingMessage } from 'node:http';
import type { TestContext } from 'node:test';
import type { Json } from '../../../src/core/json.ts';
import { kubeconfigText } from '../../support/kubernetes/kubeconfig.ts';
import { listenOnLoopback } from '../../support/listen.ts';

export interface StandInAnswer {
  readonly status?: number;
  readonly body?: Json;
  readonly text?: string;
}

export interface ApiStandIn {
  readonly url: string;
  /** `path authorization` of each request so far, with `as user` where it is for another. */
  readonly requests: readonly string[];
  /** A kubeconfig for it, for the user given. */
  kubeconfig(user?: object): string;
}

/** For what no real API server of today does any more, or does only when it is broken. Closed with the test. */
export async function startApiStandIn(
  test: TestContext,
  answer: (request: IncomingMessage) => StandInAnswer,
): Promise<ApiStandIn> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { authorization, 'impersonate-user': user } = request.headers;
    const words = [request.url, authorization, user === undefined ? undefined : `as ${user}`];
    requests.push(words.filter((word) => word !== undefined).join(' '));
    const { status = 200, body, text = JSON.stringify(body) } = answer(request);
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  });
  const { url, close } = await listenOnLoopback(server);
  test.after(close);
  return {
    url,
    requests,
    kubeconfig: (user) => kubeconfigText({ url, ...(user === undefined ? {} : { user }) }),
  };
}
