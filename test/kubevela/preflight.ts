import { CannotStart } from './arguments.ts';
import type { Cluster } from './cluster.ts';
import { vela } from './vela.ts';

const oldestVersion = [1, 10];
export const addonApplication = '/apis/core.oam.dev/v1beta1/namespaces/vela-system/applications/addon-aftersync';

export interface Surroundings {
  /** Where the API server is. */
  readonly url: string;
  /** `v1.10.9`; or what stands in its place, such as `latest`. */
  readonly coreVersion: string;
  readonly cliVersion: string;
  readonly hasWorkflowRuns: boolean;
}

export interface LookOptions {
  /** Whether an addon that is enabled may be replaced. */
  readonly force: boolean;
  readonly signal: AbortSignal;
}

/** Reads only. Throws CannotStart where the check cannot begin. */
export async function lookAround(cluster: Cluster, { force, signal }: LookOptions): Promise<Surroundings> {
  const cliVersion = /^CLI Version: *(\S*)/m.exec(await vela(['version'], signal))?.[1] ?? '';
  assertNotTooOld('the vela on PATH', cliVersion);
  const url = await cluster.url();
  if ((await cluster.read('/apis/core.oam.dev/v1beta1')) === undefined) {
    throw new CannotStart(`there is no KubeVela in the cluster ${url}: \`vela install\` installs it`);
  }
  const coreVersion = await coreVersionIn(cluster);
  assertNotTooOld(`the KubeVela in ${url}`, coreVersion);
  if (!force && (await cluster.read(addonApplication)) !== undefined) {
    throw new CannotStart(
      'the addon aftersync is enabled in this cluster, and somebody may be using it: disable it first, or let it be replaced and then disabled with --force',
    );
  }
  const group = await cluster.read<{ readonly resources: readonly { readonly name: string }[] }>(
    '/apis/core.oam.dev/v1alpha1',
  );
  return {
    url,
    coreVersion,
    cliVersion,
    hasWorkflowRuns: group?.resources.some(({ name }) => name === 'workflowruns') ?? false,
  };
}

interface DeploymentSpec {
  readonly template: { readonly spec: { readonly containers: readonly { readonly image: string }[] } };
}

/** By the tag of its image, as `vela addon enable` finds it. */
async function coreVersionIn(cluster: Cluster): Promise<string> {
  const [deployment] = await cluster.list(
    '/apis/apps/v1/deployments?labelSelector=controller.oam.dev/name%3Dvela-core',
  );
  if (deployment === undefined) return 'unknown';
  const { template } = deployment.spec as unknown as DeploymentSpec;
  const image = template.spec.containers.map((container) => container.image).find((name) => name.includes('vela-core'));
  return /:([^:/@]+)(?:@.*)?$/.exec(image ?? '')?.[1] ?? 'latest';
}

/** What bears no version, such as `latest`, is taken for new enough. */
function assertNotTooOld(what: string, version: string): void {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return;
  const [oldestMajor = 0, oldestMinor = 0] = oldestVersion;
  const isTooOld = Number(major) < oldestMajor || (Number(major) === oldestMajor && Number(minor) < oldestMinor);
  if (isTooOld) throw new CannotStart(`${what} is ${version}; aftersync needs ${oldestVersion.join('.')} or later`);
}
