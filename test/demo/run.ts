/**
 * Shows what aftersync does, on the real server and without anything that must be installed:
 *
 *   npm run demo                          with a real Varnish and a Kubernetes cluster, which is only read, where there are any
 *   npm run demo -- --without-varnish     with a stand-in for Varnish
 *   npm run demo -- --without-cluster     with a stand-in for Kubernetes; no kubeconfig is looked at
 *
 * Ends by itself: 0 where all went as promised, 1 where not, 130 after Ctrl-C.
 */
import { parseArgs } from 'node:util';
import { coloured } from '../../src/cli/terminal.ts';
import type { Finding } from './scene.ts';
import { scenes } from './scenes/index.ts';
import { buildStage, type Stage } from './stage.ts';
import { Timeline } from './timeline.ts';

const without = { type: 'boolean', default: false } as const;
const { values } = parseArgs({ options: { 'without-varnish': without, 'without-cluster': without } });
const interruption = new AbortController();
// Once: a second one ends the process as it does by default, and the servers with it.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interruption.abort());
const { signal } = interruption;

const timeline = new Timeline(process.stdout);
process.exitCode = await demo();

async function demo(): Promise<number> {
  let stage: Stage | undefined;
  await using cleanup = new AsyncDisposableStack();
  try {
    timeline.plain(coloured(process.stdout, 'bold', 'aftersync demo'));
    const wants = { wantsVarnish: !values['without-varnish'], wantsCluster: !values['without-cluster'] };
    stage = await buildStage({ timeline, ...wants, signal, cleanup });
    const findings = await untilInterrupted(play(stage));
    timeline.heading('Summary');
    for (const { count, what } of findings) timeline.plain(`${String(count).padStart(4)}  ${what}`);
    return 0;
  } catch (error) {
    timeline.end();
    return explain(error, stage);
  } finally {
    timeline.end();
  }
}

async function play(stage: Stage): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [index, scene] of scenes.entries()) {
    timeline.heading(`${index + 1}. ${scene.title}`);
    findings.push(...(await scene.play(stage)));
  }
  return findings;
}

/** Not all that a scene waits for can be aborted; what is left behind ends with the stage. */
async function untilInterrupted<T>(work: Promise<T>): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  work.catch(() => undefined);
  return await Promise.race([work, aborted]);
}

function explain(error: unknown, stage: Stage | undefined): number {
  if (signal.aborted) {
    process.stderr.write('interrupted\n');
    return 130;
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${coloured(process.stderr, 'red', 'the demo failed:')} ${message}\n`);
  const log = stage?.server.log ?? [];
  if (log.length > 0) process.stderr.write(`the last lines of the server:\n${log.join('\n')}\n`);
  return 1;
}
