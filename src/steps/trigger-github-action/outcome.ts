import type { Stop } from '../../core/execution.ts';
import type { Outcome } from '../../core/step.ts';
import type { WorkflowRun } from '../../providers/github/workflow-run.ts';
import type { FailedJob } from '../../providers/github/workflow-runs.ts';
import type { Dispatched } from './dispatch.ts';
import type { Outputs } from './params.ts';

const mostJobsNamed = 3;

export function outputsOf({ runId, runUrl }: Dispatched, run?: WorkflowRun): Outputs {
  return {
    runId,
    runUrl,
    ...(run === undefined ? {} : { status: run.status }),
    ...(run?.conclusion === undefined ? {} : { conclusion: run.conclusion }),
  };
}

/**
 * What a run does at the moment. The same words on the way that nearly every run goes: each change of the message makes
 * KubeVela ask every second for a while, which a run that was queued for a minute would pay with ten ticks more.
 */
export function phaseOf({ status, url }: WorkflowRun): string {
  switch (status) {
    case 'requested':
    case 'queued':
    case 'in_progress':
      return `the run is queued or in progress: ${url}`;
    case 'pending':
      return `the run waits for others of its concurrency group: ${url}`;
    case 'waiting':
      return `the run waits for an approval or a wait timer of its environment: ${url}`;
    default:
      return `the run is ${status === '' ? 'of unknown status' : status}: ${url}`;
  }
}

export function conclusionMessage(
  conclusion: string,
  { url }: WorkflowRun,
  failedJobs: readonly FailedJob[] = [],
): string {
  return `the run ended with ${conclusion}${reasonFor(conclusion, failedJobs)}: ${url}`;
}

function reasonFor(conclusion: string, failedJobs: readonly FailedJob[]): string {
  if (conclusion === 'startup_failure')
    return ' (GitHub could not start it; the workflow file at this ref may be invalid)';
  if (conclusion === 'action_required') return ' (somebody must approve it at GitHub)';
  if (failedJobs.length === 0) return '';
  const named = failedJobs.slice(0, mostJobsNamed).map(inWords);
  const more = failedJobs.length > mostJobsNamed ? [`${failedJobs.length - mostJobsNamed} more`] : [];
  return ` (${[...named, ...more].join('; ')})`;
}

function inWords({ name, conclusion, failedSteps }: FailedJob): string {
  const steps = failedSteps.map((step) => `'${step}'`).join(', ');
  return `job '${name}' ${conclusion === 'failure' ? 'failed' : conclusion}${steps === '' ? '' : ` at ${steps}`}`;
}

/** The end that a stop asks for, with what is known of the run. */
export function stopped(stop: Stop, more = '', outputs?: Outputs): Outcome<Outputs> {
  return {
    kind: 'failed',
    reason: stop.reason,
    message: `${stop.message}${more}`,
    ...(outputs === undefined ? {} : { outputs }),
  };
}
