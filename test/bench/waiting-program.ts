/**
 * Prints how many bytes of the heap a waiting execution takes.
 *
 *   npx node --expose-gc test/bench/waiting-program.ts STORE_FILE COUNT
 */
import { usedBytes } from './used-bytes.ts';
import { openWaitingEngine } from './waiting-executions.ts';

const [storeFile = ':memory:', count = '1000'] = process.argv.slice(2);
const engine = await openWaitingEngine(storeFile);
// What every engine needs once, such as compiled code, is no part of the price of one more.
await engine.fill(1_000, 'first');
const before = await usedBytes();
await engine.fill(Number(count), 'more');
const after = await usedBytes();
await engine.close();
console.log(JSON.stringify({ bytesPerExecution: (after - before) / Number(count) }));
