import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Problem, type ProblemCode } from '../core/problem.ts';
import { problemContentType, problemJson } from './problem.ts';

const { STATUS_CODES } = process.getBuiltinModule('node:http');

/**
 * Answers what node's parser refuses, before any handler sees it, as every other mistake is answered. By itself node would
 * send a bare status line, and that at once: a client that waits for an earlier answer on the same connection would take
 * the refusal for it.
 */
export function answerBrokenRequests(server: Server): void {
  const newestResponses = new WeakMap<Duplex, ServerResponse>();
  /** Their parser is broken, and says so again for each further byte. */
  const ending = new WeakSet<Duplex>();
  server.on('request', (req: IncomingMessage, res: ServerResponse) => newestResponses.set(req.socket, res));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (ending.has(socket)) return;
    ending.add(socket);
    const newest = newestResponses.get(socket);
    const isOwed = newest !== undefined && !newest.writableFinished;
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else if (!isOwed) refuse(socket, error);
    // The broken bytes came behind whole requests: these get their answers, in their order, and nothing comes after them.
    else if (newest.req.complete) newest.once('close', () => socket.destroy());
    // They are in its body. Answers go out in order, and this one has no socket before its turn.
    else if (newest.socket !== null && !newest.headersSent) refuse(socket, error);
    else socket.destroy();
  });
}

function refuse(socket: Duplex, { code }: NodeJS.ErrnoException): void {
  const problem = new Problem(...problemOf(code));
  const body = problemJson(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `Content-Type: ${problemContentType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: close',
  ];
  // The client may keep its side open for ever.
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function problemOf(code: string | undefined): [ProblemCode, string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return ['headers-too-large', 'path and headers may have 16 KiB together'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [
        'request-timeout',
        'send the headers within 15 s and the whole request within 30 s; 10 s at server.hooksAddress',
      ];
    default:
      return ['malformed-request', `the server cannot tell where the request begins and ends (${code ?? 'no code'})`];
  }
}
