/**
 * Fills a store with waiting executions, or tells how long it takes until all of them are back in the schedule.
 *
 *   npx node test/bench/recover-program.ts fill STORE_FILE COUNT
 *   npx node test/bench/recover-program.ts recover STORE_FILE
 */
import { openWaitingEngine } from './waiting-executions.ts';

const [command, storeFile = '', count = '0'] = process.argv.slice(2);
if (command === 'fill') {
  const engine = await openWaitingEngine(storeFile);
  await engine.fill(Number(count), 'id');
  await engine.close();
  console.log(JSON.stringify({}));
} else {
  const startedAt = performance.now();
  const engine = await openWaitingEngine(storeFile);
  const tookMs = performance.now() - startedAt;
  console.log(JSON.stringify({ tookMs, scheduled: await engine.scheduled() }));
  await engine.close();
}
