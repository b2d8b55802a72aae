import { keyText } from '../core/execution.ts';
import { defineStep, type Outcome, type StepContext } from '../core/step.ts';
import type { GitHubClient } from '../providers/github/github-client.ts';
import { DispatchEffect, type Dispatched, dispatchName, toRequest } from './trigger-github-action/dispatch.ts';
import { outputsOf, stopped } from './trigger-github-action/outcome.ts';
import {
  complete,
  mistakesIn,
  type Outputs,
  OutputsSchema,
  type Params,
  ParamsSchema,
} from './trigger-github-action/params.ts';
import { cancelEffect, watchRun } from './trigger-github-action/watch.ts';

export const triggerGithubAction = defineStep({
  name: 'trigger-github-action',
  description: 'Starts one run of a GitHub Actions workflow, and waits until it has ended.',
  params: ParamsSchema,
  outputs: OutputsSchema,
  defaultTimeout: '2h',
  authority: ['/connection', '/repository', '/workflow'],

  check: mistakesIn,

  uses({ connection, repository }) {
    const claims = { repositories: [repository] };
    return [{ family: 'github', ...(connection === undefined ? {} : { name: connection }), claims }];
  },

  async advance(context, given): Promise<Outcome<Outputs>> {
    const params = complete(given);
    if (context.stop !== undefined && !wasBegun(context)) return stopped(context.stop);
    const client = await context.connection<GitHubClient>('github');
    const effect = new DispatchEffect(context, client, params);
    const settled = await context.effect(dispatchName, effect);
    if ('stop' in settled) return explained(settled.stop, effect);

    const dispatched = settled.done;
    // Again with each advance: after a restart the ledger knows only what enters itself.
    for (const runId of runIdsOf(dispatched)) client.ledger.bind(runId, keyText(context.execution));
    const remark = await withoutDuplicates(context, client, params, dispatched);
    if (typeof remark !== 'string') return remark;
    if (params.waitFor === 'dispatched') {
      const message = `${remark}the run was started: ${dispatched.runUrl}`;
      return { kind: 'succeeded', message, outputs: outputsOf(dispatched) };
    }
    return watchRun({ context, client, params, dispatched, remark });
  },

  async plan(context, given) {
    const params = complete(given);
    const { workflows } = await context.connection<GitHubClient>('github');
    const { repository, workflow, ref } = toRequest(params);
    return {
      calls: [
        {
          description: `start ${workflow} at ${ref} in ${repository}`,
          method: 'POST',
          url: workflows.dispatchUrl({ repository, workflow }),
          count: 1,
        },
      ],
      seconds: 0,
      notes: notesOn(params),
    };
  },
});

/** Without an intent nothing was sent, and under a stop nothing will be. */
function wasBegun({ execution }: StepContext): boolean {
  return execution.status.effects.some(({ name }) => name === dispatchName);
}

function explained(outcome: Outcome<never>, effect: DispatchEffect): Outcome<Outputs> {
  if (outcome.kind !== 'failed' || outcome.reason !== 'Uncertain') return outcome;
  return { ...outcome, message: effect.concede(outcome.message) };
}

/** Cancels the runs that GitHub started too much. Gives what to say of it, or the outcome to return at once. */
async function withoutDuplicates(
  context: StepContext,
  client: GitHubClient,
  { repository }: Params,
  { duplicates = [] }: Dispatched,
): Promise<string | Outcome<never>> {
  if (duplicates.length === 0) return '';
  const places = duplicates.map((runId) => ({ repository, runId }));
  const settled = await context.effect('cancel-duplicates', cancelEffect(client, places));
  const story = `GitHub started ${duplicates.length + 1} runs for one dispatch; the oldest counts, and ${duplicates.join(', ')}`;
  if ('done' in settled) return `${story} were cancelled; `;
  return settled.stop.kind === 'failed' ? `${story} could not be cancelled (${settled.stop.message}); ` : settled.stop;
}

function runIdsOf({ runId, duplicates = [] }: Dispatched): readonly number[] {
  return [runId, ...duplicates];
}

function notesOn({ waitFor, correlation, onUncertain }: Params): string[] {
  const notes = [waitFor === 'dispatched' ? 'done once the run is there' : 'done once the run has ended'];
  if (correlation === undefined) {
    notes.push(
      'without correlation a run whose dispatch got no clear answer is recognised only if no other could be meant',
    );
  } else {
    notes.push(`the workflow must declare the input ${correlation.input}, and its run-name must show it`);
  }
  if (onUncertain === 'resend') notes.push('onUncertain: resend may start the workflow more than once');
  return notes;
}
