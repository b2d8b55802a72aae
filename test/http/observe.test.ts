import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problem } from '../../src/core/problem.ts';
import { eventually } from '../support/eventually.ts';
import { type ServedApi, serveApi } from './served-api.ts';

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly requestId: string;
  readonly status: string;
  readonly url: string;
  readonly caller?: string;
}

/** The access log's lines, once there are this many. */
function accessLog(api: ServedApi, count: number): Promise<LogLine[]> {
  const read = async () =>
    api.logLines.map((line) => JSON.parse(line) as LogLine).filter(({ msg }) => msg === 'request answered');
  return eventually(read, (lines) => lines.length >= count);
}

test('each request is logged: quietly where it went well, loudly where we failed', async (t) => {
  const api = await serveApi(({ engine }) => ({
    engine: { ...engine, retry: () => Promise.reject(new Error('broken')) },
  }));
  t.after(api.close);
  await api.put('one');
  await api.call('GET', '/v1/executions/none');
  await api.call('POST', '/v1/executions/one:retry');
  const lines = await accessLog(api, 3);
  assert.deepEqual(
    lines.map(({ level, status, caller }) => [level, status, caller]),
    [
      [20, '201', 'anonymous'],
      [30, '404', 'anonymous'],
      [40, '500', 'anonymous'],
    ],
  );
});

test('an error is what failed, and not what is answered with 503 on purpose', async (t) => {
  for (const [refusal, errors] of [
    [new Problem('unavailable', 'KubeVela asks by an older state'), []],
    [new Problem('unavailable', 'the cluster is away', { cause: new Error('no route') }), ['a request failed']],
    [new Error('broken'), ['a request failed']],
  ] as const) {
    const api = await serveApi(({ engine }) => ({ engine: { ...engine, accept: () => Promise.reject(refusal) } }));
    t.after(api.close);
    await api.put('one');
    await accessLog(api, 1);
    const lines = api.logLines.map((line) => JSON.parse(line) as LogLine);
    const atError = lines.filter(({ level }) => level >= 50).map(({ msg }) => msg);
    assert.deepEqual(atError, errors, refusal.message);
  }
});

test('a request keeps the id that it came with, if it is one, and gets one otherwise', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const idOf = async (given: string) =>
    (await api.call('GET', '/healthz', { headers: { 'x-request-id': given } })).headers['x-request-id'];
  assert.equal(await idOf('trace-17'), 'trace-17');
  const made = new Set([await idOf(''), await idOf('a b'), await idOf('x'.repeat(65)), await idOf('a{}')]);
  assert.equal(made.size, 4);
  const [first] = await accessLog(api, 1);
  assert.equal(first?.requestId, 'trace-17');
});

test('requests are counted by route and status, and not by what callers choose', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  for (const id of ['a', 'b', 'b']) await api.put(id);
  await api.call('GET', '/v1/executions/none');
  await api.call('GET', '/made/up/path');
  await accessLog(api, 5);
  const { text } = await api.call('GET', '/metrics');
  for (const line of [
    'aftersync_http_requests_total{method="PUT",route="/v1/executions/{id}",status="201"} 2',
    'aftersync_http_requests_total{method="PUT",route="/v1/executions/{id}",status="200"} 1',
    'aftersync_http_requests_total{method="GET",route="/v1/executions/{id}",status="404"} 1',
    'aftersync_http_requests_total{method="GET",route="none",status="404"} 1',
    'aftersync_http_request_duration_seconds_count{method="PUT",route="/v1/executions/{id}"} 3',
  ]) {
    assert.ok(text.includes(line), `${line}\n${text}`);
  }
  assert.match(text, /^process_cpu_seconds_total /m);
  assert.doesNotMatch(text, /made\/up/);
});
