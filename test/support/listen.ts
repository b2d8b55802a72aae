import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Listening {
  readonly port: number;
  /** http://127.0.0.1:PORT */
  readonly url: string;
  /** Ends open connections too, so that a hanging answer cannot hold a test up. */
  close(): Promise<void>;
}

/** Listens on a free loopback port. */
export async function listenOnLoopback(server: Server): Promise<Listening> {
  // Longer than any test: a request that meets the end of an idle connection would look like a fault of who sent it.
  server.keepAliveTimeout = 600_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
