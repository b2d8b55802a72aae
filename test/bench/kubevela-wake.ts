import { completeRollOut, createDeployment } from '../providers/kubernetes/cluster-objects.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { median } from './alternate.ts';
import type { Bench } from './bench.ts';
import { openKubevelaBench } from './kubevela-bench.ts';

const runTimesMs = [10_000, 60_000, 300_000, 1_200_000];

/**
 * KubeVela's time passes without being waited for, so that ours is the only reason why it asks when it does, and its own
 * plan for the next tick stands beside it. The provider is the cluster, which tells of a completion itself: of what is
 * polled, such as a run of GitHub, half a poll interval is lost before.
 */
export const kubevelaWake: Bench = {
  title:
    "median from a Deployment's completion to the next tick of the step that waits for it, beside KubeVela's backoff",
  unit: 'ms',
  bound: { of: 'value', direction: 'at most', limit: 50 },

  async measure({ rounds }, progress) {
    progress('starting an API server');
    const clock = new ManualClock();
    let onTick = () => {};
    await using bench = await openKubevelaBench({ workflows: [], clock, onCall: () => onTick() });
    const ours: number[] = [];
    const backoffs: number[] = [];
    for (let round = 0; round <= 2 * rounds; round += 1) {
      for (const runTimeMs of runTimesMs) {
        progress(`round ${round} of ${2 * rounds}, after ${runTimeMs / 1_000} s`);
        const name = `wake-${round}-${runTimeMs}`;
        await createDeployment(bench.kubernetes, name);
        const step = {
          name: 'read',
          type: 'aftersync-read-object',
          properties: { kind: 'Deployment', name, waitFor: 'rolledOut', select: { replicas: '.spec.replicas' } },
        };
        const subject = await bench.apply(name, { steps: [step] });
        await subject.until(() => true, 'read');
        await bench.engine.runFor(clock, runTimeMs);
        const backoffMs = (bench.engine.nextDue ?? Number.NaN) - clock.now();
        const ticked = new Promise<number>((resolve) => {
          onTick = () => resolve(performance.now());
        });
        const completedAt = performance.now();
        await completeRollOut(bench.kubernetes, name, 1);
        const tookMs = (await ticked) - completedAt;
        await subject.ended();
        // The first round compiles what all need, and is no sample.
        if (round === 0) continue;
        ours.push(tookMs);
        backoffs.push(backoffMs);
      }
    }
    return { value: median(ours), reference: median(backoffs) };
  },
};
