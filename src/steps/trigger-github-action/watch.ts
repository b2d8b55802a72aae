import type { Effect } from '../../core/effect.ts';
import type { EffectRecord, Stop } from '../../core/execution.ts';
import type { Outcome, StepContext } from '../../core/step.ts';
import type { EpochMs } from '../../core/time.ts';
import type { GitHubClient } from '../../providers/github/github-client.ts';
import { longestPollIntervalMs } from '../../providers/github/poll-interval.ts';
import { isEnded, type WorkflowRun } from '../../providers/github/workflow-run.ts';
import type { FailedJob, RunPlace } from '../../providers/github/workflow-runs.ts';
import { type Dispatched, dispatchName } from './dispatch.ts';
import { conclusionMessage, outputsOf, phaseOf, stopped } from './outcome.ts';
import type { Outputs, Params } from './params.ts';

/** A dispatch makes the first attempt; re-runs of people do not change how that one ended. */
const awaitedAttempt = 1;
const cancelName = 'cancel';
/** A list can show a run as it was for longer than it should: so seldom, each run is read whatever the watch has seen. */
const sweepMs = 5 * 60_000;

export interface Watch {
  readonly context: StepContext;
  readonly client: GitHubClient;
  readonly params: Params;
  readonly dispatched: Dispatched;
  /** Said before every message about the run. */
  readonly remark: string;
}

/** One look at the run, and what follows from it. */
export async function watchRun(watch: Watch): Promise<Outcome<Outputs>> {
  const { context, params, dispatched } = watch;
  const { stop } = context;
  const run = await readRun(watch);
  if (run === undefined) return unseen(watch);
  if (isEnded(run) && (stop === undefined || endedBefore(stop, run, watch))) return ended(watch, run, run.conclusion);
  const outputs = outputsOf(dispatched, run);
  if (stop === undefined) return waiting(watch, phaseOf(run), outputs);
  if (isEnded(run)) return stopped(stop, `; since then ${conclusionMessage(run.conclusion, run)}`, outputs);
  if (params.onStop === 'leave') return stopped(stop, `; the run goes on: ${run.url}`, outputs);
  return cancelled(watch, outputs);
}

/** GitHub's times are whole seconds, so that a run that we have cancelled may seem to have ended before. */
function endedBefore(stop: Stop, run: WorkflowRun, watch: Watch): boolean {
  return run.updatedAt <= stop.at && recordOf(watch, cancelName) === undefined;
}

async function readRun({ context, client, params, dispatched }: Watch): Promise<WorkflowRun | undefined> {
  const place = placeOf(params, dispatched);
  const run = await client.runs.get(place, context.readsAborted);
  if (run === undefined || run.attempt <= awaitedAttempt) return run;
  return await client.runs.attempt(place, awaitedAttempt, context.readsAborted);
}

/** A new run may not be readable everywhere yet. Later a 404 is final, though it does not say why. */
function unseen(watch: Watch): Outcome<Outputs> {
  const { context, client, params, dispatched } = watch;
  const outputs = outputsOf(dispatched);
  if (context.stop !== undefined) return stopped(context.stop, `; the run: ${dispatched.runUrl}`, outputs);
  const givenUpAt = startedAt(watch) + client.options.discoverForMs;
  if (context.now() < givenUpAt) {
    return waiting(watch, `GitHub does not show the run yet: ${dispatched.runUrl}`, outputs, givenUpAt);
  }
  const message = `GitHub shows the run no longer (404): it was deleted, or the connection may not read ${params.repository} any more: ${dispatched.runUrl}`;
  return { kind: 'failed', reason: 'UnexpectedResult', message, outputs };
}

async function ended(watch: Watch, run: WorkflowRun, conclusion: string): Promise<Outcome<Outputs>> {
  const { params, dispatched, remark } = watch;
  const outputs = outputsOf(dispatched, run);
  const expected: readonly string[] = [params.expect].flat();
  if (expected.includes(conclusion)) {
    return { kind: 'succeeded', message: remark + conclusionMessage(conclusion, run), outputs };
  }
  const message = remark + conclusionMessage(conclusion, run, await failedJobs(watch, run));
  return { kind: 'failed', reason: 'UnexpectedResult', message, outputs };
}

/** Names for the message. How the run ended is known without them, so that no failure of this call matters. */
async function failedJobs({ context, client, params, dispatched }: Watch, run: WorkflowRun): Promise<FailedJob[]> {
  if (run.conclusion !== 'failure' && run.conclusion !== 'timed_out') return [];
  try {
    return await client.runs.failedJobs(placeOf(params, dispatched), context.readsAborted);
  } catch (error) {
    context.log.warn({ err: error, runId: run.id }, 'the failed jobs of a run could not be read');
    return [];
  }
}

/** GitHub takes the wish at once and ends the run later; the engine bounds how long that is waited for. */
async function cancelled(watch: Watch, outputs: Outputs): Promise<Outcome<Outputs>> {
  const { context, client, params, dispatched } = watch;
  const settled = await context.effect(cancelName, cancelEffect(client, [placeOf(params, dispatched)]));
  if ('done' in settled) return waiting(watch, `waiting for the cancelled run to end: ${dispatched.runUrl}`, outputs);
  if (settled.stop.kind !== 'failed' || context.stop === undefined) return settled.stop;
  return stopped(context.stop, `; the run goes on, for it could not be cancelled (${settled.stop.message})`, outputs);
}

export function cancelEffect(
  client: GitHubClient,
  places: readonly RunPlace[],
): Effect<readonly RunPlace[], Record<string, never>> {
  return {
    repeat: 'safe',
    request: places,
    async send({ request }) {
      for (const place of request) await client.runs.cancel(place, client.options.sendTimeoutMs);
      return {};
    },
  };
}

/** The run is watched together with the others of its repository; by `until` it is read in any case. */
function waiting(watch: Watch, message: string, outputs: Outputs, until = sweepAt(watch)): Outcome<Outputs> {
  const { client, params, dispatched, remark } = watch;
  const signals = [client.signalOf(placeOf(params, dispatched))];
  return { kind: 'waiting', message: remark + message, until, signals, outputs };
}

function sweepAt({ client, context }: Watch): EpochMs {
  const { pollIntervalMs } = client.options;
  // Under a stop there are two minutes in all, and the watch may look more seldom.
  const pauseMs =
    context.stop === undefined
      ? Math.max(sweepMs, longestPollIntervalMs(pollIntervalMs))
      : client.budget.stretch(pollIntervalMs);
  return context.now() + pauseMs;
}

function startedAt(watch: Watch): EpochMs {
  return recordOf(watch, dispatchName)?.doneAt ?? watch.context.now();
}

function recordOf({ context }: Watch, effectName: string): EffectRecord | undefined {
  return context.execution.status.effects.find(({ name }) => name === effectName);
}

function placeOf({ repository }: Params, { runId }: Dispatched): RunPlace {
  return { repository, runId };
}
