import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { outcomes } from './outcomes.ts';
import { declaredSteps, examplesFolder, readExample } from './workflow.ts';

test('every example has its outcome, and every outcome its example', () => {
  const names = readdirSync(examplesFolder).filter((file) => file.endsWith('.yaml'));
  assert.deepEqual(
    outcomes.map(({ example }) => example),
    names.map((file) => basename(file, '.yaml')).sort(),
  );
});

test('an outcome speaks of steps that its example has', () => {
  for (const { example, failing = [], messages = {}, awaitedDeployment } of outcomes) {
    const declared = declaredSteps(readExample(example, 'default'));
    const named = [...failing, ...Object.keys(messages), ...(awaitedDeployment ? [awaitedDeployment.step] : [])];
    assert.deepEqual(
      named.filter((name) => !declared.includes(name)),
      [],
      example,
    );
  }
});
