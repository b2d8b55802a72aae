import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { limits } from '../../src/core/limits.ts';
import { problems } from '../../src/core/problem.ts';
import { operations } from '../../src/http/operations.ts';
import { serveApi } from './served-api.ts';

const errorsPage = readDocument('errors.md');
const apiPage = readDocument('api.md');

function readDocument(name: string): string {
  return readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
}

test('docs/errors.md lists every code with its status, in order, and no other', () => {
  const documented = [...errorsPage.matchAll(/^### (?<code>\S+)\n(?<status>\d+)\. /gm)].map(({ groups }) => [
    groups?.code,
    Number(groups?.status),
  ]);
  assert.deepEqual(
    documented,
    Object.entries(problems)
      .map(([code, { status }]) => [code, status])
      .sort(),
  );
});

test('docs/api.md names every call, and none that there is not', () => {
  const documented = new Set(apiPage.match(/`(?:GET|PUT|POST) \/[^\s?`]+`/g));
  const existing = Object.values(operations).map(({ method, path }) => `\`${method.toUpperCase()} ${path}\``);
  assert.deepEqual([...documented].sort(), existing.sort());
});

test('docs/api.md names the limits as they are', () => {
  const section = apiPage.slice(apiPage.indexOf('## Limits'));
  const kib = (bytes: number) => `${bytes / 1024} KiB`;
  for (const [what, limit] of [
    ['body', kib(limits.bodyBytes)],
    ['bodies that come in several pieces and are being read', `${limits.bodiesBytes / 1024 / 1024} MiB`],
    ['bodies of webhooks that are being read', `${limits.webhooksBytes / 1024 / 1024} MiB`],
    ['connections of `server.hooksAddress`', String(limits.webhookConnections)],
    ['`wait`', `${limits.longPollMs / 1_000} s`],
    ['long polls', limits.longPolls.toLocaleString('en')],
    ['event streams', limits.eventStreams.toLocaleString('en')],
    ['items of a page', String(limits.pageItems)],
    ['unfinished executions', limits.unfinishedExecutions.toLocaleString('en')],
    ['outputs of an execution', kib(limits.outputsBytes)],
    ['result of an effect', kib(limits.effectResultBytes)],
    ["a step's own state", kib(limits.stepStateBytes)],
  ] as const) {
    assert.match(section, new RegExp(`^\\| ${what} \\| ${limit}[ ,]`, 'm'), what);
  }
  assert.ok(apiPage.includes(`every ${limits.heartbeatMs / 1_000} s`));
});

test('docs/api.md lists the metrics of the API, and none that there is not', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const { text } = await api.call('GET', '/metrics');
  const existing = [...text.matchAll(/^# TYPE (aftersync_http_\w+) /gm)].map(([, name]) => name);
  const documented = [...apiPage.matchAll(/^\| `(aftersync_\w+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(documented.sort(), existing.sort());
});
