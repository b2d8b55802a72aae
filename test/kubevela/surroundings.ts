import type { Timeline } from '../demo/timeline.ts';
import { STAND_IN_TOKEN } from '../support/github/options.ts';
import { freeLoopbackPort } from '../support/loopback-port.ts';
import { Addon } from './addon.ts';
import { addressForNodes } from './addresses.ts';
import type { Arguments, ExecutorPlace } from './arguments.ts';
import { Cluster } from './cluster.ts';
import { connectionsText, exposeStandIns, type StandInUrls } from './connections.ts';
import { Executor, type ExecutorOptions } from './executor.ts';
import { CheckNamespace, checkLabels } from './namespace.ts';
import { lookAround } from './preflight.ts';
import type { Stage } from './stage.ts';
import { StandIns } from './stand-ins.ts';

/** All that the checks are made with. */
export interface Parts {
  readonly place: ExecutorPlace;
  readonly stage: Stage;
  readonly addon: Addon;
  /** Only where it is here. */
  readonly executor: Executor | undefined;
}

export interface BuildOptions {
  readonly given: Arguments;
  readonly workFolder: string;
  readonly timeline: Timeline;
  readonly signal: AbortSignal;
  /** Where to leave what must be undone at the end, whatever happens until then. */
  readonly cleanup: AsyncDisposableStack;
  /** What could not be undone, and how to do it by hand. */
  readonly leftBehind: string[];
}

/** Looks at the cluster, and puts there what the checks need. Throws CannotStart before anything was changed. */
export async function buildStage(options: BuildOptions): Promise<Parts> {
  const { given, timeline, signal, cleanup } = options;
  const cluster = new Cluster();
  cleanup.defer(() => cluster.close());
  const found = await timeline.waiting('looking around', lookAround(cluster, { force: given.force, signal }));
  timeline.event('cluster', `${found.url}: KubeVela ${found.coreVersion}, vela ${found.cliVersion}`);
  const here = given.place === 'here' ? await executorHere(given, cluster) : undefined;
  const reached = here?.address ?? given.address;
  const standIns = reached === undefined ? undefined : await StandIns.start(cleanup);
  signal.throwIfAborted();

  const namespace = await CheckNamespace.create(cluster);
  undo(options, `namespace ${namespace.name}`, () => namespace.remove(), `kubectl delete namespace ${namespace.name}`);
  timeline.event('cluster', `namespace ${namespace.name} is there, for the examples`);

  const parameters = [...given.addon, `readObjectNamespaces={${namespace.name}}`];
  if (here !== undefined) {
    parameters.push(`externalExecutor.address=${here.address}`, `externalExecutor.port=${here.port}`);
  } else if (standIns !== undefined && reached !== undefined) {
    const urls = await exposeStandIns(standIns, reached, cleanup);
    parameters.push(...(await connectionParameters(options, { cluster, namespace: namespace.name, urls })));
  }
  const addon = await enableAddon(options, cluster, parameters);
  const executor =
    here && standIns && (await startExecutor(options, { cluster, standIns, namespace: namespace.name, ...here }));
  // Before the addon, which cannot be disabled while they use it.
  undo(options, 'the workflows', () => namespace.removeWorkflows(), `vela ls -n ${namespace.name}`);
  const stage: Stage = {
    cluster,
    namespace: namespace.name,
    timeline,
    ...(standIns && { standIns }),
    hasWorkflowRuns: found.hasWorkflowRuns,
    signal,
  };
  return { place: given.place, stage, addon, executor };
}

async function enableAddon(options: BuildOptions, cluster: Cluster, parameters: readonly string[]): Promise<Addon> {
  const { given, workFolder, timeline, signal } = options;
  const addon = new Addon({ cluster, parameters, workFolder });
  undo(options, 'the addon', () => addon.disable(), 'vela addon disable aftersync');
  await timeline.waiting('enabling the addon', addon.enable(signal));
  const shown = parameters.map((parameter) => parameter.replace(/\n.*/s, ' …')).join(' ');
  timeline.event('addon', `enabled with ${shown}`);
  if (given.place === 'in the cluster') {
    await timeline.waiting('waiting for the executor', addon.rolledOut(signal));
    timeline.event('executor', 'is ready');
  }
  return addon;
}

/** As the service account that the addon has made, so that its roles are tried too. */
async function startExecutor(
  { workFolder, timeline, cleanup }: BuildOptions,
  { cluster, ...around }: { readonly cluster: Cluster } & Omit<ExecutorOptions, 'workFolder' | 'kubeconfig'>,
): Promise<Executor> {
  const kubeconfig = await cluster.kubeconfigFor('vela-system', 'aftersync');
  const executor = new Executor({ workFolder, kubeconfig, ...around });
  cleanup.defer(() => executor.stop());
  await timeline.waiting('starting the executor', executor.start());
  const { address, port } = around;
  timeline.event('executor', `serves on this machine; the cluster is to reach it at ${address}, port ${port}`);
  return executor;
}

/** The Secret for the executor in the cluster, and what tells it of the stand-ins. */
async function connectionParameters(
  options: BuildOptions,
  { cluster, namespace, urls }: { readonly cluster: Cluster; readonly namespace: string; readonly urls: StandInUrls },
): Promise<string[]> {
  const secrets = '/api/v1/namespaces/vela-system/secrets';
  const metadata = { name: namespace, labels: checkLabels };
  const stringData = { token: STAND_IN_TOKEN };
  await cluster.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata, stringData });
  const byHand = `kubectl delete secret -n vela-system ${namespace}`;
  undo(options, `secret ${namespace}`, () => cluster.remove(`${secrets}/${namespace}`), byHand);
  const tokenFile = `/etc/aftersync/connections/${namespace}/token`;
  return [`connections={${namespace}}`, `config=${connectionsText({ urls, tokenFile, namespace })}`];
}

async function executorHere({ address, port }: Arguments, cluster: Cluster) {
  return { address: address ?? (await addressForNodes(cluster)), port: port ?? (await freeLoopbackPort()) };
}

/** One thing that cannot be undone must not keep the others from it. */
function undo(options: BuildOptions, what: string, work: () => Promise<void>, byHand: string): void {
  const { cleanup, timeline, leftBehind } = options;
  cleanup.defer(async () => {
    try {
      await timeline.waiting(`deleting ${what}`, work());
      timeline.event('clean-up', `${what}: gone`);
    } catch (error) {
      leftBehind.push(`${what} may still be there: ${(error as Error).message}\n  by hand: ${byHand}`);
    }
  });
}
