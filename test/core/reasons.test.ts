import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { finalStateOf, type Reason, reasons } from '../../src/core/reason.ts';

const documentation = await readFile(new URL('../../docs/reasons.md', import.meta.url), 'utf8');
const rows = [...documentation.matchAll(/^\| `(\w+)` \| `(\w+)` \| (.+?) \| (.+) \|$/gm)].map(
  ([, reason = '', state = '', meaning = '', advice = '']) => ({ reason, state, meaning, advice }),
);

test('docs/reasons.md lists every reason with its final state and meaning, and no others', () => {
  assert.deepEqual(
    rows.map(({ reason, state, meaning }) => [reason, state, meaning]),
    Object.entries(reasons).map(([reason, { state, meaning }]) => [reason, state, meaning]),
  );
});

test('docs/reasons.md says of each reason what to do', () => {
  for (const { reason, advice } of rows) assert.ok(advice.length > 20, `${reason}: ${advice}`);
});

test('reasons stand in the order of the alphabet, so that a new one has its place', () => {
  const names = Object.keys(reasons);
  assert.deepEqual(names, names.toSorted());
});

test('cancelled is what somebody or something else made an end of, and nothing that went wrong', () => {
  const cancelling = (Object.keys(reasons) as Reason[]).filter((reason) => finalStateOf(reason) === 'cancelled');
  assert.deepEqual(cancelling, ['Cancelled', 'OriginGone', 'Superseded']);
});
