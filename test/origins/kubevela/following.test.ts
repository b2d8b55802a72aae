import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/core/json.ts';
import { endOf, hasEnded, isTicking } from '../../../src/origins/kubevela/following.ts';
import type { KubernetesObject } from '../../../src/providers/kubernetes/kubernetes-object.ts';
import { application, execution, smoke, web } from './samples.ts';

const metadata = { name: 'web', uid: 'uid-1' };
const withStep = (changes: JsonObject, workflow: JsonObject = {}) =>
  ({ ...application({ ...workflow, steps: [{ ...smoke, ...changes }] }), metadata }) as KubernetesObject;

const standing: readonly (readonly [what: string, object: KubernetesObject])[] = [
  ['runs', withStep({})],
  ['failed by Execute, which is tried again', withStep({ phase: 'failed', reason: 'Execute' })],
  ['failed without a reason, which the engine does not count as an end', withStep({ phase: 'failed', reason: '' })],
  ['is pending again', withStep({ phase: 'pending', reason: '' })],
  ['runs in a suspended workflow', withStep({}, { status: 'suspending', suspend: true })],
  ['runs after the failure of another, which sets terminated', withStep({}, { terminated: true })],
  [
    'runs in a step-group',
    { ...application({ steps: [{ ...smoke, id: 'group', subSteps: [smoke] }] }), metadata } as KubernetesObject,
  ],
  ['runs while a newer revision is being rendered', withStep({}, { appRevision: 'web-v2' })],
];
for (const [what, object] of standing) {
  test(`an origin stands whose step ${what}`, () => assert.equal(endOf(object, execution()), undefined));
}

const ends: readonly (readonly [
  what: string,
  object: KubernetesObject | undefined,
  reason: string,
  message: RegExp,
])[] = [
  ['does not exist', undefined, 'OriginGone', /^Application shop\/web was deleted$/],
  [
    'has another UID',
    { ...withStep({}), metadata: { ...metadata, uid: 'uid-2' } },
    'OriginGone',
    /another one has its name/,
  ],
  [
    'is being deleted',
    { ...withStep({}), metadata: { ...metadata, deletionTimestamp: '2026-11-21T02:00:00Z' } },
    'OriginGone',
    /^Application shop\/web is being deleted$/,
  ],
  ['has another session for the step', withStep({ id: 'smoke00002' }), 'Superseded', /began anew.*step smoke/],
  ['has no workflow yet, after a restart', { ...application(), status: {}, metadata }, 'Superseded', /began anew/],
  [
    'says that the step timed out',
    withStep({ phase: 'failed', reason: 'Timeout' }),
    'OriginTimedOut',
    /time limit.*step smoke/,
  ],
  [
    'was terminated',
    withStep({ phase: 'failed', reason: 'Terminate' }, { terminated: true }),
    'OriginGone',
    /was terminated$/,
  ],
  [
    'gave the step up',
    withStep({ phase: 'failed', reason: 'FailedAfterRetries' }),
    'OriginGone',
    /failed, FailedAfterRetries$/,
  ],
  [
    'let the step fail',
    withStep({ phase: 'failed', reason: 'Action' }),
    'OriginGone',
    /ended already: failed, Action$/,
  ],
  ['let the step succeed', withStep({ phase: 'succeeded', reason: '' }), 'OriginGone', /ended already: succeeded$/],
  ['skipped the step', withStep({ phase: 'skipped', reason: 'Skip' }), 'OriginGone', /ended already: skipped, Skip$/],
  ['is over', withStep({}, { finished: true }), 'OriginGone', /^the workflow of Application shop\/web is over$/],
];
for (const [what, object, reason, message] of ends) {
  test(`an origin that ${what} has ended as ${reason}`, () => {
    const end = endOf(object, execution());
    assert.equal(end?.reason, reason);
    assert.match(end?.message ?? '', message);
    // Only then the record of the execution has nobody left to belong to.
    assert.equal(end?.originIsDeleted ?? false, /deleted/.test(end?.message ?? ''));
  });
}

test('a WorkflowRun has its steps in its status', () => {
  const run = { ...web, kind: 'WorkflowRun' as const };
  const object = (id: string) => ({ metadata, status: { steps: [{ ...smoke, id }] } }) as KubernetesObject;
  assert.equal(endOf(object(web.sessionID), execution(run)), undefined);
  assert.equal(endOf(object('other'), execution(run))?.reason, 'Superseded');
});

test('nothing follows for what has no origin or no proof', () => {
  const { request, ...rest } = execution();
  const { origin: _, ...without } = request;
  assert.equal(endOf(undefined, { ...rest, request: without }), undefined);
  const { proof: __, ...status } = rest.status;
  assert.equal(endOf(undefined, { ...rest, request, status }), undefined);
});

test('a step that is neither asked about nor over is waited for', () => {
  const open = { ...smoke, path: 'smoke', phase: 'pending', reason: '' };
  assert.deepEqual([hasEnded(open), isTicking(open)], [false, false]);
});
