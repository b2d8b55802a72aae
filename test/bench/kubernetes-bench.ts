import { mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startClusterWithExecutions } from '../store/kubernetes/cluster.ts';
import type { Kubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { cli } from './compare-under-load.ts';
import { type ServerChild, startServerChild } from './server-child.ts';

/** A real API server that knows StepExecutions, and replicas on it, each in a process of its own. */
export interface KubernetesBench extends AsyncDisposable {
  readonly kubernetes: Kubernetes;
  /** With these lines in its configuration. `token`: what stands in its file of that name. */
  startReplica(name: string, lines: string, token?: string): Promise<ServerChild>;
}

export async function openKubernetesBench(): Promise<KubernetesBench> {
  await using opened = new AsyncDisposableStack();
  const kubernetes = opened.use(await startClusterWithExecutions([]));
  const folder = opened.use(await mkdtempDisposable(join(tmpdir(), 'aftersync-bench-')));
  const rest = opened.move();
  return {
    kubernetes,
    async startReplica(name, lines, token = 'bench') {
      const own = join(folder.path, name);
      await mkdir(own);
      await writeFile(join(own, 'token'), token);
      const config = join(own, 'aftersync.yaml');
      await writeFile(config, `server: { address: "127.0.0.1:0" }\nlog: { level: warn }\n${lines}`);
      const child = await startServerChild([cli, 'serve', '--config', config], {
        KUBECONFIG: kubernetes.adminKubeconfigPath,
      });
      return rest.use(child);
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}
