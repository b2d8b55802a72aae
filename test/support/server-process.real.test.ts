import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fetch } from 'undici';

import { freeLoopbackPort } from './loopback-port.ts';
import { startServerProcess } from './server-process.ts';

const install = 'install Node';

/** A program that answers every request. */
function answering(port: number) {
  const url = `http://127.0.0.1:${port}`;
  const source = `require('node:http').createServer((_, answer) => answer.end('hello')).listen(${port}, '127.0.0.1')`;
  return {
    url,
    program: {
      command: process.execPath,
      commandLine: ['-e', source],
      install,
      isReady: async () => (await fetch(url)).ok,
      startTimeoutMs: 120_000,
    },
  };
}

test('a started server answers, and no longer once it is stopped', async () => {
  const { url, program } = answering(await freeLoopbackPort());
  const server = await startServerProcess(program);
  assert.equal((await fetch(url)).status, 200);
  await server.stop('SIGTERM');
  await assert.rejects(fetch(url));
  await server.stop('SIGKILL');
});

test('a server that ends before it is ready is reported with the end of its log', async () => {
  const program = { command: 'sh', commandLine: ['-c', 'echo no such disk >&2; exit 3'], install };
  const starting = startServerProcess({ ...program, isReady: async () => false, startTimeoutMs: 120_000 });
  await assert.rejects(starting, /sh ended while starting.*\n.*no such disk/s);
});

test('a server that never gets ready is killed and reported', async () => {
  const program = { command: 'sleep', commandLine: ['600'], install };
  const starting = startServerProcess({ ...program, isReady: async () => false, startTimeoutMs: 300 });
  await assert.rejects(starting, /sleep was not ready within 300 ms/);
});

test('a command that is not installed is reported with what to install', async () => {
  const program = { command: 'no-such-server', commandLine: [], install: 'install Debian package no-such' };
  const starting = startServerProcess({ ...program, isReady: async () => false, startTimeoutMs: 120_000 });
  await assert.rejects(starting, /cannot run no-such-server: install Debian package no-such/);
});

const endings = [
  { how: 'is killed', end: (pid: number) => process.kill(pid, 'SIGKILL') },
  { how: 'is interrupted with its process group, as by Ctrl-C', end: (pid: number) => process.kill(-pid, 'SIGINT') },
];
for (const { how, end } of endings) {
  test(`a server dies with the process that started it where that ${how}`, async () => {
    const { url, program } = answering(await freeLoopbackPort());
    const starter = `
    import { startServerProcess } from ${JSON.stringify(import.meta.resolve('./server-process.ts'))};
    const program = ${JSON.stringify(program)};
    await startServerProcess({ ...program, isReady: async () => (await fetch('${url}')).ok });
    console.log('started');`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', starter], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    await once(createInterface(parent.stdout), 'line');
    // An idle connection ends when the kernel closes the dead server's sockets, which is the event to wait for.
    const connection = createConnection({ host: '127.0.0.1', port: Number(new URL(url).port) }).resume();
    // Whether the kernel closes or resets it is chance; events.once would reject for a reset.
    connection.on('error', () => undefined);
    const cut = new Promise((resolve) => connection.once('close', resolve));
    await once(connection, 'connect');

    assert.ok(parent.pid);
    end(parent.pid);
    await cut;
    await assert.rejects(fetch(url));
  });
}
