import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { listenHost } from './addresses.ts';

export interface Relay {
  readonly port: number;
  close(): Promise<void>;
}

/** Lets the cluster reach a server that listens on loopback only: each connection to that address is passed on. */
export async function startRelay(address: string, loopbackPort: number): Promise<Relay> {
  const open = new Set<Socket>();
  const server = createServer((incoming) => {
    const outgoing = connect(loopbackPort, '127.0.0.1');
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      open.add(from);
      // Whoever called learns of a broken connection by its end.
      pipeline(from, to, () => open.delete(from));
    }
  });
  server.listen(0, listenHost(address));
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
