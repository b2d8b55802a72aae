/** Checks aftersync on a real KubeVela: docs/test-kubevela.md, and `npm run test:kubevela -- --help`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coloured } from '../../src/cli/terminal.ts';
import { Timeline } from '../demo/timeline.ts';
import { type Arguments, CannotStart, help, parseArguments } from './arguments.ts';
import { type Check, runChecks } from './checks.ts';
import { OutOfReach } from './stage.ts';
import { buildStage } from './surroundings.ts';

const interruption = new AbortController();
const { signal } = interruption;
const timeline = new Timeline(process.stdout);
// Once: a second one ends the process as it does by default, and leaves in the cluster what is there.
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    timeline.event('check', 'interrupted: cleaning up (again: leave everything as it is)', 'yellow');
    interruption.abort();
  });
}
process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const given = parseArguments(process.argv.slice(2));
    if (given.wantsHelp) {
      process.stdout.write(help);
      return 0;
    }
    return await check(given);
  } catch (error) {
    return explain(error);
  } finally {
    timeline.end();
  }
}

async function check(given: Arguments): Promise<number> {
  const leftBehind: string[] = [];
  let checks: readonly Check[] = [];
  try {
    await using cleanup = new AsyncDisposableStack();
    const workFolder = await mkdtemp(join(tmpdir(), 'aftersync-kubevela-'));
    cleanup.defer(() => rm(workFolder, { recursive: true, force: true }));
    timeline.plain(coloured(process.stdout, 'bold', 'aftersync on KubeVela'));
    const parts = await buildStage({ given, workFolder, timeline, signal, cleanup, leftBehind });
    checks = await runChecks(parts);
    timeline.heading('Cleaning up');
  } finally {
    for (const what of leftBehind) timeline.plain(coloured(process.stdout, 'red', what));
  }
  return summarise(checks, leftBehind.length);
}

function summarise(checks: readonly Check[], leftBehind: number): number {
  timeline.heading('Summary');
  const marks = {
    passed: coloured(process.stdout, 'green', '✓'),
    failed: coloured(process.stdout, 'red', '✗'),
    'left out': '–',
  };
  for (const { name, result, why } of checks) timeline.plain(`  ${marks[result]}  ${name.padEnd(28)} ${why}`);
  const count = (wanted: Check['result']) => checks.filter(({ result }) => result === wanted).length;
  const failed = count('failed') + leftBehind;
  timeline.plain(`\n${count('passed')} as it should be, ${failed} not, ${count('left out')} left out`);
  return failed === 0 ? 0 : 1;
}

function explain(error: unknown): number {
  timeline.end();
  if (signal.aborted) {
    process.stderr.write('interrupted\n');
    return 130;
  }
  const message = error instanceof Error ? error.message : String(error);
  const hint =
    error instanceof OutOfReach
      ? '\nKubeVela does not reach the executor: docs/test-kubevela.md, "When it does not get through"'
      : '';
  process.stderr.write(`${coloured(process.stderr, 'red', 'test:kubevela:')} ${message}${hint}\n`);
  return error instanceof CannotStart ? 2 : 1;
}
