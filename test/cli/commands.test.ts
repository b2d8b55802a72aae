import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import pino from 'pino';
import { parse } from 'yaml';
import { staticTokens } from '../../src/http/static-tokens.ts';
import { type ServedApi, serveApi, success } from '../http/served-api.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type Ended, execute, type Surroundings, start } from './command-line.ts';

let api: ServedApi;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-cli-'));
});

after(() => rm(folder, { recursive: true }));

beforeEach(async () => {
  api = await serveApi();
});

afterEach(() => api.close());

function aftersync(args: readonly string[], surroundings: Surroundings = {}): Promise<Ended> {
  return execute(args, { server: api.server.url, cwd: folder, ...surroundings });
}

/** The result of a command that must succeed. */
async function resultOf(args: readonly string[], surroundings?: Surroundings): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await aftersync([...args, '--output', 'json'], surroundings);
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout);
}

async function storedRequest(id: string) {
  return (await api.store.get({ namespace: 'default', id }))?.request;
}

describe('run', () => {
  test('starts a step with parameters from a file and above them from the command line', async () => {
    await writeFile(join(folder, 'params.yaml'), 'ref: main\ninputs: { env: test, n: 1 }\nurls: [a]\n');
    const args = ['run', 'toy', '-f', 'params.yaml', '--with', 'inputs.env=prod', '--with', 'urls[]=b'];
    const { id } = await resultOf([...args, '--timeout', '5m']);
    assert.deepEqual(await storedRequest(String(id)), {
      step: 'toy',
      with: { ref: 'main', inputs: { env: 'prod', n: 1 }, urls: ['a', 'b'] },
      timeout: '5m',
    });
  });

  test('takes parameters from standard input', async () => {
    const { id } = await resultOf(['run', 'toy', '-f', '-', '--with', 'b=2'], { stdin: '{"a": 1}' });
    assert.deepEqual((await storedRequest(String(id)))?.with, { a: 1, b: 2 });
  });

  test('takes an empty file as no parameters', async () => {
    const { id } = await resultOf(['run', 'toy', '-f', '-'], { stdin: '# nothing\n' });
    assert.deepEqual((await storedRequest(String(id)))?.with, {});
  });

  test('does not wait, and says that it is under way', async () => {
    const { exitCode, stdout } = await aftersync(['run', 'toy', '--id', 'smoke']);
    assert.equal(exitCode, 0);
    assert.match(stdout, /^id {9}smoke\nnamespace {2}default\nstep {7}toy\nstate {6}pending\n/);
  });

  test('with the same key finds the same execution, with another or none a new one', async () => {
    const ids = await Promise.all(
      [['--key', 'release-1'], ['--key', 'release-1'], ['--key', 'release-2'], [], []].map(
        async (args) => (await resultOf(['run', 'toy', ...args])).id,
      ),
    );
    assert.equal(ids[0], ids[1]);
    assert.equal(new Set(ids).size, 4);
  });

  test('in a namespace', async () => {
    await resultOf(['run', 'toy', '--id', 'smoke', '--namespace', 'shop']);
    assert.notEqual(await api.store.get({ namespace: 'shop', id: 'smoke' }), undefined);
  });

  for (const [state, outcome, expectedCode] of [
    ['succeeded', success, 0],
    ['failed', { kind: 'failed', reason: 'UnexpectedResult', message: 'red' }, 1],
  ] as const) {
    test(`--wait follows it to its end, and exits with ${expectedCode} when it has ${state}`, async () => {
      const waiting = start(['run', 'toy', '--id', 'smoke', '--wait', '-o', 'json'], { server: api.server.url });
      await waiting.stderr.wrote('waiting for the test');
      await api.goOn('smoke', { kind: 'waiting', message: 'half way', outputs: { runUrl: 'https://x.example/1' } });
      await waiting.stderr.wrote('half way');
      await api.goOn('smoke', outcome);
      const { exitCode, stdout, stderr } = await waiting.ended;
      assert.equal(exitCode, expectedCode);
      assert.equal(JSON.parse(stdout).state, state);
      const lines = stderr
        .replaceAll(/^\d\d:\d\d:\d\d {2}/gm, '')
        .trim()
        .split('\n');
      assert.equal(lines[0], 'default/smoke');
      assert(lines.includes('runUrl: https://x.example/1'), stderr);
      assert.match(lines.at(-1) ?? '', new RegExp(`^${state}`));
    });
  }

  test('--wait ends with 1 when somebody cancels it', async () => {
    const waiting = start(['run', 'toy', '--id', 'smoke', '--wait'], { server: api.server.url });
    await waiting.stderr.wrote('waiting for the test');
    assert.equal((await aftersync(['cancel', 'smoke'])).exitCode, 0);
    const { exitCode, stdout } = await waiting.ended;
    assert.equal(exitCode, 1);
    assert.match(stdout, /^state {6}cancelled \(Cancelled\)$/m);
  });

  test('--wait-timeout exits with 3, tells how it stands and leaves it running', async () => {
    await api.put('smoke');
    await api.untilWaiting('smoke');
    const { exitCode, stdout, stderr } = await aftersync([
      'run',
      'toy',
      '--id',
      'smoke',
      '--wait-timeout',
      '300ms',
      '-o',
      'json',
    ]);
    assert.equal(exitCode, 3);
    assert.equal(JSON.parse(stdout).state, 'running');
    assert.match(
      stderr,
      /still running after 300ms: it goes on; follow it with `aftersync watch smoke --namespace default`\n$/,
    );
    assert.equal((await resultOf(['get', 'smoke'])).state, 'running');
  });

  test('--wait that is interrupted exits with 130 and leaves it running', async () => {
    const interruption = new AbortController();
    const waiting = start(['run', 'toy', '--id', 'smoke', '--wait'], {
      server: api.server.url,
      interrupted: interruption.signal,
    });
    await waiting.stderr.wrote('waiting for the test');
    interruption.abort();
    const { exitCode, stderr } = await waiting.ended;
    assert.equal(exitCode, 130);
    assert.match(stderr, /interrupted: it goes on; follow it with `aftersync watch smoke --namespace default`\n$/);
    assert.equal((await resultOf(['get', 'smoke'])).state, 'running');
  });
});

describe('get, list, cancel, retry', () => {
  test('get shows an execution with its outputs', async () => {
    await api.put('smoke');
    await api.goOn('smoke', success);
    const { stdout } = await aftersync(['get', 'smoke']);
    assert.match(stdout, /^state {6}succeeded\nmessage {4}all done\n/m);
    assert.match(stdout, /\noutputs\n {2}answer: 42\n$/);
  });

  test('get writes JSON and YAML as the API answers it', async () => {
    await api.put('smoke');
    await api.goOn('smoke', success);
    const { json } = await api.call('GET', '/v1/executions/smoke');
    assert.deepEqual(await resultOf(['get', 'smoke']), json);
    assert.deepEqual(parse((await aftersync(['get', 'smoke', '-o', 'yaml'])).stdout), json);
  });

  test('list shows the newest first, by state, step and namespace', async () => {
    await api.put('one');
    await api.put('two');
    await api.goOn('one', success);
    await api.untilWaiting('two');
    await api.call('PUT', '/v1/executions/far?namespace=shop', { body: { step: 'toy', with: {} } });
    const idsOf = async (...args: string[]) =>
      ((await resultOf(['list', ...args])) as unknown as { id: string }[]).map(({ id }) => id).sort();
    assert.deepEqual(await idsOf(), ['one', 'two']);
    assert.deepEqual(await idsOf('--state', 'succeeded'), ['one']);
    assert.deepEqual(await idsOf('--state', 'succeeded', '--state', 'running'), ['one', 'two']);
    assert.deepEqual(await idsOf('--step', 'planned'), []);
    assert.deepEqual(await idsOf('--namespace', 'shop'), ['far']);
    assert.deepEqual(await idsOf('--namespace', '*'), ['far', 'one', 'two']);
  });

  test('list as a table', async () => {
    await api.put('one');
    await api.goOn('one', success);
    const { stdout } = await aftersync(['list']);
    assert.match(
      stdout,
      /^NAMESPACE {2}ID {3}STEP {2}STATE {6}AGE +MESSAGE\ndefault {4}one {2}toy {3}succeeded {2}\w+ +all done\n$/,
    );
    assert.equal((await aftersync(['list', '--state', 'failed'])).stdout, 'there are no such executions\n');
  });

  test('list --limit says that there are more, --all fetches them page by page', async () => {
    for (let number = 0; number < 7; number++) await api.put(`n${number}`);
    const limited = await aftersync(['list', '--limit', '3', '-o', 'json']);
    assert.equal(JSON.parse(limited.stdout).length, 3);
    assert.equal(limited.stderr, 'there are more: --all lists them, --limit makes the page longer\n');
    const all = await aftersync(['list', '--limit', '3', '--all', '-o', 'json']);
    assert.equal(new Set(JSON.parse(all.stdout).map(({ id }: { id: string }) => id)).size, 7);
    assert.equal(all.stderr, '');
  });

  test('retry creates a new execution, once the first has ended', async () => {
    await api.put('smoke');
    const early = await aftersync(['retry', 'smoke']);
    assert.equal(early.exitCode, 1);
    assert.match(
      early.stderr,
      /^error: The execution has not ended yet \(not-final\): .*\nwait for its end with `aftersync watch`/,
    );
    await api.goOn('smoke', success);
    assert.equal((await resultOf(['retry', 'smoke'])).id, 'smoke-r1');
  });

  test('cancel says that the end is still to come', async () => {
    await api.put('smoke');
    const { exitCode, stdout, stderr } = await aftersync(['cancel', 'smoke']);
    assert.equal(exitCode, 0);
    assert.match(stdout, /^state {6}(pending|running)$/m);
    assert.equal(stderr, 'it was asked to end, and is about to\n');
  });

  test('cancel of what has ended says so', async () => {
    await api.put('smoke');
    await api.goOn('smoke', success);
    const { exitCode, stderr } = await aftersync(['cancel', 'smoke']);
    assert.equal(exitCode, 1);
    assert.match(stderr, /already-final/);
  });
});

describe('watch', () => {
  test('of one execution ends with it, by its exit code', async () => {
    await api.put('smoke');
    const watching = start(['watch', 'smoke', '-o', 'json'], { server: api.server.url });
    await watching.stdout.wrote('waiting for the test');
    await api.goOn('smoke', { kind: 'failed', reason: 'UnexpectedResult', message: 'red' });
    const { exitCode, stdout } = await watching.ended;
    assert.equal(exitCode, 1);
    const states = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).state);
    assert.equal(states.at(-1), 'failed');
  });

  test('of one that has ended already shows it', async () => {
    await api.put('smoke');
    await api.goOn('smoke', success);
    const { exitCode, stdout } = await aftersync(['watch', 'smoke']);
    assert.equal(exitCode, 0);
    assert.match(stdout, /^\d\d:\d\d:\d\d {2}default\/smoke {2}toy {2}succeeded {2}all done\n$/);
  });

  test('of all shows each change that matches, until it is interrupted', async () => {
    const interruption = new AbortController();
    const watching = start(['watch', '--state', 'succeeded', '-o', 'yaml'], {
      server: api.server.url,
      interrupted: interruption.signal,
    });
    // Nothing tells when the stream is open, so there is something new until it is.
    for (let number = 0; watching.stdout.text === ''; number++) {
      await api.put(`n${number}`);
      await api.goOn(`n${number}`, success);
    }
    interruption.abort();
    const { exitCode, stdout } = await watching.ended;
    assert.equal(exitCode, 130);
    assert.equal(parse(stdout.split('---\n')[1] ?? '').state, 'succeeded');
  });
});

describe('steps, plan, openapi', () => {
  test('steps lists them, and shows one with its parameters', async () => {
    assert.match(
      (await aftersync(['steps'])).stdout,
      /^STEP +TIMEOUT +DRY RUN +DESCRIPTION\ntoy +10m +no +For tests\.\nplanned +10m +yes/,
    );
    assert.match(
      (await aftersync(['steps', 'planned'])).stdout,
      /\nPARAMETER +TYPE +DEFAULT +DESCRIPTION\ntags +list of string +required\n/,
    );
  });

  test('an unknown step comes with the one that was meant', async () => {
    const { exitCode, stderr } = await aftersync(['steps', 'planed']);
    assert.equal(exitCode, 2);
    assert.equal(stderr, 'error: there is no step "planed"\ndid you mean planned?\n');
  });

  test('plan shows calls, time and cost', async () => {
    const { exitCode, stdout } = await aftersync(['plan', 'planned', '--with', 'tags[]=shop']);
    assert.equal(exitCode, 0);
    assert.equal(
      stdout,
      [
        'CALLS  METHOD  URL                        WHAT',
        '2      POST    https://cdn.example/purge  purge',
        '',
        'takes at least 2s, and costs 0.01 US dollars',
        'note: by tag',
        'Nothing was sent.',
        '',
      ].join('\n'),
    );
  });

  test('openapi is the document that the server has', async () => {
    assert.deepEqual(await resultOf(['openapi']), (await api.call('GET', '/openapi.json')).json);
  });
});

describe('what goes wrong is said with what to do next, and exits with', () => {
  const table: readonly (readonly [title: string, args: readonly string[], exitCode: number, stderr: RegExp])[] = [
    ['2: no command', [], 2, /^Usage: aftersync \[options\] \[command\]\n/],
    ['2: an unknown command', ['gte', 'x'], 2, /^error: unknown command 'gte'\n\(Did you mean get\?\)\n/],
    [
      '2: an unknown option',
      ['run', 'toy', '--wiat'],
      2,
      /^error: unknown option '--wiat'\n\(Did you mean --wait\?\)\n/,
    ],
    ['2: a missing argument', ['get'], 2, /^error: missing required argument 'id'\n/],
    ['2: a wrong format', ['list', '-o', 'xml'], 2, /Allowed choices are table, json, yaml\./],
    [
      '2: a wrong state',
      ['list', '--state', 'done'],
      2,
      /Allowed choices are pending, running, succeeded, failed, cancelled\./,
    ],
    ['2: a wrong limit', ['list', '--limit', '501'], 2, /Expected a number from 1 to 500\./],
    ['2: a wrong duration', ['run', 'toy', '--timeout', '10 min'], 2, /Expected a duration such as 30s, 10m or 2h\./],
    ['2: a wait that no timer can measure', ['run', 'toy', '--wait-timeout', '21d'], 2, /Expected at most 20d\./],
    [
      '2: an id that the server makes',
      ['run', 'toy', '--id', 'x-1'],
      2,
      /Ids that begin with x- are made by aftersync\./,
    ],
    ['2: an id that is none', ['run', 'toy', '--id', 'A'], 2, /Expected 1 to 63 lower-case letters/],
    [
      '2: id and key',
      ['run', 'toy', '--id', 'a', '--key', 'b'],
      2,
      /^error: --id and --key both name the execution; give one of them\n/,
    ],
    [
      '2: parameters that are not there',
      ['run', 'toy', '-f', 'gone.yaml'],
      2,
      /^error: gone\.yaml cannot be read: there is no such file\n/,
    ],
    [
      '2: a server for what is local',
      ['run', 'toy', '--local'],
      2,
      /^error: --local runs in this process, so there is no --server to name\n/,
    ],
    [
      '2: parameters that do not fit',
      ['plan', 'planned', '--with', 'tags=[]', '--with', 'x=1'],
      2,
      /^error: The request does not fit the schema \(invalid-parameters\)\n( {2}.*\n){2}see `aftersync steps STEP` for the parameters\n$/,
    ],
    [
      '2: a step that is not there',
      ['run', 'toys'],
      2,
      /^error: There is no such step \(unknown-step\): .*\nsee which there are with `aftersync steps`\n$/,
    ],
    [
      '2: an execution that is not there',
      ['get', 'gone'],
      2,
      /^error: There is nothing here \(not-found\): .*\nsee what there is with `aftersync list`/,
    ],
    ['2: a namespace that is none', ['get', 'x', '-n', 'A'], 2, /invalid-id/],
  ];
  for (const [title, args, exitCode, stderr] of table) {
    test(title, async () => {
      const ended = await aftersync(args);
      assert.equal(ended.exitCode, exitCode, ended.stderr);
      assert.match(ended.stderr, stderr);
      assert.equal(ended.stdout, '');
    });
  }

  test('2: parameters that are no YAML, with their places', async () => {
    const broken = await aftersync(['run', 'toy', '-f', '-'], { stdin: 'a: 1\nb: [' });
    assert.equal(broken.exitCode, 2);
    assert.match(broken.stderr, /^error: standard input:2:5: no YAML: /);
    const list = await aftersync(['run', 'toy', '-f', '-'], { stdin: '- a' });
    assert.equal(list.stderr, "error: standard input: expected the step's parameters by name, found a list\n");
  });

  test('2: a second request under an id', async () => {
    await api.put('smoke', { a: 1 });
    const { exitCode, stderr } = await aftersync(['run', 'toy', '--id', 'smoke', '--with', 'a=2']);
    assert.equal(exitCode, 2);
    assert.match(stderr, /\(id-conflict\): .*\nchoose another --id or --key for another request\n$/);
  });
});

describe('a server that wants a token', () => {
  let guarded: ServedApi;

  beforeEach(async () => {
    const file = join(folder, 'tokens');
    await writeFile(file, 'ci s3cret shop\n');
    await writeFile(join(folder, 'token'), 's3cret\n');
    const authenticate = await staticTokens({ file, clock: new ManualClock(), log: pino({ level: 'silent' }) });
    guarded = await serveApi(() => ({ authenticate }));
  });

  afterEach(() => guarded.close());

  function asCaller(...args: string[]): Promise<Ended> {
    return aftersync(args, { server: guarded.server.url });
  }

  test('gets the one in --token-file', async () => {
    const { exitCode, stderr } = await asCaller('run', 'toy', '-n', 'shop', '--token-file', 'token');
    assert.equal(exitCode, 0, stderr);
  });

  test('refuses without one, and the command says how to give it', async () => {
    const { exitCode, stderr } = await asCaller('list', '-n', 'shop');
    assert.equal(exitCode, 1);
    assert.match(
      stderr,
      /\(unauthenticated\): .*\ngive the file with your token with --token-file or AFTERSYNC_TOKEN_FILE\n$/,
    );
  });

  test('refuses what the token does not allow', async () => {
    const { exitCode, stderr } = await asCaller('list', '-n', 'other', '--token-file', 'token');
    assert.equal(exitCode, 1);
    assert.match(stderr, /\(forbidden\): ci may not list executions in namespace other\n/);
  });

  test('is not asked at all where the token cannot be read', async () => {
    const { exitCode, stderr } = await asCaller('list', '--token-file', 'gone');
    assert.equal(exitCode, 2);
    assert.match(stderr, /^error: the credential file .*gone cannot be used: there is no such file\nname another file/);
  });
});
