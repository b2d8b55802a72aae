import { setTimeout as delay } from 'node:timers/promises';
import { openKubevelaBench } from '../bench/kubevela-bench.ts';
import { ExecutorStandIn } from '../support/kubevela/executor-stand-in.ts';
import type { Application, WorkflowStep } from '../support/kubevela/objects.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { type Subject, workflowOf } from './stage.ts';

export interface Load {
  /** With three steps of ours each, all of which begin at once. */
  readonly applications: number;
  readonly seed: number;
}

export interface LostWritesResult {
  /** Steps by how many runs GitHub started for each, as `1 run: 60`. */
  readonly stepsByRuns: Readonly<Record<number, number>>;
  /** Ways in which workflows ended. */
  readonly ends: readonly string[];
  /** How many ids KubeVela made for these steps. */
  readonly ids: number;
  readonly lostWrites: number;
  readonly otherConflicts: number;
  readonly ticks: number;
  readonly tookMs: number;
}

const stepNames = ['a', 'b', 'c'];
/** Share of first status writes that are lost; with vela-core 1 of 360 was. */
const lostShare = 0.2;
/** As many workflows as KubeVela works on at once. */
const lanes = 4;
const endLimitMs = 480_000;
const lookAgainMs = 50;

/** What a step runs: a workflow that says by its inputs for whom it was started, so that what it did can be counted. */
const effect = 'effect.yml';
const workflows = [200, 400, 800].map((forMs, index) => ({
  file: index === 0 ? effect : `effect-${index}.yml`,
  on: { workflow_dispatch: { inputs: { application: {}, step: {}, aftersync: {} } } },
  runName: `effect $\{{ inputs.aftersync }}`,
  plan: [
    { status: 'in_progress', forMs },
    { status: 'completed', conclusion: 'success' },
  ],
}));

function effectStep(application: string, name: string, workflow: string = effect): WorkflowStep {
  return {
    name,
    type: 'trigger-github-action',
    properties: {
      repository: 'acme/shop',
      workflow,
      ref: 'main',
      inputs: { application, step: name },
      correlation: { input: 'aftersync' },
    },
  };
}

/** Many steps at once, of which KubeVela loses the first status writes of some, so that they come with a second id. */
export async function loseFirstWrites({ applications, seed }: Load): Promise<LostWritesResult> {
  const random = seededRandom(seed);
  let lostWrites = 0;
  const losesFirstWrite = () => {
    const isLost = random.chance(lostShare);
    if (isLost) lostWrites += 1;
    return isLost;
  };
  await using bench = await openKubevelaBench({ workflows, workers: 16, losesFirstWrite });
  const { engine, gitHub } = bench;
  const startedAt = performance.now();
  const names = Array.from({ length: applications }, (_, index) => `load-${index}`);
  const subjects = await Promise.all(
    names.map((name) => {
      const steps = stepNames.map((step) => effectStep(name, step));
      return bench.apply(name, { mode: { steps: 'DAG' }, steps });
    }),
  );
  const ends: string[] = [];
  for (const subject of subjects) ends.push(await endOf(subject));
  const tookMs = performance.now() - startedAt;
  const runs = Map.groupBy(gitHub.runs, ({ inputs }) => `${inputs.application}/${inputs.step}`);
  const counts = names.flatMap((name) => stepNames.map((step) => runs.get(`${name}/${step}`)?.length ?? 0));
  return {
    stepsByRuns: countsOf(counts),
    ends: [...new Set(ends)],
    ids: new Set(engine.calls.map(({ id }) => id)).size,
    lostWrites,
    otherConflicts: engine.conflicts - lostWrites,
    ticks: engine.calls.length,
    tookMs,
  };
}

export interface BesideResult {
  /** Applications by how often their request was sent. */
  readonly applicationsByRequests: Readonly<Record<number, number>>;
  readonly ends: readonly string[];
  readonly conflicts: number;
  readonly ticks: number;
  readonly tookMs: number;
}

/**
 * Step-groups in which a request of KubeVela's own is sent when one step of ours has ended and while another one ends. The
 * engine's time stands still, so that all ticks come from our wakes.
 */
export async function requestBeside({ applications, seed }: Load): Promise<BesideResult> {
  const random = seededRandom(seed);
  await using bench = await openKubevelaBench({ workflows, clock: new ManualClock() });
  const { engine } = bench;
  await using counter = await ExecutorStandIn.start();
  const startedAt = performance.now();
  const names = Array.from({ length: applications }, (_, index) => `beside-${index}`);
  const queue = names.map((name) => {
    const slow = random.pick(['effect.yml', 'effect-1.yml', 'effect-2.yml']);
    const subSteps: WorkflowStep[] = [
      effectStep(name, 'quick'),
      effectStep(name, 'slow', slow),
      {
        name: 'request',
        type: 'request',
        dependsOn: ['quick'],
        properties: { url: `${counter.url}/${name}`, method: 'POST' },
      },
    ];
    return { name, group: { name: 'group', type: 'step-group', subSteps } };
  });
  const ends: string[] = [];
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const subject = await bench.apply(next.name, { steps: [next.group] });
      ends.push(await endOf(subject));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return {
    applicationsByRequests: countsOf(names.map((name) => counter.askedBy(`/${name}`).length)),
    ends: [...new Set(ends)],
    conflicts: engine.conflicts,
    ticks: engine.calls.length,
    tookMs: performance.now() - startedAt,
  };
}

/** The phase in which its workflow ends. Looks now and then: a watch for each of so many would be a load of its own. */
async function endOf(subject: Subject<Application>): Promise<string> {
  const startedAt = performance.now();
  for (;;) {
    const { finished, status = '' } = workflowOf(await subject.read());
    if (finished === true) return status;
    if (performance.now() - startedAt > endLimitMs) throw new Error(`${subject.name.name} is still ${status}`);
    await delay(lookAgainMs);
  }
}

function countsOf(numbers: readonly number[]): Readonly<Record<number, number>> {
  return Object.fromEntries([...Map.groupBy(numbers, (count) => count)].map(([count, all]) => [count, all.length]));
}
