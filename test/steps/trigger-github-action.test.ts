import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Static } from '@sinclair/typebox';
import type { HttpRequest } from '../../src/core/connection.ts';
import type { Stop } from '../../src/core/execution.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { fits, mistakesOf, withDefaults } from '../../src/core/schema.ts';
import type { Outcome } from '../../src/core/step.ts';
import { DispatchEffect } from '../../src/steps/trigger-github-action/dispatch.ts';
import { complete } from '../../src/steps/trigger-github-action/params.ts';
import { triggerGithubAction as step } from '../../src/steps/trigger-github-action.ts';
import { type OpenGitHub, type OpenOptions, openGitHub } from '../providers/github/open-github.ts';
import type { Fault } from '../support/github/faults.ts';
import type { Inputs, StandInOptions, WorkflowOptions } from '../support/github/options.ts';
import { chooseSeed, seededRandom } from '../support/seeded-random.ts';
import { FakeExecution, finishTogether, markOf } from './fake-context.ts';

type StepParams = Static<typeof step.params>;

const minuteMs = 60_000;
const passing = [
  { status: 'queued', forMs: 10_000 },
  { status: 'in_progress', forMs: 20_000 },
  { status: 'completed', conclusion: 'success' },
];

/** smoke.yml shows the input `mark`; plain.yml takes no inputs. */
function repositories(change: Partial<WorkflowOptions> = {}): StandInOptions {
  const runName = ({ mark }: Inputs) => `smoke [${mark}]`;
  const on = { workflow_dispatch: { inputs: { target: {}, count: {}, fast: {}, mark: {} } } };
  const smoke = { file: 'smoke.yml', on, runName, plan: passing, ...change };
  return {
    repositories: [{ fullName: 'acme/shop', refs: ['dev'], workflows: [smoke, { file: 'plain.yml', plan: passing }] }],
  };
}

const plain: JsonObject = { repository: 'acme/shop', workflow: 'plain.yml', ref: 'main' };
/** Of the workflow with a mark, but started without one. */
const unmarked: JsonObject = { ...plain, workflow: 'smoke.yml' };
const marked: JsonObject = { ...plain, workflow: 'smoke.yml', correlation: { input: 'mark' } };

function given(params: JsonObject): StepParams {
  return params as unknown as StepParams;
}

interface Bench extends OpenGitHub {
  execution(params: JsonObject, id?: string): FakeExecution;
}

async function open(test: TestContext, options: OpenOptions = {}): Promise<Bench> {
  const github = await openGitHub(test, { ...options, standIn: { ...repositories(), ...options.standIn } });
  const { clock, client, signals } = github;
  return {
    ...github,
    execution: (params, id = 'e1') => new FakeExecution({ id, step, with: params, clock, client, signals }),
  };
}

/** Somebody else's dispatch, with the token given, past our client. */
async function dispatchByHand(
  { standIn }: OpenGitHub,
  workflow: string,
  { token = 'stand-in-token', inputs = {}, ref = 'main' } = {},
): Promise<number> {
  const response = await fetch(`${standIn.url}/repos/acme/shop/actions/workflows/${workflow}/dispatches`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ ref, inputs }),
  });
  assert.ok(response.ok, `${response.status}`);
  return standIn.runs.at(-1)?.id ?? 0;
}

function reasonOf(outcome: Outcome): string {
  return outcome.kind === 'failed' ? outcome.reason : outcome.kind;
}

function requestsOf({ standIn }: OpenGitHub, route: string) {
  return standIn.requests.filter((request) => request.route === route);
}

describe('trigger-github-action', () => {
  it('starts one run, waits for its end and gives its id, page and conclusion', async (t) => {
    const bench = await open(t);
    const execution = bench.execution(plain);
    const end = await execution.finish();
    const [run] = bench.standIn.runs;
    const page = `${bench.standIn.url}/acme/shop/actions/runs/${run?.id}`;
    assert.deepEqual(end, {
      kind: 'succeeded',
      message: `the run ended with success: ${page}`,
      outputs: { runId: run?.id, runUrl: page, status: 'completed', conclusion: 'success' },
    });
    assert.equal(bench.standIn.dispatches(), 1);
    assert.deepEqual(execution.messages, [`the run is queued or in progress: ${page}`]);
  });

  it('is done once the run is there with waitFor: dispatched', async (t) => {
    const bench = await open(t);
    const end = await bench.execution({ ...plain, waitFor: 'dispatched' }).advance();
    assert.equal(end.kind, 'succeeded');
    assert.equal(end.outputs?.runId, bench.standIn.runs[0]?.id);
    assert.equal(requestsOf(bench, 'getRun').length, 0);
  });

  it('sends all inputs as text, and its mark in the one for correlation', async (t) => {
    const bench = await open(t);
    const execution = bench.execution({ ...marked, inputs: { target: 'eu', count: 3, fast: true } });
    await execution.finish();
    const mark = `aftersync-${markOf(execution.execution, 'dispatch')}`;
    assert.deepEqual(bench.standIn.runs[0]?.inputs, { target: 'eu', count: '3', fast: 'true', mark });
    assert.equal(bench.standIn.runs[0]?.displayTitle, `smoke [${mark}]`);
  });

  it('takes a workflow by its id', async (t) => {
    const bench = await open(t);
    const { id } = bench.standIn.workflow('acme/shop', 'plain.yml');
    assert.equal(reasonOf(await bench.execution({ ...plain, workflow: id }).finish()), 'succeeded');
    assert.equal(bench.standIn.dispatches('acme/shop', 'plain.yml'), 1);
  });

  it('waits for the watch of its repository, and looks by itself only every 5 minutes', async (t) => {
    const bench = await open(t, { standIn: repositories({ plan: [{ status: 'in_progress' }] }) });
    const outcome = await bench.execution({ ...marked, repository: 'Acme/Shop' }).advance();
    assert.ok(outcome.kind === 'waiting');
    assert.deepEqual(outcome.signals, [`github:test/acme/shop/${bench.standIn.runs[0]?.id}`]);
    assert.equal(outcome.until, bench.clock.now() + 5 * minuteMs);
  });

  it('looks by itself more seldom than the watch, however seldom that is', async (t) => {
    const bench = await open(t, { connection: { pollInterval: '10m' } });
    const outcome = await bench.execution(marked).advance();
    assert.equal(outcome.kind === 'waiting' && outcome.until, bench.clock.now() + 90 * minuteMs);
  });

  it('believes no webhook: it reads the run, and anew', async (t) => {
    const bench = await open(t, { standIn: repositories({ plan: [{ status: 'in_progress' }] }) });
    const execution = bench.execution(marked);
    await execution.advance();
    const [run] = bench.standIn.runs;
    assert.ok(run !== undefined);
    const place = { repository: 'acme/shop', runId: run.id };
    bench.client.watches.wake(place);
    assert.ok(execution.isRaised);
    assert.equal((await execution.advance()).kind, 'waiting');
    bench.standIn.setRun(run.id, { status: 'completed', conclusion: 'failure' });
    bench.client.watches.wake(place);
    assert.equal(reasonOf(await execution.advance()), 'UnexpectedResult');
  });

  it('pays only for the looks at a run that show something new', async (t) => {
    const plan = [
      { status: 'in_progress', forMs: 5 * minuteMs },
      { status: 'completed', conclusion: 'success' },
    ];
    const bench = await open(t, { standIn: repositories({ plan }) });
    await bench.execution(marked).finish();
    const paid = requestsOf(bench, 'getRun').filter(({ outcome }) => outcome === 200);
    assert.equal(paid.length, 2);
  });
});

describe('whatever becomes of the answer, there is one run, or none and the word Uncertain', () => {
  const accepted = [
    'accept-then-502',
    'accept-then-reset',
    'accept-then-hang',
    'truncated-200',
    'html-200',
    'broken-json-200',
    '200-with-error-inside',
    'empty-200',
  ] as const;
  const refused = ['reject-502', 'reset-before', 'hang-before', '500'] as const;
  for (const [how, params] of [
    ['with a mark', marked],
    ['without one', plain],
  ] as const) {
    for (const kind of [...accepted, ...refused]) {
      it(`${kind}, ${how}`, async (t) => {
        const bench = await open(t, kind.includes('hang') ? { connection: { sendTimeout: '200ms' } } : {});
        bench.standIn.listLagMs = 20_000;
        bench.standIn.fault('dispatch', { kind } as Fault);
        const wasStarted = (accepted as readonly string[]).includes(kind);
        const end = await bench.execution(params).finish();
        assert.equal(reasonOf(end), wasStarted ? 'succeeded' : 'Uncertain');
        assert.equal(bench.standIn.dispatches(), wasStarted ? 1 : 0);
        assert.equal(requestsOf(bench, 'dispatch').length, 1);
      });
    }
  }

  it('a process that dies after the send, with a mark', async (t) => {
    const bench = await open(t);
    const execution = bench.execution(marked);
    await execution.advance();
    execution.forgetAnswer('dispatch');
    execution.client = bench.reopen();
    assert.equal(reasonOf(await execution.finish()), 'succeeded');
    assert.equal(bench.standIn.dispatches(), 1);
  });

  it('a process that dies after the send, without one', async (t) => {
    const bench = await open(t);
    const execution = bench.execution(plain);
    await execution.advance();
    execution.forgetAnswer('dispatch');
    bench.clock.advance(1);
    execution.client = bench.reopen();
    assert.equal(reasonOf(await execution.finish()), 'succeeded');
    assert.equal(bench.standIn.dispatches(), 1);
  });

  it('a run that no list ever shows', async (t) => {
    const bench = await open(t, { standIn: { ghes: '3.20' } });
    bench.standIn.listLagMs = 24 * 60 * minuteMs;
    const startedAt = bench.clock.now();
    const end = await bench.execution(marked).finish();
    assert.equal(reasonOf(end), 'Uncertain');
    assert.match(end.message ?? '', /GitHub accepted it.*\/acme\/shop\/actions\/workflows\/smoke\.yml.*inputs\.mark/);
    assert.equal(bench.standIn.dispatches(), 1);
    assert.equal(bench.clock.now() - startedAt, 200_000);
  });

  it('says what would have helped where there was no mark', async (t) => {
    const bench = await open(t);
    bench.standIn.fault('dispatch', { kind: 'reject-502' });
    const end = await bench.execution(plain).finish();
    assert.match(end.message ?? '', /correlation: \{ input \} and a run-name/);
    assert.doesNotMatch(end.message ?? '', /accepted it/);
  });

  it('is sent again where the user wants it so, and may then run twice', async (t) => {
    const bench = await open(t);
    bench.standIn.fault('dispatch', { kind: 'reject-502' });
    assert.equal(reasonOf(await bench.execution({ ...plain, onUncertain: 'resend' }).finish()), 'succeeded');
    assert.equal(bench.standIn.dispatches(), 1);
    assert.equal(requestsOf(bench, 'dispatch').length, 2);
  });
});

describe('Enterprise Server', () => {
  for (const ghes of ['3.17', '3.20', '3.21']) {
    for (const [how, params] of [
      ['with a mark', marked],
      ['without one', plain],
    ] as const) {
      it(`${ghes} runs a workflow once, ${how}`, async (t) => {
        const bench = await open(t, { standIn: { ghes, listLagMs: 8_000 } });
        assert.equal(reasonOf(await bench.execution(params).finish()), 'succeeded');
        assert.equal(bench.standIn.dispatches(), 1);
        assert.equal(requestsOf(bench, 'dispatch').length, 1);
      });
    }
  }

  it('of any version runs a workflow once though it refuses the flag', async (t) => {
    const bench = await open(t, { standIn: { ghes: '3.20', runDetailsFlag: 'rejected' } });
    assert.equal(reasonOf(await bench.execution(marked).finish()), 'succeeded');
    assert.equal(bench.standIn.dispatches(), 1);
  });
});

describe('two executions of one workflow', () => {
  for (const [how, params] of [
    ['with marks', marked],
    ['without marks', plain],
  ] as const) {
    it(`each get a run of their own where GitHub names none, ${how}`, async (t) => {
      const bench = await open(t, { standIn: { ghes: '3.20', listLagMs: 5_000 } });
      const executions = ['a', 'b', 'c'].map((id) => bench.execution(params, id));
      const ends = await finishTogether(bench.clock, executions);
      assert.deepEqual(ends.map(reasonOf), ['succeeded', 'succeeded', 'succeeded']);
      assert.equal(new Set(ends.map(({ outputs }) => outputs?.runId)).size, 3);
      assert.equal(bench.standIn.dispatches(), 3);
    });
  }

  it('wait for each other only without marks', async (t) => {
    const bench = await open(t, { standIn: { ghes: '3.20', listLagMs: 5_000 } });
    const [first, second] = [bench.execution(plain, 'a'), bench.execution(plain, 'b')];
    await first.advance();
    const waiting = await second.advance();
    assert.match(waiting.message ?? '', /until the run of another execution/);
    assert.deepEqual(second.context().execution.status.effects, [], 'nothing that a crash could leave open');
    assert.equal(bench.standIn.dispatches(), 1);
    assert.equal((await bench.execution({ ...plain, ref: 'dev' }, 'c').advance()).kind, 'waiting');
    assert.equal(bench.standIn.dispatches(), 2);
  });

  it('do not wait for each other where GitHub names each run', async (t) => {
    const bench = await open(t);
    await bench.execution(plain, 'first').finish();
    await Promise.all(['a', 'b', 'c'].map((id) => bench.execution(plain, id).advance()));
    assert.equal(bench.standIn.dispatches(), 4);
  });

  it('are both Uncertain, and never take one run, where nothing tells their runs apart', async (t) => {
    const bench = await open(t);
    await bench.execution(plain, 'first').finish();
    bench.standIn.fault('dispatch', { kind: 'accept-then-502', times: 2 });
    const ends = await finishTogether(bench.clock, [bench.execution(plain, 'a'), bench.execution(plain, 'b')]);
    assert.deepEqual(ends.map(reasonOf), ['Uncertain', 'Uncertain']);
    assert.equal(bench.standIn.dispatches(), 3);
  });

  it('are both Uncertain where one run turns up that could be of either', async (t) => {
    const bench = await open(t);
    await bench.execution(plain, 'first').finish();
    bench.standIn.fault('dispatch', { kind: 'accept-then-502' });
    bench.standIn.fault('dispatch', { kind: 'reject-502' });
    const ends = await finishTogether(bench.clock, [bench.execution(plain, 'a'), bench.execution(plain, 'b')]);
    assert.deepEqual(ends.map(reasonOf), ['Uncertain', 'Uncertain']);
    assert.equal(bench.standIn.dispatches(), 2);
  });

  it('know whose a run is from the moment that it is known at all', async (t) => {
    const bench = await open(t);
    const effect = new DispatchEffect(bench.execution(plain).context(), bench.client, complete(given(plain)));
    const evidence = await effect.prepare();
    const intent = { request: effect.request, mark: 'm', intentAt: bench.clock.now(), evidence };
    const { runId } = await effect.send(intent);
    assert.equal(bench.client.ledger.isOfAnother(runId, 'default/other'), true);
  });

  it('are told apart by one mark of the two', async (t) => {
    const bench = await open(t, { standIn: { ghes: '3.20', listLagMs: 5_000 } });
    const executions = [bench.execution(marked, 'a'), bench.execution(unmarked, 'b')];
    const ends = await finishTogether(bench.clock, executions);
    assert.deepEqual(ends.map(reasonOf), ['succeeded', 'succeeded']);
    const runOfMark = bench.standIn.runs.find(({ displayTitle }) => displayTitle.includes('aftersync-'));
    assert.equal(ends[0]?.outputs?.runId, runOfMark?.id);
    assert.notEqual(ends[1]?.outputs?.runId, runOfMark?.id);
  });

  it('by whatever names, file and id, are known to mean one workflow', async (t) => {
    const bench = await open(t, { standIn: { ghes: '3.20', listLagMs: 5_000 } });
    const { id } = bench.standIn.workflow('acme/shop', 'plain.yml');
    const executions = [bench.execution(plain, 'a'), bench.execution({ ...plain, workflow: id }, 'b')];
    const ends = await finishTogether(bench.clock, executions);
    assert.deepEqual(ends.map(reasonOf), ['succeeded', 'succeeded']);
    assert.equal(new Set(ends.map(({ outputs }) => outputs?.runId)).size, 2);
  });

  it('after a restart: one does not take the run of the other, which has not advanced yet', async (t) => {
    const bench = await open(t);
    const [waiting, lost] = [bench.execution(plain, 'a'), bench.execution(plain, 'b')];
    bench.standIn.fault('dispatch', { kind: 'reject-502', skip: 1 });
    await Promise.all([lost.context().connection('github'), waiting.advance()]);
    // Both were sent at the same time, and the run of `waiting` was not in the list when `lost` looked before its send.
    await lost.advance();
    const { effects } = lost.execution.status;
    const [record] = effects;
    assert.ok(record !== undefined);
    lost.execution = {
      ...lost.execution,
      status: {
        ...lost.execution.status,
        effects: [{ ...record, evidence: { ...(record.evidence as JsonObject), seen: [] } }],
      },
    };
    bench.clock.advance(1_000);
    const client = bench.reopen();
    lost.client = client;
    waiting.client = client;
    assert.equal((await lost.advance()).kind, 'waiting');
    const ends = await finishTogether(bench.clock, [lost, waiting]);
    assert.deepEqual(ends.map(reasonOf), ['Uncertain', 'succeeded']);
  });

  it('never share a run and never start two, whatever fails (random)', async (t) => {
    const seed = chooseSeed();
    t.diagnostic(`AFTERSYNC_TEST_SEED=${seed}`);
    const random = seededRandom(seed);
    for (let round = 0; round < 10; round += 1) {
      const bench = await open(t, {
        standIn: { listLagMs: random.pick([0, 3_000, 30_000]), ...random.pick([{}, { ghes: '3.20' }]) },
      });
      // Where GitHub is known to name runs, dispatches do not wait for each other.
      if (random.chance(0.5)) await bench.execution(marked, 'first').finish();
      const before = bench.standIn.dispatches();
      const executions = Array.from({ length: 4 }, (_unused, index) =>
        bench.execution(random.pick([plain, marked, unmarked]), `e${index}`),
      );
      for (let fault = 0; fault < 3; fault += 1) {
        const kind = random.pick([
          'accept-then-502',
          'accept-then-reset',
          'html-200',
          'reject-502',
          'reset-before',
          '429',
        ]);
        bench.standIn.fault('dispatch', { kind, skip: random.below(3) } as Fault);
      }
      const ends = await finishTogether(bench.clock, executions);

      const told = `round ${round}: ${JSON.stringify(ends.map(reasonOf))}`;
      const runIds = ends.flatMap(({ outputs }) => outputs?.runId ?? []);
      assert.equal(new Set(runIds).size, runIds.length, told);
      assert.ok(bench.standIn.dispatches() - before <= executions.length, told);
      assert.ok(
        ends.every((end) => ['succeeded', 'Uncertain'].includes(reasonOf(end))),
        told,
      );
      assert.equal(ends.filter(({ kind }) => kind === 'succeeded').length, runIds.length, told);
      for (const [index, { execution }] of executions.entries()) {
        const mark = `aftersync-${markOf(execution, 'dispatch')}`;
        const run = bench.standIn.runs.find(({ displayTitle }) => displayTitle.includes(mark));
        if (run !== undefined) assert.equal(ends[index]?.outputs?.runId, run.id, told);
      }
    }
  });
});

describe('a run that is not ours is never taken for ours', () => {
  const tokens = [
    { token: 'stand-in-token', login: 'octocat' },
    { token: 'other-token', login: 'hubot' },
  ];
  for (const [name, byHand] of [
    ['of another actor', { token: 'other-token' }],
    ['at another branch', { ref: 'dev' }],
    ['with the mark of another', { inputs: { mark: `aftersync-${'a'.repeat(26)}` } }],
  ] as const) {
    it(name, async (t) => {
      const bench = await open(t, { standIn: { tokens } });
      bench.standIn.fault('dispatch', { kind: 'reject-502' });
      const execution = bench.execution({ ...plain, workflow: 'smoke.yml' });
      await execution.advance();
      await dispatchByHand(bench, 'smoke.yml', byHand);
      assert.equal(reasonOf(await execution.finish()), 'Uncertain');
    });
  }

  it('whose execution may be in another replica, of which this process knows nothing', async (t) => {
    const bench = await open(t);
    bench.standIn.fault('dispatch', { kind: 'reject-502' });
    const execution = bench.execution(plain);
    const { status } = execution.execution;
    execution.execution = { ...execution.execution, status: { ...status, holder: 'aftersync-a' } };
    await execution.advance();
    await dispatchByHand(bench, 'plain.yml');
    assert.equal(reasonOf(await execution.finish()), 'Uncertain');
  });

  it('that stood there before', async (t) => {
    const bench = await open(t);
    await dispatchByHand(bench, 'plain.yml');
    bench.standIn.fault('dispatch', { kind: 'reject-502' });
    assert.equal(reasonOf(await bench.execution(plain).finish()), 'Uncertain');
  });

  it('that was started before but appears in the list only later', async (t) => {
    const bench = await open(t, { standIn: { listLagMs: 15_000 } });
    await dispatchByHand(bench, 'plain.yml');
    bench.clock.advance(10_000);
    bench.standIn.fault('dispatch', { kind: 'reject-502' });
    assert.equal(reasonOf(await bench.execution(plain).finish()), 'Uncertain');
  });

  it('that was started when ours could not turn up any more', async (t) => {
    const bench = await open(t);
    bench.standIn.fault('dispatch', { kind: 'reject-502' });
    const execution = bench.execution(plain);
    await execution.advance();
    bench.clock.advance(205_000);
    await dispatchByHand(bench, 'plain.yml');
    assert.equal(reasonOf(await execution.finish()), 'Uncertain');
  });

  it('without a mark where ours has one', async (t) => {
    const bench = await open(t);
    bench.standIn.fault('dispatch', { kind: 'reject-502' });
    const execution = bench.execution(marked);
    await execution.advance();
    await dispatchByHand(bench, 'smoke.yml');
    assert.equal(reasonOf(await execution.finish()), 'Uncertain');
  });

  it('where another one could be it as well', async (t) => {
    const bench = await open(t);
    bench.standIn.fault('dispatch', { kind: 'accept-then-502' });
    bench.standIn.listLagMs = 5_000;
    const execution = bench.execution(plain);
    await execution.advance();
    await dispatchByHand(bench, 'plain.yml');
    assert.equal(reasonOf(await execution.finish()), 'Uncertain');
  });

  it('where GitHub does not tell who we are', async (t) => {
    const app = [{ token: 'app', login: 'shop[bot]', kind: 'app' as const }];
    const bench = await open(t, { token: 'app', standIn: { tokens: app, ghes: '3.20' } });
    assert.equal(reasonOf(await bench.execution(plain).finish()), 'Uncertain');
    assert.equal(reasonOf(await bench.execution(marked, 'e2').finish()), 'succeeded');
  });

  it('after a refused connection, before the dispatch is sent again', async (t) => {
    const bench = await open(t);
    bench.standIn.fault('dispatch', { kind: '429', retryAfterSeconds: 30 });
    const execution = bench.execution(plain);
    await execution.advance();
    const foreign = await dispatchByHand(bench, 'plain.yml');
    const end = await execution.finish();
    assert.equal(reasonOf(end), 'succeeded');
    assert.notEqual(end.outputs?.runId, foreign);
    assert.equal(bench.standIn.dispatches(), 2);
  });
});

describe('a dispatch that GitHub carried out twice', () => {
  it('keeps the oldest run, cancels the other and says so', async (t) => {
    const bench = await open(t);
    bench.standIn.fault('dispatch', { kind: 'accept-then-502' });
    bench.standIn.listLagMs = 5_000;
    const execution = bench.execution(marked);
    await execution.advance();
    bench.clock.advance(1_000);
    const mark = `aftersync-${markOf(execution.execution, 'dispatch')}`;
    const second = await dispatchByHand(bench, 'smoke.yml', { inputs: { mark } });
    bench.clock.advance(5_000);
    const end = await execution.finish();
    assert.equal(end.kind, 'succeeded');
    assert.equal(end.outputs?.runId, bench.standIn.runs[0]?.id);
    assert.equal(bench.standIn.runs[1]?.conclusion, 'cancelled');
    assert.match(
      end.message ?? '',
      new RegExp(`started 2 runs for one dispatch; the oldest counts, and ${second} were cancelled`),
    );
  });

  it('says so where the other could not be cancelled', async (t) => {
    const bench = await open(t, {
      instead: ({ url }) =>
        String(url).endsWith('/cancel')
          ? { status: 403, headers: { 'content-type': 'application/json' }, text: '{"message":"no"}' }
          : undefined,
    });
    bench.standIn.fault('dispatch', { kind: 'accept-then-502' });
    bench.standIn.listLagMs = 5_000;
    const execution = bench.execution(marked);
    await execution.advance();
    await dispatchByHand(bench, 'smoke.yml', {
      inputs: { mark: `aftersync-${markOf(execution.execution, 'dispatch')}` },
    });
    bench.clock.advance(5_000);
    const end = await execution.finish();
    assert.equal(end.kind, 'succeeded');
    assert.match(end.message ?? '', /could not be cancelled \(GitHub does not let/);
  });
});

describe('what GitHub refuses', () => {
  it('a correlation input that the workflow lacks is Rejected, never dropped', async (t) => {
    const bench = await open(t);
    const end = await bench.execution({ ...marked, correlation: { input: 'other' } }).finish();
    assert.equal(reasonOf(end), 'Rejected');
    assert.match(
      end.message ?? '',
      /Unexpected inputs provided: \["other"\].*must declare other \(correlation\.input\)/,
    );
    assert.equal(requestsOf(bench, 'dispatch').length, 1);
  });

  it('an unknown workflow is Rejected before anything is sent', async (t) => {
    const bench = await open(t);
    const end = await bench.execution({ ...plain, workflow: 'other.yml' }).finish();
    assert.equal(reasonOf(end), 'Rejected');
    assert.match(end.message ?? '', /knows no workflow other\.yml of acme\/shop \(404 Not Found\)/);
    assert.equal(requestsOf(bench, 'dispatch').length, 0);
  });

  it('a wrong token fails the connection', async (t) => {
    const bench = await open(t, { token: 'wrong' });
    assert.equal(reasonOf(await bench.execution(plain).finish()), 'ConnectionFailed');
  });

  for (const kind of ['429', '403-primary', '403-secondary'] as const) {
    it(`a rate limit (${kind}) is waited out, and fails nothing`, async (t) => {
      const bench = await open(t);
      bench.standIn.fault('dispatch', { kind });
      const execution = bench.execution(marked);
      const end = await execution.finish();
      assert.equal(reasonOf(end), 'succeeded');
      assert.equal(bench.standIn.dispatches(), 1);
      assert.match(execution.messages[0] ?? '', /rate limit/);
    });
  }

  it('a rate limit that carried the dispatch out all the same: the run is found before another is sent', async (t) => {
    const bench = await open(t);
    bench.standIn.fault('dispatch', { kind: '429' });
    const execution = bench.execution(marked);
    await execution.advance();
    await dispatchByHand(bench, 'smoke.yml', {
      inputs: { mark: `aftersync-${markOf(execution.execution, 'dispatch')}` },
    });
    assert.equal(reasonOf(await execution.finish()), 'succeeded');
    assert.equal(bench.standIn.dispatches(), 1);
  });
});

describe('the end of a run', () => {
  const outcomes = [
    'success',
    'failure',
    'neutral',
    'cancelled',
    'skipped',
    'timed_out',
    'action_required',
    'stale',
    'startup_failure',
  ];
  for (const conclusion of outcomes) {
    it(`${conclusion} is a success only where it is expected`, async (t) => {
      const bench = await open(t, { standIn: repositories({ plan: [{ status: 'completed', conclusion }] }) });
      const end = await bench.execution(marked).finish();
      assert.equal(reasonOf(end), conclusion === 'success' ? 'succeeded' : 'UnexpectedResult');
      assert.equal(end.outputs?.conclusion, conclusion);
      assert.match(end.message ?? '', new RegExp(`^the run ended with ${conclusion}.*: http`));
      assert.equal(reasonOf(await bench.execution({ ...marked, expect: conclusion }, 'e2').finish()), 'succeeded');
      const other =
        conclusion === 'success'
          ? ['failure', 'skipped']
          : ['success', 'failure', 'skipped'].filter((c) => c !== conclusion);
      assert.equal(reasonOf(await bench.execution({ ...marked, expect: other }, 'e3').finish()), 'UnexpectedResult');
    });
  }

  it('in failure names job and step', async (t) => {
    const jobs = [
      { name: 'build', steps: ['Set up job', 'Compile'], failingStep: 'Compile' },
      { name: 'lint', steps: ['Lint'] },
    ];
    const bench = await open(t, {
      standIn: repositories({ jobs, plan: [{ status: 'completed', conclusion: 'failure' }] }),
    });
    const end = await bench.execution(marked).finish();
    assert.match(end.message ?? '', /^the run ended with failure \(job 'build' failed at 'Compile'\): http/);
    assert.equal(requestsOf(bench, 'listJobs').length, 1);
  });

  it('in failure is told even where its jobs cannot be read', async (t) => {
    const bench = await open(t, { standIn: repositories({ plan: [{ status: 'completed', conclusion: 'failure' }] }) });
    bench.standIn.fault('listJobs', { kind: '500' });
    const end = await bench.execution(marked).finish();
    assert.equal(reasonOf(end), 'UnexpectedResult');
    assert.match(end.message ?? '', /^the run ended with failure: http/);
  });

  it('has come only with status and conclusion together', async (t) => {
    const plan = [
      { status: 'completed', forMs: 10_000 },
      { status: 'queued', conclusion: 'success', forMs: 10_000 },
      { status: 'completed', conclusion: 'success' },
    ];
    const bench = await open(t, { standIn: repositories({ plan }) });
    await bench.execution(marked).finish();
    assert.equal(requestsOf(bench, 'getRun').at(-1)?.at, (bench.standIn.runs[0]?.createdAt ?? 0) + 20_000);
  });

  it('is that of the attempt that was started, though somebody has started the run again', async (t) => {
    const attempts: HttpRequest[] = [];
    const bench = await open(t, {
      instead: (request) => {
        if (!String(request.url).includes('/attempts/1')) return undefined;
        attempts.push(request);
        const run = {
          id: bench.standIn.runs[0]?.id,
          workflow_id: 1,
          status: 'completed',
          conclusion: 'failure',
          html_url: 'http://127.0.0.1/run',
          display_title: '',
          head_branch: 'main',
          created_at: '2026-11-21T02:00:00Z',
          updated_at: '2026-11-21T02:00:10Z',
          run_attempt: 1,
        };
        return { status: 200, headers: { 'content-type': 'application/json' }, text: JSON.stringify(run) };
      },
    });
    const execution = bench.execution(marked);
    await execution.advance();
    bench.standIn.setRun(bench.standIn.runs[0]?.id ?? 0, { status: 'in_progress', runAttempt: 2 });
    const end = await execution.finish();
    assert.equal(reasonOf(end), 'UnexpectedResult');
    assert.equal(end.outputs?.conclusion, 'failure');
    assert.equal(attempts.length, 1);
  });
});

describe('while a run goes on', () => {
  for (const [status, words] of [
    ['requested', /^the run is queued or in progress: http/],
    ['queued', /^the run is queued or in progress: http/],
    ['pending', /^the run waits for others of its concurrency group: http/],
    ['waiting', /^the run waits for an approval or a wait timer of its environment: http/],
    ['in_progress', /^the run is queued or in progress: http/],
    ['some_new_status', /^the run is some_new_status: http/],
  ] as const) {
    it(`${status} is told, with its page, and its id is an output already`, async (t) => {
      const plan = [
        { status, forMs: 30_000 },
        { status: 'completed', conclusion: 'success' },
      ];
      const bench = await open(t, { standIn: repositories({ plan }) });
      const execution = bench.execution(marked);
      const outcome = await execution.advance();
      assert.equal(outcome.kind, 'waiting');
      assert.equal(outcome.outputs?.runId, bench.standIn.runs[0]?.id);
      assert.equal(outcome.outputs?.status, status);
      assert.equal(reasonOf(await execution.finish()), 'succeeded');
      assert.equal(execution.messages.length, 1);
      assert.match(execution.messages[0] ?? '', words);
    });
  }

  for (const kind of ['500', 'reject-502', 'reset-before', 'html-200', '429', '403-primary'] as const) {
    it(`a look that fails (${kind}) is repeated, and fails nothing`, async (t) => {
      const bench = await open(t);
      bench.standIn.fault('getRun', { kind, skip: 1, times: 2 } as Fault);
      assert.equal(reasonOf(await bench.execution(marked).finish()), 'succeeded');
    });
  }

  it('a run that cannot be read yet is waited for', async (t) => {
    let missing = 3;
    const bench = await open(t, {
      instead: ({ url }) => (/\/runs\/\d+\?/.test(String(url)) && missing-- > 0 ? notFound : undefined),
    });
    const execution = bench.execution(marked);
    assert.equal(reasonOf(await execution.finish()), 'succeeded');
    assert.match(execution.messages[0] ?? '', /does not show the run yet: http/);
  });

  it('a run that vanishes is a failure that says so', async (t) => {
    let isGone = false;
    const plan = [{ status: 'in_progress' }];
    const bench = await open(t, {
      standIn: repositories({ plan }),
      instead: ({ url }) => (isGone && /\/runs\/\d+\?/.test(String(url)) ? notFound : undefined),
    });
    const execution = bench.execution(marked);
    await execution.advance();
    bench.clock.advance(10 * minuteMs);
    isGone = true;
    const end = await execution.finish();
    assert.equal(reasonOf(end), 'UnexpectedResult');
    assert.match(end.message ?? '', /shows the run no longer \(404\).*acme\/shop/);
    assert.equal(end.outputs?.runId, bench.standIn.runs[0]?.id);
  });

  const notFound = { status: 404, headers: { 'content-type': 'application/json' }, text: '{"message":"Not Found"}' };
});

describe('a stop', () => {
  const goesOn = { standIn: repositories({ plan: [{ status: 'in_progress' }], cancelTakesMs: 7_000 }) };

  function stopAt(bench: Bench, reason: Stop['reason'] = 'Cancelled'): Stop {
    return { reason, at: bench.clock.now(), message: 'cancelled by tester' };
  }

  it('before anything was sent sends nothing', async (t) => {
    const bench = await open(t);
    const execution = bench.execution(plain);
    execution.stop(stopAt(bench, 'TimedOut'));
    assert.equal(reasonOf(await execution.finish()), 'TimedOut');
    assert.equal(bench.standIn.requests.length, 0);
  });

  it('leaves the run alone, and names it', async (t) => {
    const bench = await open(t, goesOn);
    const execution = bench.execution(marked);
    await execution.advance();
    execution.stop(stopAt(bench));
    const end = await execution.finish();
    assert.equal(reasonOf(end), 'Cancelled');
    assert.match(end.message ?? '', /^cancelled by tester; the run goes on: http/);
    assert.equal(end.outputs?.runId, bench.standIn.runs[0]?.id);
    assert.equal(bench.standIn.runs[0]?.status, 'in_progress');
  });

  it('cancels the run with onStop: cancel, and waits for its end', async (t) => {
    const bench = await open(t, goesOn);
    const execution = bench.execution({ ...marked, onStop: 'cancel' });
    await execution.advance();
    bench.clock.advance(20 * minuteMs);
    const stop = stopAt(bench);
    execution.stop(stop);
    const end = await execution.finish();
    assert.equal(reasonOf(end), 'Cancelled');
    assert.ok(bench.clock.now() - stop.at <= 10_000, 'looks often, however old the run is');
    assert.match(end.message ?? '', /since then the run ended with cancelled/);
    assert.equal(end.outputs?.conclusion, 'cancelled');
    assert.equal(requestsOf(bench, 'cancel').length, 1);
    assert.match(execution.messages.at(-1) ?? '', /waiting for the cancelled run to end: http/);
  });

  it('is what ends the step though the run ends within the same second', async (t) => {
    const bench = await open(t, { standIn: repositories({ plan: [{ status: 'in_progress' }] }) });
    const execution = bench.execution({ ...marked, onStop: 'cancel' });
    await execution.advance();
    bench.clock.advance(400);
    execution.stop(stopAt(bench));
    assert.equal(reasonOf(await execution.finish()), 'Cancelled');
  });

  it('says so where the run cannot be cancelled', async (t) => {
    const tokens = [{ token: 'writer', login: 'octocat' }];
    let mayWrite = true;
    const bench = await open(t, {
      token: 'writer',
      standIn: { ...goesOn.standIn, tokens },
      instead: ({ method }) =>
        method === 'POST' && !mayWrite
          ? {
              status: 403,
              headers: { 'content-type': 'application/json' },
              text: '{"message":"Resource not accessible"}',
            }
          : undefined,
    });
    const execution = bench.execution({ ...marked, onStop: 'cancel' });
    await execution.advance();
    mayWrite = false;
    execution.stop(stopAt(bench));
    const end = await execution.finish();
    assert.equal(reasonOf(end), 'Cancelled');
    assert.match(end.message ?? '', /could not be cancelled \(GitHub does not let the token/);
  });

  it('does not hide how a run ended before it', async (t) => {
    const bench = await open(t);
    const execution = bench.execution({ ...marked, onStop: 'cancel' });
    await execution.advance();
    bench.clock.advance(minuteMs);
    execution.stop(stopAt(bench, 'TimedOut'));
    assert.equal(reasonOf(await execution.finish()), 'succeeded');
    assert.equal(requestsOf(bench, 'cancel').length, 0);
  });

  it('counts where the run ended only after it', async (t) => {
    const bench = await open(t);
    const execution = bench.execution(marked);
    await execution.advance();
    execution.stop(stopAt(bench));
    bench.clock.advance(minuteMs);
    const end = await execution.finish();
    assert.equal(reasonOf(end), 'Cancelled');
    assert.match(end.message ?? '', /since then the run ended with success/);
    assert.equal(end.outputs?.conclusion, 'success');
  });

  it('while nobody knows whether a run was started looks for it first, and starts none', async (t) => {
    const bench = await open(t, goesOn);
    bench.standIn.fault('dispatch', { kind: 'accept-then-502' });
    bench.standIn.listLagMs = 10_000;
    const execution = bench.execution({ ...marked, onStop: 'cancel' });
    await execution.advance();
    execution.stop(stopAt(bench));
    const end = await execution.finish();
    assert.equal(reasonOf(end), 'Cancelled');
    assert.equal(end.outputs?.runId, bench.standIn.runs[0]?.id);
    assert.equal(bench.standIn.runs[0]?.conclusion, 'cancelled');
    assert.equal(requestsOf(bench, 'dispatch').length, 1);
  });

  it('is not waited out by a run that only had to be started', async (t) => {
    const bench = await open(t, goesOn);
    const execution = bench.execution({ ...marked, waitFor: 'dispatched' });
    bench.standIn.fault('dispatch', { kind: 'accept-then-502' });
    bench.standIn.listLagMs = 10_000;
    await execution.advance();
    execution.stop(stopAt(bench));
    assert.equal(reasonOf(await execution.finish()), 'succeeded');
  });
});

describe('the parameters', () => {
  it('are complete with repository, workflow and ref', () => {
    assert.ok(fits(step.params, withDefaults(step.params, plain)));
    assert.ok(fits(step.params, plain));
  });

  for (const [name, params, path] of [
    ['a repository without owner', { ...plain, repository: 'shop' }, '/repository'],
    ['a repository that climbs out of the path', { ...plain, repository: 'acme/..' }, '/repository'],
    ['a workflow with its folder', { ...plain, workflow: '.github/workflows/smoke.yml' }, '/workflow'],
    ['a workflow that is no file', { ...plain, workflow: '..' }, '/workflow'],
    ['no ref', { repository: 'acme/shop', workflow: 'smoke.yml' }, '/ref'],
    ['an input that is a list', { ...plain, inputs: { x: [] } }, '/inputs/x'],
    ['an unknown conclusion', { ...plain, expect: 'fine' }, '/expect'],
    ['no conclusion at all', { ...plain, expect: [] }, '/expect'],
    ['a key that is not known', { ...plain, branch: 'main' }, '/branch'],
  ] as const) {
    it(`refuse ${name}`, () => {
      assert.deepEqual(
        mistakesOf(step.params, params).map((mistake) => mistake.path),
        [path],
      );
    });
  }

  it('refuse more than 25 inputs, the one for the mark included', () => {
    const inputs = Object.fromEntries(Array.from({ length: 25 }, (_unused, index) => [`i${index}`, 'x']));
    assert.ok(fits(step.params, { ...plain, inputs }));
    assert.ok(!fits(step.params, { ...plain, inputs: { ...inputs, more: 'x' } }));
    const params = given({ ...marked, inputs });
    assert.deepEqual(
      step.check?.(params).map(({ path }) => path),
      ['/inputs'],
    );
  });

  it('refuse a mark in an input that has a value', () => {
    const params = given({ ...marked, inputs: { mark: 'x' } });
    assert.deepEqual(
      step.check?.(params).map(({ path }) => path),
      ['/correlation/input'],
    );
  });

  it('claim the repository of the connection', () => {
    const params = given({ ...plain, connection: 'ghes' });
    assert.deepEqual(step.uses?.(params), [
      { family: 'github', name: 'ghes', claims: { repositories: ['acme/shop'] } },
    ]);
  });
});

describe('the plan', () => {
  it('tells the one call, and sends nothing', async (t) => {
    const bench = await open(t);
    const params = given({ ...marked, onUncertain: 'resend' });
    const plan = await step.plan?.(bench.execution(marked).context(), params);
    assert.deepEqual(plan?.calls, [
      {
        description: 'start smoke.yml at main in acme/shop',
        method: 'POST',
        url: `${bench.standIn.url}/repos/acme/shop/actions/workflows/smoke.yml/dispatches`,
        count: 1,
      },
    ]);
    assert.match(plan?.notes.join('\n') ?? '', /must declare the input mark[\s\S]*more than once/);
    assert.equal(bench.standIn.requests.length, 0);
  });
});
