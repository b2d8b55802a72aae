import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Load {
  readonly url: string;
  /** Kept alive; each sends its next request when it has its answer. */
  readonly connections: number;
  /** Whole requests as they go over the wire, shared by all connections. */
  readonly requests: Iterator<string>;
  /** The load ends then, or when there are no more requests. */
  readonly durationMs: number;
  /** Any other one is an error. */
  readonly expectedStatus: number;
}

/**
 * Answers per second. Written on bare sockets: node:http's client costs more per request than the servers measured here,
 * and would be what is measured.
 */
export async function answersPerSecond({ url, connections, ...load }: Load): Promise<number> {
  const { hostname, port } = new URL(url);
  const sockets = await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      await once(socket, 'connect');
      return socket;
    }),
  );
  const startedAt = performance.now();
  const exchange = { ...load, endAt: startedAt + load.durationMs };
  try {
    const answers = await Promise.all(sockets.map((socket) => exchangeUntilEnd(socket, exchange)));
    return (answers.reduce((sum, count) => sum + count, 0) * 1_000) / (performance.now() - startedAt);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** How many answers came. */
function exchangeUntilEnd(
  socket: Socket,
  { requests, expectedStatus, endAt }: Pick<Load, 'requests' | 'expectedStatus'> & { readonly endAt: number },
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const statusLine = `HTTP/1.1 ${expectedStatus} `;
  let count = 0;
  let received = '';

  function sendNext(): void {
    const next = performance.now() < endAt ? requests.next() : undefined;
    if (next === undefined || next.done === true) resolve(count);
    else socket.write(next.value, 'latin1');
  }

  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    received += chunk;
    if (!isWhole(received)) return;
    if (!received.startsWith(statusLine)) return reject(new Error(`expected ${statusLine}, got:\n${received}`));
    received = '';
    count++;
    sendNext();
  });
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('the server closed the connection')));
  sendNext();
  return promise;
}

/** Both servers give the length of each answer, and send nothing unasked. */
function isWhole(answer: string): boolean {
  const headEnd = answer.indexOf('\r\n\r\n');
  if (headEnd < 0) return false;
  const length = /\r\ncontent-length: ([0-9]+)/i.exec(answer)?.[1];
  if (length === undefined) throw new Error(`an answer without Content-Length:\n${answer}`);
  return answer.length >= headEnd + 4 + Number(length);
}
