import { setTimeout as delay } from 'node:timers/promises';
import type { Application } from '../support/kubevela/objects.ts';
import { stepsOf } from '../support/kubevela/workflow-engine.ts';
import { median } from './alternate.ts';
import type { Bench } from './bench.ts';
import { openKubevelaBench } from './kubevela-bench.ts';

const samplesPerRound = 6;
/** How long vela-core 1.10.9 takes from its first call until the step's id stands in the status: facts/kubevela.md, 1. */
const velaCoreMs = 98;
/** What the API server takes of that. */
const writeMs = 5;

const smoke = {
  name: 'smoke',
  type: 'trigger-github-action',
  properties: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' },
};

/**
 * An execution acts only once its id stands in the Application's status, so that most of this is KubeVela's own time. It is
 * the reference; the rest is ours: to see the id, prove the origin, ask GitHub what a dispatch needs, and store the intent.
 */
export const kubevelaStart: Bench = {
  title: "median from a step's first tick to the dispatch at GitHub, beside what KubeVela itself takes of it",
  unit: 'ms',
  bound: { of: 'value', direction: 'at most', limit: 150 },

  async measure({ rounds }, progress) {
    progress('starting an API server');
    const tickedAt = new FirstTimes();
    const durableAt = new FirstTimes();
    const plan = [{ status: 'completed', conclusion: 'success' }];
    await using bench = await openKubevelaBench({
      workflows: [{ file: 'smoke.yml', plan }],
      onCall: ({ owner }) => tickedAt.note(owner),
      beforeWrite: ({ name }) => delay(Math.max(0, tickedAt.of(name) + velaCoreMs - writeMs - performance.now())),
    });
    const { cluster, gitHub } = bench;
    const watching = new AbortController();
    const type = { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application' };
    const see = ({ object }: { readonly object: Application }) => {
      if (stepsOf(object).length > 0) durableAt.note(object.metadata.name);
    };
    await cluster.watch<Application>(type, see, watching.signal);

    const whole: number[] = [];
    const theirs: number[] = [];
    // The first one compiles what all need, and is no sample.
    for (let sample = 0; sample <= rounds * samplesPerRound; sample += 1) {
      progress(`step ${sample}`);
      const name = `start-${sample}`;
      const before = new Set(gitHub.requests);
      const dispatched = gitHub.waitForRequest((request) => request.route === 'dispatch' && !before.has(request));
      const subject = await bench.apply(name, { steps: [smoke] });
      await dispatched;
      const dispatchedAt = performance.now();
      await subject.ended();
      if (sample === 0) continue;
      whole.push(dispatchedAt - tickedAt.of(name));
      theirs.push(durableAt.of(name) - tickedAt.of(name));
    }
    watching.abort();
    return { value: median(whole), reference: median(theirs) };
  },
};

/** When something happened first, by name. */
class FirstTimes {
  readonly #times = new Map<string, number>();

  note(name: string): void {
    if (!this.#times.has(name)) this.#times.set(name, performance.now());
  }

  of(name: string): number {
    return this.#times.get(name) ?? Number.NaN;
  }
}
