import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessReviews, ReviewedUser, Verb } from '../../src/core/access-reviews.ts';
import { Problem } from '../../src/core/problem.ts';
import { type Authenticate, firstThen } from '../../src/http/authenticate.ts';
import { kubernetesCallers } from '../../src/http/kubernetes-callers.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { codeOf, serveApi } from './served-api.ts';

const ann: ReviewedUser = { name: 'ann', uid: 'u-1', groups: ['shop'], extra: {} };

/** A cluster that knows these tokens, and says of each right what the test says; it notes what it is asked. */
function openCallers(users: Readonly<Record<string, ReviewedUser>> = { 'token-a': ann }) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const cluster = {
    users: new Map(Object.entries(users)),
    allows: (_user: ReviewedUser, _verb: Verb, _namespace: string | undefined): boolean => true,
    /** Every question waits for this. */
    gate: async (): Promise<void> => {},
  };
  const reviews: AccessReviews = {
    async userOf(token) {
      asked.push(token);
      await cluster.gate();
      return cluster.users.get(token);
    },
    async may(user, verb, namespace) {
      asked.push(`${user.name} ${verb} ${namespace ?? '*'}`);
      await cluster.gate();
      return cluster.allows(user, verb, namespace);
    },
  };
  const authenticate = kubernetesCallers({ reviews, clock });
  const callerOf = async (token: string) => await authenticate({ authorization: `Bearer ${token}` });
  /** What was asked since the last call. */
  const newQuestions = () => asked.splice(0);
  return { clock, cluster, authenticate, callerOf, newQuestions };
}

const withCode = (code: string) => (error: unknown) => error instanceof Problem && error.code === code;

test('whose a token is counts for 60 s from when it was asked, and that it is nobody’s for 10 s', async () => {
  const { clock, cluster, callerOf, newQuestions } = openCallers();
  assert.equal((await callerOf('token-a')).name, 'kubernetes:ann');
  await assert.rejects(callerOf('token-b'), withCode('unauthenticated'));
  assert.deepEqual(newQuestions(), ['token-a', 'token-b']);

  clock.advance(9_999);
  cluster.users.set('token-b', { ...ann, name: 'bob' });
  cluster.users.delete('token-a');
  await assert.rejects(callerOf('token-b'), withCode('unauthenticated'));
  assert.deepEqual(newQuestions(), []);
  clock.advance(1);
  assert.equal((await callerOf('token-b')).name, 'kubernetes:bob');
  assert.deepEqual(newQuestions(), ['token-b']);

  clock.advance(49_999);
  await callerOf('token-a');
  assert.deepEqual(newQuestions(), []);
  clock.advance(1);
  await assert.rejects(callerOf('token-a'), withCode('unauthenticated'));
  assert.deepEqual(newQuestions(), ['token-a']);
});

test('a right counts for 60 s for its user, verb and namespace alone, and a refusal for 10 s', async () => {
  const { clock, cluster, callerOf, newQuestions } = openCallers();
  cluster.allows = (_user, verb, namespace) => verb === 'get' && namespace === 'shop';
  const caller = await callerOf('token-a');
  newQuestions();
  const answers = [await caller.may('get', 'shop'), await caller.may('list', 'shop'), await caller.may('get', 'bank')];
  assert.deepEqual(answers, [true, false, false]);
  assert.deepEqual(newQuestions(), ['ann get shop', 'ann list shop', 'ann get bank']);

  cluster.allows = () => true;
  clock.advance(9_999);
  assert.deepEqual([await caller.may('get', 'shop'), await caller.may('list', 'shop')], [true, false]);
  clock.advance(1);
  assert.deepEqual([await caller.may('get', 'shop'), await caller.may('list', 'shop')], [true, true]);
  assert.deepEqual(newQuestions(), ['ann list shop']);

  cluster.allows = () => false;
  clock.advance(50_000);
  assert.deepEqual([await caller.may('get', 'shop'), await caller.may('list', 'shop')], [false, true]);
  assert.deepEqual(newQuestions(), ['ann get shop']);
});

test('users of one name are asked about apart where the cluster knows other groups of them', async () => {
  const { cluster, callerOf } = openCallers({ 'token-a': ann, 'token-b': { ...ann, groups: ['shop', 'owners'] } });
  cluster.allows = ({ groups }) => groups.includes('owners');
  const may = async (token: string) => (await callerOf(token)).may('create', 'shop');
  assert.deepEqual([await may('token-a'), await may('token-b'), await may('token-a')], [false, true, false]);
});

test('all namespaces take a right in all namespaces', async () => {
  const { cluster, callerOf, newQuestions } = openCallers();
  cluster.allows = (_user, verb, namespace) => verb === 'list' || namespace !== undefined;
  const caller = await callerOf('token-a');
  assert.deepEqual([await caller.namespacesFor('list'), await caller.namespacesFor('watch')], [['*'], []]);
  assert.deepEqual(newQuestions(), ['token-a', 'ann list *', 'ann watch *']);
});

test('requests that come together with one token ask once', async () => {
  const { cluster, callerOf, newQuestions } = openCallers();
  const { promise, resolve } = Promise.withResolvers<void>();
  cluster.gate = () => promise;
  const together = [callerOf('token-a'), callerOf('token-a'), callerOf('token-a')];
  resolve();
  const callers = await Promise.all(together);
  assert.deepEqual(newQuestions(), ['token-a']);
  await Promise.all(callers.map((caller) => caller.may('get', 'shop')));
  assert.deepEqual(newQuestions(), ['ann get shop']);
});

test('made-up tokens neither push out known callers nor are asked about in any number at once', async () => {
  const { cluster, callerOf, newQuestions } = openCallers();
  await callerOf('token-a');
  for (let i = 0; i < 10_001; i++) await assert.rejects(callerOf(`junk-${i}`), withCode('unauthenticated'));
  newQuestions();
  await callerOf('token-a');
  assert.deepEqual(newQuestions(), []);
  // The first was forgotten for the last, so there is a bound.
  await assert.rejects(callerOf('junk-0'), withCode('unauthenticated'));
  await assert.rejects(callerOf('junk-10000'), withCode('unauthenticated'));
  assert.deepEqual(newQuestions(), ['junk-0']);

  const { promise, resolve } = Promise.withResolvers<void>();
  cluster.gate = () => promise;
  const waiting = Array.from({ length: 100 }, (_, i) => callerOf(`flood-${i}`));
  await assert.rejects(callerOf('flood-100'), withCode('unavailable'));
  assert.equal((await callerOf('token-a')).name, 'kubernetes:ann');
  resolve();
  for (const each of waiting) await assert.rejects(each, withCode('unauthenticated'));
  await assert.rejects(callerOf('flood-100'), withCode('unauthenticated'));
});

test('a cluster that cannot be asked is no answer: the next request asks again', async () => {
  const { cluster, callerOf, newQuestions } = openCallers();
  cluster.gate = () => Promise.reject(new Error('connection refused by 10.1.2.3'));
  await assert.rejects(callerOf('token-a'), (error) => {
    assert.ok(error instanceof Problem && error.code === 'unavailable' && error.retryAfterSeconds === 5);
    assert.doesNotMatch(error.message, /10\.1\.2\.3/);
    assert.match(String((error.cause as Error).message), /10\.1\.2\.3/);
    return true;
  });
  cluster.gate = async () => {};
  assert.equal((await callerOf('token-a')).name, 'kubernetes:ann');
  assert.deepEqual(newQuestions(), ['token-a', 'token-a']);
});

test('without a token in the header nobody is asked', async () => {
  const { authenticate, newQuestions } = openCallers();
  for (const authorization of [undefined, '', 'Bearer', 'Basic dG9rZW4=', 'Bearer a b']) {
    const headers = authorization === undefined ? {} : { authorization };
    await assert.rejects(async () => authenticate(headers), withCode('unauthenticated'));
  }
  assert.deepEqual(newQuestions(), []);
});

test('the second way is asked for tokens that the first does not know, and not where the first cannot tell', async () => {
  const { authenticate, newQuestions } = openCallers();
  let first: Authenticate = () => {
    throw new Problem('unauthenticated', 'the token is not known');
  };
  const both = firstThen((headers) => first(headers), authenticate);
  const headers = { authorization: 'Bearer token-a' };
  assert.equal((await both(headers)).name, 'kubernetes:ann');
  assert.deepEqual(newQuestions(), ['token-a']);

  first = () => ({ name: 'ci', may: () => true, namespacesFor: () => ['*'] });
  assert.equal((await both(headers)).name, 'ci');
  first = () => {
    throw new Problem('unavailable', 'not now');
  };
  await assert.rejects(async () => both(headers), withCode('unavailable'));
  assert.deepEqual(newQuestions(), []);
});

test('a refusal says what it takes, and no token is logged whatever becomes of it', async (t) => {
  const { cluster, authenticate } = openCallers();
  cluster.allows = () => false;
  const api = await serveApi(() => ({ authenticate }));
  t.after(api.close);
  const call = (token: string) => api.call('GET', '/v1/executions', { headers: { authorization: `Bearer ${token}` } });

  const forbidden = await call('token-a');
  assert.equal(codeOf(forbidden), 'forbidden');
  assert.equal(
    forbidden.json.detail,
    'kubernetes:ann may not list executions in namespace default; it takes that verb on stepexecutions.aftersync.dev',
  );
  assert.equal(codeOf(await call('token-b')), 'unauthenticated');
  cluster.gate = () => Promise.reject(new Error('no route to the cluster'));
  const unavailable = await call('token-c');
  assert.deepEqual([unavailable.status, unavailable.headers['retry-after']], [503, '5']);
  const logged = api.logLines.join('');
  assert.match(logged, /no route to the cluster/);
  assert.doesNotMatch(logged, /token-[abc]/);
});
