import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Listening } from './listen.ts';

export interface RawRequest {
  /** Any token: node:http refuses the methods that caches invent, such as BAN. */
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface RawAnswer {
  readonly status: number;
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Serves requests without a body, of any method, on a free loopback port. One at a time per connection, in their order. */
export async function serveRawHttp(answer: (request: RawRequest) => Promise<RawAnswer>): Promise<Listening> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    serve(socket, answer).catch((error: Error) => socket.destroy(error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function serve(socket: Socket, answer: (request: RawRequest) => Promise<RawAnswer>): Promise<void> {
  let rest = '';
  for await (const piece of socket.setEncoding('latin1')) {
    rest += piece as string;
    for (let end = rest.indexOf('\r\n\r\n'); end >= 0; end = rest.indexOf('\r\n\r\n')) {
      const request = parse(rest.slice(0, end));
      rest = rest.slice(end + 4);
      write(socket, request === undefined ? { status: 400, reason: 'Bad Request' } : await answer(request));
    }
  }
}

/** Undefined for what is no request, or announces a body. */
function parse(head: string): RawRequest | undefined {
  const [requestLine = '', ...lines] = head.split('\r\n');
  const [, method, path] = /^([A-Z]+) (\/\S*) HTTP\/1\.1$/.exec(requestLine) ?? [];
  if (method === undefined || path === undefined) return undefined;
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  return hasBody ? undefined : { method, path, headers };
}

function write(socket: Socket, { status, reason, headers = {}, body = '' }: RawAnswer): void {
  const all = { ...headers, 'content-length': String(Buffer.byteLength(body)) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}\r\n${body}`);
}
