import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type KubernetesStandIn, startKubernetesStandIn } from '../support/kubernetes/stand-in.ts';
import { killWithUs } from '../support/server-process.ts';

export interface DemoCluster {
  /** What stands there, for the timeline: your cluster or the stand-in, and why. */
  readonly description: string;
  readonly url: string;
  /** Absent: the cluster is that of the current kubeconfig, and is only read. */
  readonly standIn?: KubernetesStandIn;
  close(): Promise<void>;
}

/** Where the cluster is, or why it cannot be read. */
export type ClusterAnswer = { readonly url: string } | { readonly why: string };

const program = fileURLToPath(new URL('./ask-cluster-program.ts', import.meta.url));
/** From the program's start on. It gives the cluster 5 s itself; this is for what in a kubeconfig heeds no limit. */
const programTimeoutMs = 15_000;

/** The cluster of the current kubeconfig where it lets us read, else a stand-in with a Deployment. */
export async function startCluster(wantsCluster: boolean): Promise<DemoCluster> {
  const answer = wantsCluster ? await askCluster() : { why: 'as asked for' };
  if ('url' in answer) {
    return { ...answer, description: 'the cluster of your kubeconfig, which is only read,', close: async () => {} };
  }
  const standIn = await startKubernetesStandIn({ name: 'web', image: 'acme/shop:1.0', replicas: 2 });
  const { url, close } = standIn;
  return { standIn, url, close, description: `a stand-in for Kubernetes (${answer.why})` };
}

/** `environment`: where the current kubeconfig is looked for. Never rejects. */
export async function askCluster(environment: NodeJS.ProcessEnv = process.env): Promise<ClusterAnswer> {
  const child = spawn(process.execPath, [program], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: environment,
    // A process group of its own, so that a plug-in that hangs is ended too.
    detached: true,
  });
  const { pid } = child;
  if (pid === undefined) return { why: 'it could not be looked for' };
  killWithUs(child, pid);
  let timeout: NodeJS.Timeout | undefined;
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (line !== '') return JSON.parse(line) as ClusterAnswer;
      timeout = setTimeout(() => endGroup(pid), programTimeoutMs);
    }
    return { why: 'the kubeconfig leads nowhere' };
  } finally {
    clearTimeout(timeout);
    endGroup(pid);
  }
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended by itself.
  }
}
