import type { ReadyGate, ReadyWhen } from '../../core/ready-gate.ts';
import { mistakesInWaitFor, observe, type Wish } from './observe.ts';
import { clusterUse } from './policy.ts';

/** `readyWhen` by the means of read-object. An object that is not there yet is waited for. */
export const readyGate: ReadyGate = {
  check: ({ waitFor }) => mistakesInWaitFor(waitFor),

  uses: ({ connection }) => [clusterUse(connection)],

  async advance(context, readyWhen) {
    const observed = await observe(context, toWish(readyWhen));
    return 'outcome' in observed ? observed.outcome : 'ready';
  },
};

function toWish({ object, waitFor = 'rolledOut' }: ReadyWhen): Wish {
  return { object, waitFor, missing: 'wait' };
}
