import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';

import { freeLoopbackPort } from './loopback-port.ts';

test('a port that was given is given to nobody else, though nothing listens on it yet', async (t) => {
  const port = await freeLoopbackPort();
  const mark = createSocket('udp4').bind(port, '127.0.0.1');
  t.after(() => mark.close());
  await assert.rejects(once(mark, 'listening'), { code: 'EADDRINUSE' });

  const server = createServer().listen(port, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
});
