import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExecutionRequestSchema } from '../../../src/core/request.ts';
import { ownParameters } from '../../../src/origins/kubevela/misuse.ts';
import { readObject } from '../../../src/steps/read-object.ts';

test('the parameters that only our read-object knows are those of the step that the built-in has not', () => {
  const ofBuiltIn = ['apiVersion', 'cluster', 'kind', 'name', 'namespace'];
  const beside = Object.keys(ExecutionRequestSchema.properties).filter(
    (name) => !['step', 'with', 'origin'].includes(name),
  );
  const all = [...Object.keys(readObject.params.properties), ...beside, 'executor'];
  assert.deepEqual(ownParameters, all.filter((name) => !ofBuiltIn.includes(name)).sort());
});
