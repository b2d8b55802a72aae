import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

const FIRST_PORT = 10_000;
/** Linux takes the local ends of outgoing connections from 32768 up. */
const FIRST_EPHEMERAL_PORT = 32_768;

/**
 * A free loopback port for a program that must be told one and that may be restarted on it: below the ephemeral range,
 * so that no outgoing connection can take it while the program is down. Where a program can choose, give it port 0.
 */
export async function freeLoopbackPort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST_PORT, FIRST_EPHEMERAL_PORT);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}
