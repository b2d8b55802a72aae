import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { listenOnLoopback } from './listen.ts';
import { freeLoopbackPort } from './loopback-port.ts';

/** The port that is given where this one is drawn first. */
function drawnAfter(port: number): Promise<number> {
  const drawn = [port];
  return freeLoopbackPort(() => drawn.pop() ?? randomInt(10_000, 32_768));
}

test('a port is given once, though nobody listens there yet', async () => {
  const given = await freeLoopbackPort();
  assert.notEqual(await drawnAfter(given), given);
});

test('a port at which somebody listens is not given', async (t) => {
  const { port, close } = await listenOnLoopback(createServer());
  t.after(close);
  assert.notEqual(await drawnAfter(port), port);
});
