import assert from 'node:assert/strict';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import pino from 'pino';
import { Problem } from '../../src/core/problem.ts';
import { parseTokens, staticTokens } from '../../src/http/static-tokens.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { codeOf, serveApi } from './served-api.ts';

async function openTokens(t: TestContext, text: string) {
  const folder = await mkdtemp(join(tmpdir(), 'aftersync-tokens-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'tokens');
  await writeFile(file, text);
  const clock = new ManualClock();
  const logLines: string[] = [];
  const write = (chunk: unknown, _encoding: unknown, done: () => void) => {
    logLines.push(String(chunk));
    done();
  };
  const authenticate = await staticTokens({ file, clock, log: pino({}, new Writable({ write })) });
  return {
    file,
    clock,
    logLines,
    authenticate,
    async nameOf(authorization: string): Promise<string | undefined> {
      try {
        return (await authenticate({ authorization })).name;
      } catch (error) {
        assert.ok(error instanceof Problem && error.code === 'unauthenticated');
        return undefined;
      }
    },
    /** With another time stamp, whatever the file system's clock can tell apart. */
    async rewrite(newText: string): Promise<void> {
      await writeFile(file, newText);
      await utimes(file, new Date(), new Date(Date.now() + logLines.length * 1_000 + newText.length * 1_000));
      clock.advance(1_000);
    },
  };
}

test('a token names its caller, who may do everything in the namespaces of its patterns', async (t) => {
  const { authenticate, nameOf } = await openTokens(
    t,
    '# the shop\n\nci  tok-1\tshop-*,bank\n  ops tok-2 *\r\n#old tok-3 *\n',
  );
  const ci = await authenticate({ authorization: 'Bearer tok-1' });
  assert.equal(ci.name, 'ci');
  assert.deepEqual(ci.namespacesFor('list'), ['shop-*', 'bank']);
  const may = ['shop-a', 'bank', 'shop', 'banks', 'x-shop-a'].map((namespace) => ci.may('create', namespace));
  assert.deepEqual(may, [true, true, false, false, false]);
  for (const [header, name] of [
    ['bearer tok-2', 'ops'],
    ['Bearer   tok-2 ', 'ops'],
    ['Bearer tok-3', undefined],
    ['Bearer tok-', undefined],
    ['Bearer tok-11', undefined],
    ['Bearer', undefined],
    ['Bearer tok-1 tok-2', undefined],
    ['Basic tok-1', undefined],
    ['tok-1', undefined],
    ['', undefined],
  ] as const) {
    assert.equal(await nameOf(header), name, header);
    assert.equal(await nameOf(header), name, `${header}, asked again`);
  }
});

test('a changed file counts within a second: new tokens are taken, and old ones are not', async (t) => {
  const { nameOf, rewrite } = await openTokens(t, 'old tok-1 *');
  assert.equal(await nameOf('Bearer tok-1'), 'old');
  await rewrite('new tok-2 *');
  assert.equal(await nameOf('Bearer tok-1'), undefined);
  assert.equal(await nameOf('Bearer tok-2'), 'new');
  await rewrite('');
  assert.equal(await nameOf('Bearer tok-2'), undefined);
});

test('a change that cannot be read leaves the tokens as they were, and is logged once without the tokens', async (t) => {
  const { nameOf, rewrite, file, clock, logLines } = await openTokens(t, 'ann tok-1 *');
  await rewrite('ann tok-1 *\nbob secret-token');
  for (let i = 0; i < 3; i++) {
    clock.advance(1_000);
    assert.equal(await nameOf('Bearer tok-1'), 'ann');
  }
  assert.equal(logLines.length, 1);
  assert.match(logLines[0] ?? '', /tokens:2: expected NAME TOKEN NAMESPACE-GLOB/);
  assert.doesNotMatch(logLines[0] ?? '', /secret-token|tok-1/);
  await rm(file);
  for (let i = 0; i < 3; i++) {
    clock.advance(1_000);
    assert.equal(await nameOf('Bearer tok-1'), 'ann');
  }
  assert.equal(logLines.length, 2);
  await rewrite('bob tok-2 *');
  assert.equal(await nameOf('Bearer tok-2'), 'bob');
});

test('mistakes in the file name the line and never quote it', () => {
  for (const [text, place, message] of [
    ['ann', 1, /found 1 words/],
    ['\n#\nann secret', 3, /found 2 words/],
    ['ann secret * more', 1, /found 4 words/],
    ['ann: secret *', 1, /a name has/],
    ['ann secret Shop', 1, /namespace pattern/],
    ['ann secret shop,', 1, /namespace pattern/],
    ['ann secret a\nbob secret b', 2, /same token/],
  ] as const) {
    assert.throws(
      () => parseTokens(text, 'tokens'),
      (error: Error) => {
        assert.ok(error.message.startsWith(`tokens:${place}: `), error.message);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  }
});

test('a file that is not there does not start', async () => {
  const options = { file: '/nowhere/tokens', clock: new ManualClock(), log: pino({ level: 'silent' }) };
  await assert.rejects(staticTokens(options), /\/nowhere\/tokens/);
});

test('without a valid token every call is refused but those for everybody, and no token is logged', async (t) => {
  const { authenticate } = await openTokens(t, 'ann right-token default');
  const api = await serveApi(() => ({ authenticate }));
  t.after(api.close);
  const body = { step: 'toy', with: {} };
  const right = { authorization: 'Bearer right-token' };
  assert.equal((await api.call('PUT', '/v1/executions/one', { body, headers: right })).status, 201);
  for (const headers of [{}, { authorization: 'Bearer wrong-token' }]) {
    for (const [method, path] of [
      ['PUT', '/v1/executions/one'],
      ['GET', '/v1/executions/one'],
      ['GET', '/v1/executions/none'],
      ['GET', '/v1/executions'],
      ['GET', '/v1/events'],
      ['GET', '/v1/steps'],
      ['POST', '/v1/executions/one:cancel'],
    ] as const) {
      const answer = await api.call(method, path, { headers, ...(method === 'PUT' && { body }) });
      assert.equal(answer.status, 401, path);
      assert.equal(codeOf(answer), 'unauthenticated');
      assert.equal(answer.headers['www-authenticate'], 'Bearer realm="aftersync"');
    }
    for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json']) {
      assert.equal((await api.call('GET', path, { headers })).status, 200, path);
    }
  }
  assert.equal((await api.call('GET', '/v1/executions/one', { headers: right })).status, 200);
  const forbidden = await api.call('GET', '/v1/executions/one?namespace=other', { headers: right });
  assert.match(String(forbidden.json.detail), /^ann may not get executions in namespace other/);
  assert.doesNotMatch(api.logLines.join(''), /right-token|wrong-token/);
});
