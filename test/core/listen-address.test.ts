import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopbackHost, parseListenAddress } from '../../src/core/listen-address.ts';

for (const [text, host, port] of [
  ['127.0.0.1:8080', '127.0.0.1', 8080],
  ['localhost:0', 'localhost', 0],
  ['[::1]:65535', '::1', 65_535],
  ['0.0.0.0:80', '0.0.0.0', 80],
] as const) {
  test(`${text} is a host and a port`, () => {
    assert.deepEqual(parseListenAddress(text), { host, port });
  });
}

for (const text of ['', '8080', ':8080', 'host', 'host:', 'host:65536', '::1:80', '[host]:80', 'http://host:80']) {
  test(`${JSON.stringify(text)} is no address to listen on`, () => {
    assert.equal(parseListenAddress(text), undefined);
  });
}

test('only what cannot be reached from elsewhere is loopback, and of all names only localhost', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost', '::ffff:127.0.0.1']) {
    assert.ok(isLoopbackHost(host), host);
  }
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.evil.example', '128.0.0.1', 'localhost.example.com']) {
    assert.ok(!isLoopbackHost(host), host);
  }
});
