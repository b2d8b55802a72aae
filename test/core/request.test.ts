import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExecutionRequestSchema, isLabel } from '../../src/core/request.ts';
import { mistakesOf } from '../../src/core/schema.ts';

const origin = { kind: 'Application', namespace: 'shop', name: 'web', step: 'smoke', sessionID: 'a1' };

test('a request with every key fits', () => {
  const request = { step: 'purge-cdn', with: { tags: ['a'] }, origin, timeout: '1h30m', failurePolicy: 'ignore' };
  assert.deepEqual(mistakesOf(ExecutionRequestSchema, request), []);
});

for (const { title, request, place } of [
  { title: 'no step', request: { with: {} }, place: '/step' },
  { title: 'an empty step', request: { step: '', with: {} }, place: '/step' },
  { title: 'no parameters', request: { step: 'a' }, place: '/with' },
  { title: 'parameters that are a list', request: { step: 'a', with: [] }, place: '/with' },
  { title: 'an unknown key', request: { step: 'a', with: {}, retries: 3 }, place: '/retries' },
  { title: 'a timeout that is a number', request: { step: 'a', with: {}, timeout: 10 }, place: '/timeout' },
  { title: 'a timeout without a unit', request: { step: 'a', with: {}, timeout: '10' }, place: '/timeout' },
  {
    title: 'another failure policy',
    request: { step: 'a', with: {}, failurePolicy: 'retry' },
    place: '/failurePolicy',
  },
  {
    title: 'an origin of another kind',
    request: { step: 'a', with: {}, origin: { ...origin, kind: 'Pod' } },
    place: '/origin/kind',
  },
  {
    title: 'an origin whose namespace is no label',
    request: { step: 'a', with: {}, origin: { ...origin, namespace: 'Shop' } },
    place: '/origin/namespace',
  },
]) {
  test(`refuses ${title}`, () => {
    assert.deepEqual(
      mistakesOf(ExecutionRequestSchema, request).map(({ path }) => path),
      [place],
    );
  });
}

test('ids and namespaces are DNS labels', () => {
  for (const label of ['a', '7', 'a-b', 'x'.repeat(63)]) assert.ok(isLabel(label), label);
  for (const other of ['', '-a', 'a-', 'A', 'a.b', 'a_b', 'a/b', 'ä', 'a\n', 'x'.repeat(64)]) {
    assert.ok(!isLabel(other), JSON.stringify(other));
  }
});
