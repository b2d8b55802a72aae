import type { Bench } from './bench.ts';
import { create } from './create.ts';
import { kubernetesCreate } from './kubernetes-create.ts';
import { kubernetesTick } from './kubernetes-tick.ts';
import { kubevelaStart } from './kubevela-start.ts';
import { kubevelaWake } from './kubevela-wake.ts';
import { readLatency } from './read-latency.ts';
import { readMemory } from './read-memory.ts';
import { recover } from './recover.ts';
import { start } from './start.ts';
import { takeover } from './takeover.ts';
import { tick } from './tick.ts';
import { waiting } from './waiting.ts';

/** Every bench, in the order in which they run. */
export const benches: Readonly<Record<string, Bench>> = {
  tick,
  create,
  waiting,
  recover,
  start,
  'read-latency': readLatency,
  'read-memory': readMemory,
  'kubernetes-create': kubernetesCreate,
  'kubernetes-tick': kubernetesTick,
  takeover,
  'kubevela-start': kubevelaStart,
  'kubevela-wake': kubevelaWake,
};
