import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

const FIRST_PORT = 10_000;
/** Linux takes the local ends of outgoing connections from 32768 up. */
const FIRST_EPHEMERAL_PORT = 32_768;

/**
 * A free loopback port for a program that must be told one and that may be restarted on it: below the ephemeral range,
 * so that no outgoing connection can take it while the program is down, and given to nobody else who asks here, in any
 * process, for as long as this one lives. Where a program can choose, give it port 0.
 */
export async function freeLoopbackPort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST_PORT, FIRST_EPHEMERAL_PORT);
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
}

/** A UDP socket of the same number is the mark: it is in no TCP server's way, and the kernel takes it back from the dead. */
function reserve(port: number): Promise<boolean> {
  const mark = createSocket('udp4').unref();
  mark.bind(port, '127.0.0.1');
  return begins(mark);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  if (!(await begins(server))) return false;
  server.close();
  await once(server, 'close');
  return true;
}

/** False where another socket has the port. */
async function begins(socket: NodeJS.EventEmitter): Promise<boolean> {
  try {
    await once(socket, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
}
