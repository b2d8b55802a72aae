import { setTimeout as delay } from 'node:timers/promises';
import type { TokenOptions } from '../support/github/options.ts';
import { type GitHubStandIn, startGitHubStandIn } from '../support/github/stand-in.ts';
import type { Bench } from './bench.ts';
import { openKubernetesBench } from './kubernetes-bench.ts';
import { answersPerSecond } from './load.ts';
import { putRequest } from './step-request.ts';

const leaseMs = 10_000;
const sendTimeoutMs = 3_000;
/** Who takes over looks at the runs of the repository after so long, and then reads each. */
const pollIntervalMs = 1_000;
const slackMs = 3_000;
/** One in so many is being sent when its holder dies. */
const sendingShare = 20;
/** Each dispatch begins with the list of its workflow's runs, which is to stay short. */
const workflowCount = 100;

const tokens: readonly TokenOptions[] = [
  { token: 'first-replica', login: 'octocat' },
  { token: 'second-replica', login: 'octocat' },
];

/**
 * All executions are one replica's when it is killed: most wait for their run, some wait for the answer to their dispatch. GitHub
 * tells when the other one looks at the last of their runs.
 */
export const takeover: Bench = {
  title: 'time from the kill of a replica until the last of its 1,000 executions is advanced by another one',
  unit: 'ms',
  bound: { of: 'value', direction: 'at most', limit: leaseMs + sendTimeoutMs + slackMs },

  async measure({ executions }, progress) {
    const count = Math.ceil(executions / 100);
    progress('starting an API server');
    await using bench = await openKubernetesBench();
    await using gitHub = await startGitHubStandIn({ tokens, requestsPerHour: 10_000_000, repositories: [repository] });
    const start = (token: string) => bench.startReplica(token, configuration(gitHub.url), token);
    const first = await start('first-replica');
    const sendingCount = Math.ceil(count / sendingShare);
    progress(`starting ${count} executions`);
    await submit(first.url, 'waits', count - sendingCount);
    const seenByFirst = seenBy('first-replica', gitHub);
    await until(() => seenByFirst() === count - sendingCount);
    await start('second-replica');
    gitHub.fault('dispatch', { kind: 'accept-then-hang', times: sendingCount });
    await submit(first.url, 'sends', sendingCount);
    await until(() => gitHub.dispatches() === count);
    progress('killing one of two replicas');
    const killedAt = performance.now();
    await first.stop('SIGKILL');
    const seenBySecond = seenBy('second-replica', gitHub);
    await until(() => seenBySecond() === count);
    return { value: performance.now() - killedAt };
  },
};

const repository = {
  fullName: 'acme/shop',
  workflows: Array.from({ length: workflowCount }, (_, index) => ({
    file: `smoke-${index}.yml`,
    on: { workflow_dispatch: { inputs: { mark: {} } } },
    // biome-ignore lint/suspicious/noTemplateCurlyInString: GitHub's expressions look like that.
    runName: 'smoke ${{ inputs.mark }}',
  })),
};

function configuration(gitHubUrl: string): string {
  return `store: { type: kubernetes, leaseDuration: ${leaseMs}ms }
connections:
  - name: github
    type: github
    baseUrl: ${gitHubUrl}
    auth: { tokenFile: token }
    sendTimeout: ${sendTimeoutMs}ms
    pollInterval: ${pollIntervalMs}ms
`;
}

async function submit(url: string, prefix: string, count: number): Promise<void> {
  const requests = Array.from({ length: count }, (_, index) => dispatchRequest(prefix, index)).values();
  const durationMs = Number.POSITIVE_INFINITY;
  await answersPerSecond({ url, connections: 16, requests, durationMs, expectedStatus: 201 });
}

function dispatchRequest(prefix: string, index: number): string {
  const workflow = `smoke-${index % workflowCount}.yml`;
  const params = { repository: 'acme/shop', workflow, ref: 'main', correlation: { input: 'mark' } };
  return putRequest(`${prefix}-${index}`, JSON.stringify({ step: 'trigger-github-action', with: params }));
}

/** Keeps up with the runs that the holder of a token has asked for; gives how many they are. */
function seenBy(token: string, { requests }: GitHubStandIn): () => number {
  const paths = new Set<string>();
  let next = 0;
  return () => {
    for (; next < requests.length; next++) {
      const { route, headers, path } = requests[next] ?? {};
      if (route === 'getRun' && headers?.authorization?.endsWith(token)) paths.add(path?.split('?')[0] ?? '');
    }
    return paths.size;
  };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(20);
}
