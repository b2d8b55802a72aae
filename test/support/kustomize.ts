import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';

import { ensureGoProgram, type GoProgram, type Report } from './go-program.ts';
import type { KubernetesObject } from './kubevela/objects.ts';

const version = 'v5.7.1';
const modulePath = 'sigs.k8s.io/kustomize/kustomize/v5';

const kustomize: GoProgram = {
  name: 'kustomize',
  version,
  mainPackage: modulePath,
  ldflags: '-s -w',
  expectedDuration: 'about half a minute on two cores',
  writeModule: (folder) => {
    const lines = ['module aftersync.dev/kustomize', 'go 1.24.0', `require ${modulePath} ${version}`];
    return writeFile(join(folder, 'go.mod'), `${lines.join('\n')}\n`);
  },
};

/** Path of the `kustomize` command, built with the Go toolchain into the user's cache folder where absent. */
export function ensureKustomize(report?: Report): Promise<string> {
  return ensureGoProgram(kustomize, report);
}

/** The objects that `kustomize build` prints for the folder. Throws with its words where it refuses. */
export async function kustomizeBuild(folder: string): Promise<readonly KubernetesObject[]> {
  const { stdout } = await promisify(execFile)(await ensureKustomize(), ['build', folder]);
  return parseAllDocuments(stdout).map((document) => document.toJS() as KubernetesObject);
}
