import { realpathSync } from 'node:fs';
import { cp, mkdir, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { findExecutable } from '../support/find-executable.ts';
import { type Buildah, run } from './buildah.ts';

/** What the Dockerfile begins with. */
export const baseImage = 'docker.io/library/node:24-slim';
/** The Debian that it is made of. */
const debianSuite = 'bookworm';
/** Of no use to a server, and half of the whole. */
const leftOut = ['usr/share/doc', 'usr/share/locale', 'usr/share/man', 'var/cache/apt', 'var/lib/apt/lists'];

const pinnedNode = join(import.meta.dirname, '../../node_modules/node/bin/node');

interface Making {
  readonly buildah: Buildah;
  readonly folder: string;
  readonly report: (line: string) => void;
}

/**
 * Makes an image under the name of the Dockerfile's base where there is none yet, since none can be pulled without a way
 * to a registry of images: a small Debian, the repository's Node, and the npm of this machine.
 */
export async function ensureBaseImage({ buildah, folder, report }: Making): Promise<void> {
  if ((await buildah('images', '--quiet', '--filter', `reference=${baseImage}`)) !== '') return;
  report(`making ${baseImage} of Debian ${debianSuite} and the pinned Node, once (about a minute)`);
  const root = join(folder, 'root');
  await rm(root, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run('debootstrap', ['--variant=minbase', debianSuite, root]);
  for (const path of leftOut) await rm(join(root, path), { recursive: true });

  const local = join(root, 'usr/local');
  await cp(pinnedNode, join(local, 'bin/node'));
  await cp(npmFolder(), join(local, 'lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx']) {
    await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(local, 'bin', name));
  }

  const container = await buildah('from', 'scratch');
  await buildah('add', '--quiet', container, root, '/');
  await buildah('config', '--env', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', container);
  await buildah('commit', '--quiet', '--rm', container, baseImage);
  await rm(root, { recursive: true });
  report(`made ${baseImage}`);
}

function npmFolder(): string {
  const npm = findExecutable('npm');
  if (npm === undefined) throw new Error('npm is not on the PATH');
  return dirname(dirname(realpathSync(npm)));
}
