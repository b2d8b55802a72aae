import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { newExecution, succeeded, t0 } from './sample-executions.ts';

/**
 * Opens the store at the path given and writes to it until it is killed. A line on standard output follows each answer of
 * the store: `<id> <version>`.
 */
const store = await openSqliteStore({ path: process.argv[2] ?? '' });
for (let batch = 0; ; batch += 1) {
  await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const id = `e${batch}-${index}`;
      await store.create(newExecution(id));
      console.log(`${id} 1`);
      await store.update(newExecution(id), 1, succeeded(t0 + 1));
      console.log(`${id} 2`);
    }),
  );
}
