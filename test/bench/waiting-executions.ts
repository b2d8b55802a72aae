import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { openWorkbench, toyStep } from '../engine/workbench.ts';

const batch = 1_000;
const yearMs = 365 * 24 * 3_600_000;

/** An engine on a store in a file, with a step that waits for longer than anybody watches. */
export async function openWaitingEngine(storeFile: string) {
  const store = await openSqliteStore({ path: storeFile });
  const step = toyStep(async ({ now }) => ({ kind: 'waiting', message: 'waiting', until: now() + yearMs }));
  const { submit, registry, close } = await openWorkbench({ store, steps: [step] });
  return {
    close,
    /** How many the engine itself knows to be unfinished. */
    async scheduled(): Promise<number> {
      const metric = await registry.getSingleMetric('aftersync_executions_unfinished')?.get();
      return metric?.values[0]?.value ?? Number.NaN;
    },
    /** Creates as many executions, and resolves when all of them have advanced and wait. */
    async fill(count: number, prefix: string): Promise<void> {
      let missing = count;
      const { promise: allWait, resolve } = Promise.withResolvers<void>();
      const release = store.watch(({ status }) => {
        if (status.state === 'running' && --missing === 0) resolve();
      });
      for (let start = 0; start < count; start += batch) {
        const length = Math.min(batch, count - start);
        await Promise.all(Array.from({ length }, (_, index) => submit(`${prefix}${start + index}`)));
      }
      await allWait;
      release();
    },
  };
}
