import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loopbackHosts } from '../../src/http/allowed-hosts.ts';
import { codeOf, serveApi } from './served-api.ts';

test('a server on loopback answers to its own names only, so that no page can rebind its name to it', async (t) => {
  const api = await serveApi(() => ({ allowedHosts: loopbackHosts }));
  t.after(api.close);
  for (const host of ['localhost', 'LOCALHOST:8080', '127.0.0.1', '127.0.0.1:1', '[::1]', '[::1]:8080']) {
    for (const path of ['/v1/executions', '/healthz', '/metrics']) {
      assert.equal((await api.call('GET', path, { headers: { host } })).status, 200, host);
    }
  }
  for (const host of [
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.2',
    '::1',
    'localhost:8080:1',
    '',
  ]) {
    for (const path of ['/v1/executions', '/healthz', '/metrics', '/nothing']) {
      const answer = await api.call('GET', path, { headers: { host } });
      assert.equal(answer.status, 403, `${host} ${path}`);
      assert.equal(codeOf(answer), 'host-not-allowed');
    }
  }
});

test('what a page of another site sends is refused, also where the browser asks nobody before', async (t) => {
  const api = await serveApi(() => ({ allowedHosts: loopbackHosts }));
  t.after(api.close);
  await api.put('one');
  const cancel = (headers: Record<string, string>) => api.call('POST', '/v1/executions/one:cancel', { headers });
  for (const origin of ['https://evil.example', 'http://localhost:3000', 'null']) {
    const answer = await cancel({ host: 'localhost:8080', origin });
    assert.equal(codeOf(answer), 'host-not-allowed', origin);
  }
  assert.equal((await cancel({ host: 'localhost:8080', origin: 'http://localhost:8080' })).status, 202);
});

test('elsewhere the Host header is not looked at', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  assert.equal(
    (await api.call('GET', '/v1/executions', { headers: { host: 'aftersync.vela-system:8080' } })).status,
    200,
  );
});
