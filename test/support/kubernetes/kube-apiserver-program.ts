import { existsSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ensureGoProgram, type GoProgram, type Report, runGo } from '../go-program.ts';

const MINOR_AND_PATCH = '34.4';
const KUBERNETES_VERSION = `v1.${MINOR_AND_PATCH}`;
/** Kubernetes publishes the modules of its staging folder (k8s.io/api, …) under the same number with major version 0. */
const STAGING_VERSION = `v0.${MINOR_AND_PATCH}`;

const kubeApiServer: GoProgram = {
  name: 'kube-apiserver',
  version: KUBERNETES_VERSION,
  mainPackage: 'k8s.io/kubernetes/cmd/kube-apiserver',
  // Clients refuse a server that does not know its version.
  ldflags: `-s -w -X k8s.io/component-base/version.gitVersion=${KUBERNETES_VERSION}`,
  expectedDuration: '3 to 8 minutes on two cores, 3 GB of disk',
  writeModule,
};

/**
 * Path of a kube-apiserver: from KUBEBUILDER_ASSETS where that is set, else from the user's cache folder, else built into
 * it with the Go toolchain.
 */
export async function ensureKubeApiServer(report?: Report): Promise<string> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  if (!assets) return ensureGoProgram(kubeApiServer, report);
  const executable = join(assets, 'kube-apiserver');
  if (!existsSync(executable)) throw new Error(`KUBEBUILDER_ASSETS is ${assets}, which holds no kube-apiserver`);
  return executable;
}

interface DownloadedModule {
  readonly GoMod: string;
  readonly Dir: string;
}

interface GoMod {
  readonly Go: string;
  readonly Require: readonly { readonly Path: string; readonly Version: string }[];
}

/**
 * Kubernetes cannot be required as a module as it stands: it requires its staging modules as v0.0.0 and replaces them by
 * relative paths, and replacements only count in the main module. So the main module is one of ours, with Kubernetes'
 * own requirements and each staging module replaced by its published version.
 */
async function writeModule(folder: string): Promise<void> {
  const download = await runGo(['mod', 'download', '-json', `k8s.io/kubernetes@${KUBERNETES_VERSION}`], {
    folder: tmpdir(),
  });
  const kubernetes = JSON.parse(download) as DownloadedModule;
  const goMod = JSON.parse(await runGo(['mod', 'edit', '-json', kubernetes.GoMod], { folder })) as GoMod;

  const staging = goMod.Require.filter(({ Version }) => Version === 'v0.0.0');
  const lines = [
    'module aftersync.dev/kube-apiserver',
    `go ${goMod.Go}`,
    // Kubernetes is tested with the runtime behaviour of its own Go version, not with that of a newer toolchain.
    'godebug default=go1.24',
    `require k8s.io/kubernetes ${KUBERNETES_VERSION}`,
    ...goMod.Require.map(({ Path, Version }) => `require ${Path} ${Version}`),
    ...staging.map(({ Path }) => `replace ${Path} v0.0.0 => ${Path} ${STAGING_VERSION}`),
  ];
  await writeFile(join(folder, 'go.mod'), `${lines.join('\n')}\n`);
  await copyFile(join(kubernetes.Dir, 'go.sum'), join(folder, 'go.sum'));
}
