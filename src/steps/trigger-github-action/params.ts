import { type Static, Type } from '@sinclair/typebox';
import type { InputMistake } from '../../core/problem.ts';

/** GitHub's own bound for one dispatch; Enterprise Server up to 3.19 takes 10 and says so itself. */
const mostInputs = 25;

const conclusions = [
  'success',
  'failure',
  'neutral',
  'cancelled',
  'skipped',
  'timed_out',
  'action_required',
  'stale',
  'startup_failure',
] as const;
const ConclusionSchema = Type.Union(conclusions.map((conclusion) => Type.Literal(conclusion)));

/** What is not given; filled in by the engine, and named here so that code and schema agree. */
const defaults = {
  inputs: {},
  waitFor: 'completed',
  expect: ['success'],
  onUncertain: 'fail',
  onStop: 'leave',
} as const;

/** Neither `.` nor `..`, which would make another path of the URL. */
const repositoryPattern = '^[A-Za-z0-9][A-Za-z0-9_-]*/\\.?[A-Za-z0-9_-][A-Za-z0-9._-]*$';

export const ParamsSchema = Type.Object(
  {
    repository: Type.String({
      pattern: repositoryPattern,
      maxLength: 140,
      examples: ['acme/shop'],
      errorMessage: 'a repository such as acme/shop',
    }),
    workflow: Type.Union(
      [Type.String({ pattern: '^([^/]+\\.ya?ml|[0-9]+)$', maxLength: 255 }), Type.Integer({ minimum: 1 })],
      {
        description: 'Its file in .github/workflows, or its id.',
        examples: ['smoke.yml'],
        errorMessage: 'the file of a workflow without its folder, such as smoke.yml, or its id',
      },
    ),
    ref: Type.String({
      minLength: 1,
      maxLength: 255,
      description: 'Branch or tag to run at; not a commit.',
      examples: ['main'],
    }),
    inputs: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
        default: defaults.inputs,
        maxProperties: mostInputs,
        description: 'For on.workflow_dispatch.inputs; GitHub takes all of them as text.',
      }),
    ),
    correlation: Type.Optional(
      Type.Object(
        {
          input: Type.String({
            minLength: 1,
            maxLength: 255,
            description: 'An input of the workflow, shown by its run-name.',
          }),
        },
        {
          additionalProperties: false,
          description: 'Where to put our mark, so that the run can be found without doubt.',
        },
      ),
    ),
    waitFor: Type.Optional(
      Type.Union([Type.Literal('dispatched'), Type.Literal('completed')], {
        default: defaults.waitFor,
        description: 'When this step is done: once the run is there, or once it has ended.',
      }),
    ),
    expect: Type.Optional(
      Type.Union([ConclusionSchema, Type.Array(ConclusionSchema, { minItems: 1 })], {
        default: defaults.expect,
        description: 'The conclusions of a run that count as success.',
      }),
    ),
    onUncertain: Type.Optional(
      Type.Union([Type.Literal('fail'), Type.Literal('resend')], {
        default: defaults.onUncertain,
        description: 'When nobody can tell whether a run was started. resend may start a second one.',
      }),
    ),
    onStop: Type.Optional(
      Type.Union([Type.Literal('leave'), Type.Literal('cancel')], {
        default: defaults.onStop,
        description: 'What becomes of the run when this step is cancelled or times out.',
      }),
    ),
    connection: Type.Optional(
      Type.String({ minLength: 1, description: 'Default: the only or the default connection to GitHub.' }),
    ),
  },
  { additionalProperties: false },
);

export const OutputsSchema = Type.Object({
  runId: Type.Integer(),
  runUrl: Type.String({ description: 'The page of the run, for people.' }),
  status: Type.Optional(Type.String({ description: 'queued, in_progress, waiting, completed, …' })),
  conclusion: Type.Optional(Type.String({ description: 'success, failure, …; there once the run has ended.' })),
});

type Given = Static<typeof ParamsSchema>;
export type Params = ReturnType<typeof complete>;
export type Outputs = Static<typeof OutputsSchema>;

/** With every default in its place. */
export function complete(given: Given) {
  return { ...defaults, ...given };
}

/** What the schema cannot say of inputs and their mark. */
export function mistakesIn(given: Given): InputMistake[] {
  const { inputs, correlation } = complete(given);
  if (correlation === undefined) return [];
  const { input } = correlation;
  if (Object.hasOwn(inputs, input)) {
    return [
      { path: '/correlation/input', message: `${input} is set in inputs too; the mark needs an input of its own` },
    ];
  }
  if (Object.keys(inputs).length < mostInputs) return [];
  return [{ path: '/inputs', message: `expected at most ${mostInputs - 1} beside the input for correlation` }];
}
