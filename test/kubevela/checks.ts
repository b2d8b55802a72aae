import { type Need, type Outcome, outcomes } from './outcomes.ts';
import { play } from './play.ts';
import { OutOfReach, type Stage } from './stage.ts';
import type { Parts } from './surroundings.ts';
import { playUpgrade } from './upgrade.ts';

export interface Check {
  readonly name: string;
  readonly result: 'passed' | 'failed' | 'left out';
  /** How long it took, what was wrong, or why it was left out. */
  readonly why: string;
}

/** A change of the Deployment, so that the upgrade restarts the executor. */
const restarting = 'resources.requests.memory=129Mi';

const lacking = {
  'stand-ins': 'stand-ins for GitHub and a cache (--help)',
  WorkflowRuns: 'the addon vela-workflow',
};

/** All examples, one after the other, and the upgrade. Throws OutOfReach, and what Ctrl-C throws. */
export async function runChecks(parts: Parts): Promise<readonly Check[]> {
  const { stage } = parts;
  stage.timeline.heading('Examples');
  const checks: Check[] = [];
  for (const outcome of outcomes) checks.push(await checkExample(outcome, stage));
  stage.timeline.heading('Upgrade while steps run');
  checks.push(await timed('upgrade', stage, () => playUpgrade(stage, () => upgrade(parts))));
  if (checks.some(({ result }) => result === 'failed')) await showLog(parts);
  return checks;
}

/** The executor's last words, which are gone with it. */
async function showLog({ place, stage, addon, executor }: Parts): Promise<void> {
  const lines = place === 'in the cluster' ? await addon.describePods() : (executor?.log ?? []);
  if (lines.length === 0) return;
  stage.timeline.heading('What the executor logged last');
  for (const line of lines) stage.timeline.plain(line);
}

async function checkExample(outcome: Outcome, stage: Stage): Promise<Check> {
  const { example: name, needs = [] } = outcome;
  const missing = needs.map((need) => lack(need, stage)).find((why) => why !== undefined);
  if (missing === undefined) return await timed(name, stage, () => play(outcome, stage));
  stage.timeline.event('check', `${name}: left out, as it needs ${missing}`, 'dim');
  return { name, result: 'left out', why: `needs ${missing}` };
}

function lack(need: Need, { standIns, hasWorkflowRuns }: Stage): string | undefined {
  const isThere = { 'stand-ins': standIns !== undefined, WorkflowRuns: hasWorkflowRuns };
  return isThere[need] ? undefined : lacking[need];
}

async function timed(
  name: string,
  { timeline, signal }: Stage,
  work: () => Promise<readonly string[]>,
): Promise<Check> {
  const startedAt = performance.now();
  const wrong = await timeline.waiting(name, work()).catch((error: Error) => {
    if (signal.aborted || error instanceof OutOfReach) throw error;
    return [error.message];
  });
  const took = `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
  if (wrong.length === 0) {
    timeline.event('check', `${name}: as it should be (${took})`, 'green');
    return { name, result: 'passed', why: took };
  }
  timeline.event('check', `${name}: not as it should be`, 'red');
  for (const line of wrong.join('\n').split('\n')) timeline.plain(`              ${line}`);
  return { name, result: 'failed', why: wrong[0] ?? '' };
}

async function upgrade({ place, stage, addon, executor }: Parts): Promise<void> {
  const { signal, timeline } = stage;
  // As the Deployment does it: the old one ends before the new one begins.
  await executor?.stop();
  const { from, to } = await addon.upgrade(place === 'in the cluster' ? [restarting] : [], signal);
  if (place === 'in the cluster') await addon.rolledOut(signal);
  await executor?.start();
  const restarted = place === 'elsewhere' ? '' : '; the executor was restarted';
  timeline.event('addon', `upgraded from ${from} to ${to} while steps waited${restarted}`);
}
