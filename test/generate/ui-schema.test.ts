import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type } from '@sinclair/typebox';

import { steps } from '../../src/steps/index.ts';
import { type UiField, uiFields } from './ui-schema.ts';

const options = (...values: readonly string[]) => values.map((value) => ({ label: value, value }));

const fields = uiFields({
  params: Type.Object({
    connection: Type.Optional(Type.String()),
    repository: Type.String(),
    workflow: Type.Union([Type.String(), Type.Integer()]),
    waitFor: Type.Optional(
      Type.Union([
        Type.Union([Type.Literal('exists'), Type.Literal('rolledOut')]),
        Type.Object({ jsonPath: Type.String() }),
      ]),
    ),
    correlation: Type.Optional(Type.Object({ input: Type.String() })),
    anything: Type.Optional(Type.Unknown()),
  }),
});
const own = fields.slice(0, 6);

test('what a step needs comes first, what every step has comes last', () => {
  assert.deepEqual(
    fields.map(({ jsonKey }) => jsonKey),
    ['repository', 'workflow', 'connection', 'waitFor', 'correlation', 'anything', 'timeout'].concat(
      ['failurePolicy', 'onChange', 'readyWhen'],
      ['executor'],
    ),
  );
  const sorts = fields.map(({ sort }) => sort);
  assert.deepEqual(
    sorts,
    sorts.toSorted((a, b) => a - b),
  );
});

test('a field is what a form can hold of it', () => {
  assert.deepEqual(own, [
    { jsonKey: 'repository', sort: 10, label: 'Repository' },
    { jsonKey: 'workflow', sort: 20, label: 'Workflow', uiType: 'Input' },
    { jsonKey: 'connection', sort: 30, label: 'Connection' },
    {
      jsonKey: 'waitFor',
      sort: 40,
      label: 'Wait for',
      uiType: 'Select',
      validate: { required: false, options: options('exists', 'rolledOut') },
    },
    {
      jsonKey: 'correlation',
      sort: 50,
      label: 'Correlation',
      subParameters: [{ jsonKey: 'input', sort: 10, label: 'Input' }],
    },
    { jsonKey: 'anything', sort: 60, label: 'Anything', disable: true },
  ]);
});

test('of the parameters of our steps only what is any JSON is left to those who write YAML', () => {
  const leftOut = (field: UiField, path = field.jsonKey): string[] => [
    ...(field.disable ? [path] : []),
    ...(field.subParameters ?? []).flatMap((inner) => leftOut(inner, `${path}.${inner.jsonKey}`)),
  ];
  for (const step of steps) {
    assert.deepEqual(
      uiFields(step).flatMap((field) => leftOut(field)),
      ['onChange.key'],
      step.name,
    );
  }
});
