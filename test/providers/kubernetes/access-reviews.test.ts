import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { kubernetesAccessReviews } from '../../../src/providers/kubernetes/access-reviews.ts';
import { type StandInAnswer, startApiStandIn } from './api-stand-in.ts';
import { openClient } from './open-client.ts';

const token = 's3cret.t0ken';
const user = { name: 'ann', groups: [], extra: {} };

async function openReviews(t: TestContext, answer: StandInAnswer) {
  const standIn = await startApiStandIn(t, () => answer);
  const client = openClient(standIn.kubeconfig());
  t.after(() => client.close());
  return kubernetesAccessReviews(client.api);
}

test('an answer in whatever words is never told with the token in it', async (t) => {
  for (const [answer, told] of [
    [{ status: 502, text: `<p>you sent ${token}</p>` }, /\(502 in words that may hold the token\)$/],
    [{ status: 500, body: { message: `cannot read ${token}` } }, /\(500 in words that may hold the token\)$/],
    [{ status: 200, body: { spec: { token }, status: { authenticated: true } } }, /\(200 in words/],
    [{ status: 201, text: `{"spec":{"token":"${token}"}}` }, /a TokenReview without a status$/],
    [
      { status: 201, body: { spec: { token }, status: { authenticated: true, user: {} } } },
      /knows a token, but not whose it is$/,
    ],
  ] as const) {
    const reviews = await openReviews(t, answer);
    await assert.rejects(reviews.userOf(token), (error: Error) => {
      assert.match(error.message, told);
      assert.doesNotMatch(error.message, /t0ken/);
      return true;
    });
  }
});

test('a cluster that does not let us review says so in its own words, and we what to grant', async (t) => {
  const message = 'User "system:serviceaccount:vela-system:aftersync" cannot create resource';
  const reviews = await openReviews(t, { status: 403, body: { kind: 'Status', message } });
  for (const [asking, resource] of [
    [reviews.userOf(token), 'tokenreviews.authentication.k8s.io'],
    [reviews.may(user, 'get', 'shop'), 'subjectaccessreviews.authorization.k8s.io'],
  ] as const) {
    await assert.rejects(asking, (error: Error) => {
      assert.equal(
        error.message,
        `the connection may not create ${resource}: grant its account create on ${resource} (ClusterRole system:auth-delegator has it) (403 ${message})`,
      );
      return true;
    });
  }
});

test('what is no clear yes is a no', async (t) => {
  for (const status of [
    {},
    { authenticated: 'true', allowed: 'true' },
    { authenticated: false, user: {}, error: 'x' },
  ]) {
    const reviews = await openReviews(t, { status: 201, body: { status } });
    assert.equal(await reviews.userOf(token), undefined);
    assert.equal(await reviews.may(user, 'create', 'shop'), false);
  }
});
