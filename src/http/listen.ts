import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { limits } from '../core/limits.ts';
import type { ListenAddress } from '../core/listen-address.ts';
import type { HttpApp } from './app.ts';
import { answerBrokenRequests } from './broken-requests.ts';

/** Not imported: an import reads each export of the module, and that of WebSocket loads Node's own undici, 15 ms of a start. */
const { createServer } = process.getBuiltinModule('node:http');

/** How long requests in flight may take after the server was told to stop. */
const closeTimeoutMs = 10_000;
/** How often connections are looked through for those whose last answer is out. */
const idleCheckMs = 25;

export interface HttpServer {
  /** `http://127.0.0.1:8080`, with the port that was found free where it was 0. */
  readonly url: string;
  /** Takes no more connections, ends what waits, and lets requests in flight finish for 10 s. */
  close(): Promise<void>;
}

/** What is served: all of an app, or a part of it, of which nothing has to be drained and closed. */
type Served = Pick<HttpApp, 'handle'> & Partial<Pick<HttpApp, 'drain' | 'close'>>;

export interface ListenOptions {
  /** The key of the configuration that gives the address. */
  readonly key: string;
  /** How long a whole request may take to come; its headers no longer than 15 s of it. */
  readonly requestMs: number;
  /** Further ones are closed. */
  readonly mostConnections: number;
}

const forCallers: ListenOptions = {
  key: 'server.address',
  requestMs: 30_000,
  mostConnections: Number.POSITIVE_INFINITY,
};

/** What is open to the world takes less of a stranger's time and connections. */
export const forWebhooks: ListenOptions = {
  key: 'server.hooksAddress',
  requestMs: 10_000,
  mostConnections: limits.webhookConnections,
};

/** Rejects with a sentence when the address cannot be had. */
export async function startHttpServer(
  app: Served,
  address: ListenAddress,
  { key, requestMs, mostConnections } = forCallers,
): Promise<HttpServer> {
  const server = createServer(
    {
      // Slow senders cost a connection for this long, and until the next look; answers may take any time.
      headersTimeout: Math.min(15_000, requestMs),
      requestTimeout: requestMs,
      connectionsCheckingInterval: 5_000,
      // Longer than the idle time of common proxies, so that they close first and never send into a closing connection.
      keepAliveTimeout: 65_000,
      // The app refuses it with a problem.
      requireHostHeader: false,
    },
    app.handle,
  );
  server.maxConnections = mostConnections;
  answerBrokenRequests(server);
  // Node would refuse what it does not know with a bare 417; RFC 9110 allows to ignore it.
  server.on('checkExpectation', (req, res) => server.emit('request', req, res));
  const connections = new Set<Socket>();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  await listen(server, address, key);
  return { url: urlOf(address, server), close: () => close({ server, app, connections }) };
}

async function listen(server: Server, { host, port }: ListenAddress, key: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port }, resolve);
  try {
    await promise;
  } catch (cause) {
    throw new Error(`cannot listen on ${host} port ${port}: ${listenErrorText(cause, key)}`, { cause });
  }
  server.off('error', reject);
}

function listenErrorText(error: unknown, key: string): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return `another process uses the port; stop it or choose another ${key}`;
    case 'EACCES':
      return 'this user may not use the port; choose one above 1023';
    case 'EADDRNOTAVAIL':
      return 'this machine does not have the address';
    default:
      return String(error);
  }
}

function urlOf({ host }: ListenAddress, server: Server): string {
  const { port } = server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function close(parts: {
  readonly server: Server;
  readonly app: Served;
  readonly connections: ReadonlySet<Socket>;
}): Promise<void> {
  const { server, app, connections } = parts;
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  app.drain?.();
  // Clients connect ahead of their requests; node takes such a connection for one whose request is on its way.
  for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
  // A connection whose answer is being written is not idle yet; server.close looks only once.
  const closingIdle = setInterval(() => server.closeIdleConnections(), idleCheckMs);
  const cuttingOff = setTimeout(() => server.closeAllConnections(), closeTimeoutMs);
  await closed;
  clearInterval(closingIdle);
  clearTimeout(cuttingOff);
  app.close?.();
}
