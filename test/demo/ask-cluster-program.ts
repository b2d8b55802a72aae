/**
 * Writes an empty line when it has started, and then a line of JSON that says whether the cluster of the current kubeconfig
 * lets us read what the demo reads there. A process of its own: a kubeconfig's plug-ins write what they like, and one that
 * hangs would keep the demo from ending.
 */
// Loaded first, so that the time limits are the cluster's alone.
import '@kubernetes/client-node';
import { isJsonObject } from '../../src/core/json.ts';
import { systemClock } from '../../src/core/time.ts';
import { ClusterAccess } from '../../src/providers/kubernetes/cluster-access.ts';
import { ClusterApi } from '../../src/providers/kubernetes/cluster-api.ts';
import type { ClusterAnswer } from './cluster.ts';

const clock = systemClock;
const access = new ClusterAccess({ clock });
const api = new ClusterApi({ access, requestTimeoutMs: 5_000, clock });
process.stdout.write('\n');
process.stdout.write(`${JSON.stringify(await ask())}\n`);

async function ask(): Promise<ClusterAnswer> {
  try {
    const answer = await api.get('/api/v1/namespaces/default');
    const isThere = answer.status === 200 && isJsonObject(answer.body) && answer.body.kind === 'Namespace';
    if (!isThere) throw api.refusal(answer, { act: 'get namespaces default', grant: 'get on namespaces' });
    return { url: (await access.current()).server };
  } catch (error) {
    const [why = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    // What a server's owner should do about it is no advice for who runs a demo.
    return { why: why.replace(': set kubeconfigFile', '') };
  }
}
