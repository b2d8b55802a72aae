import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { cueExport } from '../support/cue/cue.ts';
import { type CueVersion, cueVersions } from '../support/cue/cue-program.ts';
import { evaluateTemplate, type TickResult } from '../support/cue/evaluate-template.ts';
import { type Case, cases, execution, problem } from './answers.ts';
import { contexts, type DefinitionFile, definitionFiles, leastParameters, versionOf } from './definition-files.ts';

interface Ticked extends Pick<Case, 'statusCode' | 'body'> {
  readonly version: CueVersion;
  readonly parameter?: Readonly<Record<string, unknown>>;
  readonly context?: (typeof contexts)[keyof typeof contexts];
}

function tick({ name, path }: DefinitionFile, { version, parameter, context, statusCode, body }: Ticked) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return evaluateTemplate({
    version,
    definitionPath: path,
    parameter: { ...leastParameters[name], ...parameter },
    context: context ?? contexts.Application,
    returns: { call: { statusCode, body: text } },
  });
}

interface Call {
  readonly method: string;
  readonly url: string;
  readonly header: object;
  readonly body: Readonly<Record<string, unknown>>;
}

function callOf({ requests }: TickResult): Call {
  const { method, url, request } = requests.call as Omit<Call, 'header' | 'body'> & {
    readonly request: { readonly header: object; readonly body: string };
  };
  return { method, url, header: request.header, body: JSON.parse(request.body) };
}

function messageOf({ actions }: TickResult): unknown {
  assert.equal(actions.length, 1, 'no second action stands beside the one that is meant');
  return actions[0]?.params.message;
}

/** A value of each output that the step declares, of the right type and with nothing in it. */
function emptyOutputs({ step }: DefinitionFile): unknown {
  const empty = (schema: Readonly<Record<string, unknown>>): unknown => {
    if (schema.type === 'string') return '';
    if (schema.type === 'array') return [];
    if (schema.type !== 'object') return 0;
    const fields = Object.entries(
      (schema.properties ?? {}) as Readonly<Record<string, Readonly<Record<string, unknown>>>>,
    );
    return Object.fromEntries(fields.map(([name, field]) => [name, empty(field)]));
  };
  return empty(step.outputs);
}

for (const version of cueVersions) {
  for (const file of definitionFiles) {
    describe(`${file.name}, CUE ${version}`, () => {
      for (const { answer, phase, message, failurePolicy, ...answered } of cases) {
        test(`${answer} (${answered.statusCode}): the step is ${phase}`, async () => {
          const parameter = failurePolicy === undefined ? {} : { failurePolicy };
          const result = await tick(file, { version, parameter, ...answered });
          assert.deepEqual({ phase: result.phase, message: messageOf(result) }, { phase, message });
          const isSuccess = (answered.body as { state?: unknown }).state === 'succeeded' && answered.statusCode < 400;
          assert.deepEqual(result.outputs, isSuccess ? {} : emptyOutputs(file));
        });
      }

      test('a success hands on what the executor gives, no less and no more', async () => {
        const outputs = {
          message: 'a "quoted" \\(text)',
          list: [1, { a: null }],
          $returns: { value: { kind: 'Pod' } },
        };
        const body = { ...execution('succeeded', 'done'), outputs };
        const { outputs: handedOn, fields } = await tick(file, { version, statusCode: 200, body });
        assert.deepEqual(handedOn, outputs);
        if (file.name === 'read-object') assert.deepEqual(fields.output, outputs, 'as the built-in step has it');
      });

      test('a failure that is ignored hands on what there is, and fills in the rest', async () => {
        const [name, ...others] = Object.keys(emptyOutputs(file) as object);
        const body = { ...execution('failed', 'half'), outputs: { [name ?? '']: 'something' } };
        const parameter = { failurePolicy: 'ignore' };
        const { outputs } = await tick(file, { version, parameter, statusCode: 200, body });
        assert.deepEqual(new Set(Object.keys(outputs as object)), new Set([name, ...others]));
        assert.equal((outputs as Record<string, unknown>)[name ?? ''], 'something');
      });

      test('nothing is decided, and nothing is wrong, before the answer', async () => {
        const fill = { parameter: leastParameters[file.name] };
        const unanswered = `context: ${JSON.stringify(contexts.Application)}\nunanswered: template & ${JSON.stringify(fill)}`;
        const files = { 'definition.cue': file.source, 'tick.cue': unanswered };
        const fields = (await cueExport({ version, files, expression: 'unanswered' })) as Record<string, object>;
        const doing = Object.keys(fields).filter((name) => '$do' in Object(fields[name]));
        assert.deepEqual(doing, ['call']);
      });

      for (const [kind, context] of Object.entries(contexts)) {
        test(`the call of a step in a ${kind} says so, and bears the id that KubeVela gave the step`, async () => {
          const answered = { statusCode: 201, body: execution('pending', 'accepted') };
          const parameter = { timeout: '5m', failurePolicy: 'ignore' };
          const call = callOf(await tick(file, { version, context, parameter, ...answered }));
          const { namespace, name, stepName: step, stepSessionID: sessionID } = context;
          assert.deepEqual(call, {
            method: 'PUT',
            url: `http://aftersync.vela-system:8080/v1/executions/${sessionID}`,
            header: {
              'Content-Type': 'application/json',
              'Aftersync-Definition': `${file.name}/${versionOf(file)}`,
            },
            body: {
              step: file.name,
              with: leastParameters[file.name],
              ...parameter,
              origin: { kind, namespace, name, step, sessionID },
            },
          });
        });
      }

      test('executor is where the call goes; it is no parameter of the step', async () => {
        const answered = { statusCode: 201, body: execution('pending', 'accepted') };
        for (const executor of ['https://after.example:8443', 'https://after.example:8443/']) {
          const { url, body } = callOf(await tick(file, { version, parameter: { executor }, ...answered }));
          assert.equal(url, 'https://after.example:8443/v1/executions/abc0123456');
          assert.deepEqual(body.with, leastParameters[file.name]);
        }
      });
    });
  }
}

test('read-object hands on something for each name in select, whatever becomes of it', async () => {
  const file = definitionFiles.find(({ name }) => name === 'read-object');
  assert.ok(file);
  for (const version of cueVersions) {
    const select = { image: '.spec.image', value: '.spec.value' };
    const body = problem(422, 'invalid-parameters', '/with/select/value is taken');
    const { outputs, phase } = await tick(file, { version, parameter: { select }, statusCode: 422, body });
    assert.equal(phase, 'failed');
    assert.deepEqual(outputs, { ...(emptyOutputs(file) as object), image: null });
  }
});
