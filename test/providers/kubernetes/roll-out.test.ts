import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '../../../src/core/json.ts';
import { type RollOut, rollOutOf } from '../../../src/providers/kubernetes/roll-out.ts';

interface Row {
  readonly name: string;
  readonly metadata?: JsonObject;
  readonly spec?: JsonObject;
  readonly status?: JsonObject;
  readonly is: RollOut['state'];
  /** A part of what is said of it. */
  readonly says?: string;
}

const seen = { observedGeneration: 2 };
const condition = (type: string, status: string, more: JsonObject = {}): JsonObject => ({
  conditions: [{ type, status, ...more }],
});

const kinds: Readonly<Record<string, readonly Row[]>> = {
  'Deployment.apps': [
    { name: 'without a status', is: 'progressing', says: 'has not written a status' },
    { name: 'whose status is empty', status: {}, is: 'progressing', says: 'not seen the newest spec' },
    {
      name: 'whose status is of an older spec',
      status: { observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1 },
      is: 'progressing',
      says: 'not seen the newest spec',
    },
    {
      name: 'with too few updated replicas',
      spec: { replicas: 3 },
      status: { ...seen, replicas: 3, updatedReplicas: 2, availableReplicas: 3 },
      is: 'progressing',
      says: '2 of 3 replicas are updated',
    },
    {
      name: 'with old replicas left',
      spec: { replicas: 2 },
      status: { ...seen, replicas: 3, updatedReplicas: 2, availableReplicas: 2 },
      is: 'progressing',
      says: '1 old replicas',
    },
    {
      name: 'with replicas that are not available',
      spec: { replicas: 2 },
      status: { ...seen, replicas: 2, updatedReplicas: 2, availableReplicas: 1 },
      is: 'progressing',
      says: '1 of 2 updated replicas are available',
    },
    {
      name: 'with all of them',
      spec: { replicas: 2 },
      status: { ...seen, replicas: 2, updatedReplicas: 2, availableReplicas: 2 },
      is: 'done',
    },
    { name: 'with no replicas wanted', spec: { replicas: 0 }, status: { ...seen }, is: 'done' },
    {
      name: 'that wants one replica, as by default',
      spec: {},
      status: { ...seen },
      is: 'progressing',
      says: '0 of 1 replicas',
    },
    {
      name: 'over its progress deadline',
      spec: { replicas: 1 },
      status: {
        ...seen,
        ...condition('Progressing', 'False', { reason: 'ProgressDeadlineExceeded', message: 'late' }),
      },
      is: 'failed',
      says: 'ProgressDeadlineExceeded: late',
    },
    {
      name: 'that is being deleted',
      metadata: { deletionTimestamp: '2026-11-21T00:00:00Z' },
      spec: { replicas: 0 },
      status: { ...seen },
      is: 'progressing',
      says: 'being deleted',
    },
  ],
  'StatefulSet.apps': [
    {
      name: 'with pods that are not ready',
      spec: { replicas: 3 },
      status: { ...seen, readyReplicas: 2, updatedReplicas: 3 },
      is: 'progressing',
      says: '2 of 3 pods are ready',
    },
    {
      name: 'with pods of the old revision',
      spec: { replicas: 3, updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } } },
      status: { ...seen, readyReplicas: 3, updatedReplicas: 1 },
      is: 'progressing',
      says: '1 of 3 pods are updated',
    },
    {
      name: 'updated down to its partition',
      spec: { replicas: 3, updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } },
      status: { ...seen, readyReplicas: 3, updatedReplicas: 1, updateRevision: 'b', currentRevision: 'a' },
      is: 'done',
    },
    {
      name: 'not updated down to its partition',
      spec: { replicas: 3, updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 1 } } },
      status: { ...seen, readyReplicas: 3, updatedReplicas: 1 },
      is: 'progressing',
      says: '1 of 2 pods are updated',
    },
    {
      name: 'whose revision is not current yet',
      spec: { replicas: 1 },
      status: { ...seen, readyReplicas: 1, updatedReplicas: 1, updateRevision: 'b', currentRevision: 'a' },
      is: 'progressing',
      says: 'old revision',
    },
    {
      name: 'with all of them',
      spec: { replicas: 1 },
      status: { ...seen, readyReplicas: 1, updatedReplicas: 1, updateRevision: 'b', currentRevision: 'b' },
      is: 'done',
    },
    {
      name: 'updated by hand, with all pods ready',
      spec: { replicas: 1, updateStrategy: { type: 'OnDelete' } },
      status: { ...seen, readyReplicas: 1, updateRevision: 'b', currentRevision: 'a' },
      is: 'done',
    },
    { name: 'that was never seen', spec: { replicas: 0 }, status: {}, is: 'progressing', says: 'not seen' },
  ],
  'DaemonSet.apps': [
    {
      name: 'with pods of the old template',
      status: { ...seen, desiredNumberScheduled: 2, updatedNumberScheduled: 1, numberAvailable: 2 },
      is: 'progressing',
      says: '1 of 2 pods are updated',
    },
    {
      name: 'with pods that are not available',
      status: { ...seen, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1 },
      is: 'progressing',
      says: '1 of 2 pods are available',
    },
    {
      name: 'with all of them',
      status: { ...seen, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2 },
      is: 'done',
    },
    {
      name: 'updated by hand, with all pods available',
      spec: { updateStrategy: { type: 'OnDelete' } },
      status: { ...seen, desiredNumberScheduled: 2, numberAvailable: 2 },
      is: 'done',
    },
    { name: 'that was never seen', status: { desiredNumberScheduled: 0 }, is: 'progressing', says: 'not seen' },
  ],
  'ReplicaSet.apps': [
    {
      name: 'with too few',
      spec: { replicas: 2 },
      status: { ...seen, replicas: 2, availableReplicas: 1 },
      is: 'progressing',
    },
    {
      name: 'with too many',
      spec: { replicas: 1 },
      status: { ...seen, replicas: 2, availableReplicas: 2 },
      is: 'progressing',
    },
    { name: 'with all', spec: { replicas: 2 }, status: { ...seen, replicas: 2, availableReplicas: 2 }, is: 'done' },
    {
      name: 'that cannot make pods',
      spec: { replicas: 2 },
      status: { ...seen, ...condition('ReplicaFailure', 'True', { reason: 'FailedCreate', message: 'quota' }) },
      is: 'progressing',
      says: 'FailedCreate: quota',
    },
  ],
  'Job.batch': [
    {
      name: 'that works',
      spec: { completions: 3 },
      status: { active: 1, succeeded: 1 },
      is: 'progressing',
      says: '1 of 3',
    },
    { name: 'that is suspended', status: condition('Suspended', 'True'), is: 'progressing', says: 'suspended' },
    { name: 'that is complete', status: condition('Complete', 'True'), is: 'done' },
    {
      name: 'that has failed',
      status: condition('Failed', 'True', { reason: 'BackoffLimitExceeded', message: 'too many' }),
      is: 'failed',
      says: 'BackoffLimitExceeded: too many',
    },
    { name: 'that may still succeed', status: condition('SuccessCriteriaMet', 'True'), is: 'progressing' },
  ],
  'Pod.': [
    {
      name: 'without a node',
      status: {
        phase: 'Pending',
        ...condition('PodScheduled', 'False', { reason: 'Unschedulable', message: 'no nodes' }),
      },
      is: 'progressing',
      says: 'it is Pending (Unschedulable: no nodes)',
    },
    {
      name: 'that runs but is not ready',
      status: { phase: 'Running', ...condition('Ready', 'False', { reason: 'ContainersNotReady' }) },
      is: 'progressing',
      says: 'it is Running (ContainersNotReady)',
    },
    { name: 'that is ready', status: { phase: 'Running', ...condition('Ready', 'True') }, is: 'done' },
    { name: 'that has done its work', status: { phase: 'Succeeded', ...condition('Ready', 'False') }, is: 'done' },
    { name: 'that has failed', status: { phase: 'Failed', reason: 'Evicted' }, is: 'failed', says: 'Evicted' },
  ],
  'PersistentVolumeClaim.': [
    { name: 'that waits', status: { phase: 'Pending' }, is: 'progressing', says: 'it is Pending' },
    { name: 'that is bound', status: { phase: 'Bound' }, is: 'done' },
    { name: 'whose volume is lost', status: { phase: 'Lost' }, is: 'failed' },
  ],
  'Widget.example.com': [
    { name: 'without a status, though its API has one', is: 'progressing', says: 'has not written a status' },
    {
      name: 'seen in an older spec',
      status: { observedGeneration: 1, ...condition('Ready', 'True') },
      is: 'progressing',
    },
    { name: 'that is ready', status: { ...seen, ...condition('Ready', 'True') }, is: 'done' },
    {
      name: 'that is not ready',
      status: { ...condition('Ready', 'False', { reason: 'Busy' }) },
      is: 'progressing',
      says: '(Busy)',
    },
    { name: 'of unknown readiness', status: condition('Ready', 'Unknown'), is: 'progressing' },
    {
      name: 'whose readiness is of an older spec',
      status: condition('Ready', 'True', { observedGeneration: 1 }),
      is: 'progressing',
      says: 'not seen the newest spec',
    },
    {
      name: 'that is reconciled still',
      status: condition('Reconciling', 'True', { reason: 'Building' }),
      is: 'progressing',
    },
    {
      name: 'that has stalled',
      status: condition('Stalled', 'True', { reason: 'NoQuota' }),
      is: 'failed',
      says: 'NoQuota',
    },
    { name: 'that is available', status: condition('Available', 'True'), is: 'done' },
    { name: 'with conditions that say nothing of it', status: condition('Paused', 'False'), is: 'done' },
  ],
};

for (const [kindAndGroup, rows] of Object.entries(kinds)) {
  const dot = kindAndGroup.indexOf('.');
  const [kind, group] = [kindAndGroup.slice(0, dot), kindAndGroup.slice(dot + 1)];
  describe(`a ${kind}`, () => {
    for (const { name, metadata, spec = {}, status, is, says = '' } of rows) {
      it(`${name} is ${is}`, () => {
        const object = {
          metadata: { name: 'x', generation: 2, ...metadata },
          spec,
          ...(status === undefined ? {} : { status }),
        };
        const rollOut = rollOutOf({ object, group, kind, hasStatus: true });
        assert.equal(rollOut.state, is);
        const detail = 'detail' in rollOut ? rollOut.detail : '';
        assert.ok(detail.includes(says), detail);
      });
    }
  });
}

it('an object that no controller has a status for is done once it is there', () => {
  const object = { metadata: { name: 'x' }, data: {} };
  assert.deepEqual(rollOutOf({ object, group: '', kind: 'ConfigMap', hasStatus: false }), { state: 'done' });
});

it("another API's kind of the same name follows its conditions, not the workload's rules", () => {
  const object = {
    metadata: { name: 'x', generation: 1 },
    status: { phase: 'Failed', conditions: [{ type: 'Ready', status: 'True' }] },
  };
  assert.deepEqual(rollOutOf({ object, group: 'example.com', kind: 'Pod', hasStatus: true }), { state: 'done' });
});
