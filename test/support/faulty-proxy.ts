import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP proxy on loopback whose connections a test can break in the ways that networks do. */
export interface FaultyProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections made so far. */
  readonly accepted: number;
  /** Resets all connections, as a firewall does that has forgotten them. */
  cut(): void;
  /** From now on nothing passes from the server, and nobody is told. New connections work. */
  stall(): void;
  /** Ends each connection properly after this many further bytes from the server: in the middle of a message. */
  truncateAfter(bytes: number): void;
  close(): Promise<void>;
}

export async function startFaultyProxy(targetPort: number): Promise<FaultyProxy> {
  const pairs = new Set<{ readonly client: Socket; readonly upstream: Socket; passes: number }>();
  let accepted = 0;
  const server = createServer((client) => {
    accepted += 1;
    const upstream = connect(targetPort, '127.0.0.1');
    const pair = { client, upstream, passes: Number.POSITIVE_INFINITY };
    pairs.add(pair);
    client.pipe(upstream);
    upstream.on('data', (chunk) => {
      if (pair.passes === 0) return;
      const passed = chunk.subarray(0, Math.min(chunk.length, pair.passes));
      pair.passes -= passed.length;
      client.write(passed);
      // A stalled connection is told nothing, a truncated one is ended.
      if (pair.passes === 0) client.end();
    });
    const drop = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on('error', drop).on('close', drop);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const cut = () => {
    for (const { client, upstream } of pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  };
  const close = async () => {
    const closed = once(server, 'close');
    server.close();
    cut();
    await closed;
  };
  return {
    port: (server.address() as AddressInfo).port,
    get accepted() {
      return accepted;
    },
    cut,
    stall() {
      for (const pair of pairs) pair.passes = 0;
    },
    truncateAfter(bytes) {
      for (const pair of pairs) pair.passes = bytes;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
