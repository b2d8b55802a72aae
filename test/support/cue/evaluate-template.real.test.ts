import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { CueError } from './cue.ts';
import { cueVersions, ensureCue } from './cue-program.ts';
import { evaluateTemplate, type Phase, type Tick } from './evaluate-template.ts';

const definitionPath = join(import.meta.dirname, 'sample-definition.cue');
const context = { name: 'shop', namespace: 'prod', appName: 'shop', stepName: 'purge', stepSessionID: 'abc0123456' };
const returns = { call: reply(200, { state: 'running', message: 'purging', outputs: {} }) };

function reply(statusCode: number, body: unknown) {
  return { statusCode, body: typeof body === 'string' ? body : JSON.stringify(body) };
}

function bodyOf(httpParams: Readonly<Record<string, unknown>> | undefined): string {
  assert.ok(httpParams);
  const { body } = httpParams.request as { readonly body: string };
  return body;
}

interface Answer {
  readonly when: string;
  readonly answer: { readonly statusCode: number; readonly body: string };
  readonly phase: Phase;
  readonly message?: string;
  readonly outputs?: unknown;
}

const answers: readonly Answer[] = [
  {
    when: 'the execution runs',
    answer: reply(201, { state: 'running', message: 'purging', outputs: {} }),
    phase: 'running',
    message: 'purging',
    outputs: {},
  },
  {
    when: 'it succeeded',
    answer: reply(200, { state: 'succeeded', message: 'purged', outputs: { tags: 1 } }),
    phase: 'succeeded',
    outputs: { tags: 1 },
  },
  {
    when: 'it failed',
    answer: reply(200, { state: 'failed', message: 'no such zone', outputs: {} }),
    phase: 'failed',
    message: 'no such zone',
    outputs: {},
  },
  {
    when: 'the executor is busy',
    answer: reply(503, { title: 'busy' }),
    phase: 'running',
    message: 'the executor is busy',
  },
  {
    when: 'a proxy answers in HTML',
    answer: reply(502, '<h1>Bad</h1>'),
    phase: 'running',
    message: 'the executor is busy',
  },
  {
    when: 'the request is refused',
    answer: reply(422, { code: 'invalid', detail: 'tags: expected a list' }),
    phase: 'failed',
    message: 'tags: expected a list',
  },
  {
    when: 'a proxy refuses in HTML',
    answer: reply(404, '<h1>Not Found</h1>'),
    phase: 'failed',
    message: 'the executor answered 404',
  },
];

for (const version of cueVersions) {
  describe(`CUE ${version}`, () => {
    const tick: Tick = { version, definitionPath, parameter: { tags: ['web'] }, context, returns };
    let folder: string;
    before(async () => {
      await ensureCue(version);
      folder = await mkdtemp(join(tmpdir(), 'aftersync-definition-'));
    });
    after(() => rm(folder, { recursive: true }));

    async function definition(template: string): Promise<string> {
      const path = join(folder, 'definition.cue');
      const imports = ['builtin', 'http'].filter((name) => template.includes(`${name}.#`));
      const lines = [...imports.map((name) => `import "vela/${name}"`), `template: {\n${template}\nparameter: {}\n}\n`];
      await writeFile(path, lines.join('\n'));
      return path;
    }

    for (const { when, answer, phase, message, outputs } of answers) {
      test(`the step is ${phase} when ${when} (${answer.statusCode})`, async () => {
        const result = await evaluateTemplate({ ...tick, returns: { call: answer } });
        assert.deepEqual(
          { phase: result.phase, message: result.decision?.params.message, outputs: result.outputs },
          { phase, message, outputs },
        );
      });
    }

    test('the request carries parameter and context', async () => {
      const parameter = { tags: ['a "quoted" \\(tag)', 'ü'], timeout: '10m' };
      const { requests } = await evaluateTemplate({ ...tick, parameter });
      assert.equal(requests.call?.method, 'PUT');
      assert.equal(requests.call?.url, 'http://aftersync.vela-system:8080/v1/executions/abc0123456');
      assert.deepEqual(JSON.parse(bodyOf(requests.call)), {
        step: 'purge-cdn',
        with: { tags: parameter.tags },
        timeout: '10m',
        origin: { kind: 'Application', namespace: 'prod', name: 'shop', step: 'purge', sessionID: 'abc0123456' },
      });
    });

    test('a context without appName is that of a WorkflowRun', async () => {
      const { appName: _, ...workflowRun } = context;
      const { requests } = await evaluateTemplate({ ...tick, context: workflowRun });
      assert.match(bodyOf(requests.call), /"kind":"WorkflowRun"/);
    });

    test('a parameter of the wrong type is a CUE error that names it', async () => {
      const evaluation = evaluateTemplate({ ...tick, parameter: { tags: 'web' } });
      await assert.rejects(
        evaluation,
        (error) => error instanceof CueError && /tags: conflicting values "web"/.test(error.message),
      );
    });

    test('an Unmarshal of HTML without a guard is a CUE error', async () => {
      const evaluation = evaluateTemplate({ ...tick, returns: { call: reply(200, '<h1>Welcome</h1>') } });
      await assert.rejects(evaluation, CueError);
    });

    test('a request that depends on its own answer is a CUE error', async () => {
      const path = await definition('call: http.#HTTPDo & {$params: url: "http://x/\\(call.$returns.statusCode)"}');
      await assert.rejects(evaluateTemplate({ ...tick, definitionPath: path, parameter: {} }), CueError);
    });

    test('a request may depend on the answer to another', async () => {
      const path = await definition(
        `first: http.#HTTPDo & {$params: url: "http://x"}
         second: http.#HTTPDo & {$params: url: "http://x/\\(first.$returns.body)"}`,
      );
      const { requests } = await evaluateTemplate({
        ...tick,
        definitionPath: path,
        parameter: {},
        returns: { first: reply(200, 'one'), second: reply(200, 'two') },
      });
      assert.equal(requests.second?.url, 'http://x/one');
    });

    test('a call that the tick gives no answer to is reported', async () => {
      const path = await definition('extra: http.#HTTPDo & {$params: url: "http://x"}');
      const evaluation = evaluateTemplate({ ...tick, definitionPath: path, parameter: {}, returns: {} });
      await assert.rejects(evaluation, /calls http\.#HTTPDo at extra, which has no \$returns/);
    });

    test('two actions that decide at once are refused, since KubeVela 1.10 and 1.11 would disagree', async () => {
      const path = await definition(
        `wait: builtin.#ConditionalWait & {$params: continue: false}
         nested: stop: builtin.#Fail & {$params: message: "no"}`,
      );
      const evaluation = evaluateTemplate({ ...tick, definitionPath: path, parameter: {}, returns: {} });
      await assert.rejects(evaluation, /more than one action decides.*builtin\.#Fail at nested\.stop/);
    });

    test('a message decides nothing', async () => {
      const path = await definition('say: builtin.#Message & {$params: message: "hello"}');
      const result = await evaluateTemplate({ ...tick, definitionPath: path, parameter: {}, returns: {} });
      assert.equal(result.phase, 'succeeded');
      assert.deepEqual(result.actions, [{ path: 'say', name: 'builtin.#Message', params: { message: 'hello' } }]);
    });
  });
}
