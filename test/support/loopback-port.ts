import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { type EventEmitter, once } from 'node:events';
import { createServer } from 'node:net';

const FIRST_PORT = 10_000;
/** Linux takes the local ends of outgoing connections from 32768 up. */
const FIRST_EPHEMERAL_PORT = 32_768;

/**
 * A free loopback port for a program that must be told one and that may be restarted on it: below the ephemeral range,
 * so that no outgoing connection can take it while the program is down. Given to nobody else until this process ends.
 * Where a program can choose, give it port 0.
 */
export async function freeLoopbackPort(draw = drawPort): Promise<number> {
  for (;;) {
    const port = draw();
    // Nobody else tries it from then on, not even for an instant.
    if ((await claim(port)) && (await isFree(port))) return port;
  }
}

function drawPort(): number {
  return randomInt(FIRST_PORT, FIRST_EPHEMERAL_PORT);
}

/** Its program may listen much later: until then the UDP port of the same number, which nobody needs, says that it is taken. */
async function claim(port: number): Promise<boolean> {
  const socket = createSocket('udp4').bind(port, '127.0.0.1');
  if (!(await listens(socket))) return false;
  socket.unref();
  return true;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  if (!(await listens(server))) return false;
  server.close();
  await once(server, 'close');
  return true;
}

async function listens(socket: EventEmitter): Promise<boolean> {
  try {
    await once(socket, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
}
