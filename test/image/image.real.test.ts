import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { cacheFolder } from '../support/cache-folder.ts';
import { exclusively } from '../support/exclusively.ts';
import { findExecutable } from '../support/find-executable.ts';
import { freeLoopbackPort } from '../support/loopback-port.ts';
import { startServerProcess } from '../support/server-process.ts';
import { ensureBaseImage } from './base-image.ts';
import { type Buildah, openBuildah, run } from './buildah.ts';

const repository = join(import.meta.dirname, '../..');
const folder = cacheFolder(`image-node-${process.versions.node}`);
const image = 'localhost/aftersync:test';
const report = (line: string) => void process.stderr.write(`image: ${line}\n`);

interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly WorkingDir: string;
  readonly Volumes: object;
}

/** Why the image cannot be built here; undefined: it can. */
function obstacle(): string | undefined {
  const missing = ['buildah', 'debootstrap', 'unshare'].filter((name) => findExecutable(name) === undefined);
  if (missing.length > 0) return `missing: ${missing.join(', ')}; run: sudo apt-get install buildah debootstrap`;
  return process.getuid?.() === 0 ? undefined : 'debootstrap and chroot need root; run: sudo npm test';
}

test('the Dockerfile builds an image that serves: not as root, on a read-only file tree', {
  skip: obstacle(),
}, async () => {
  const work = await mkdtemp(join(tmpdir(), 'aftersync-image-'));
  try {
    const onWait = () => report('another test run is building it, waiting for that');
    await exclusively(join(folder, 'image.lock'), async () => buildAndServe(await openBuildah(folder), work), {
      onWait,
    });
  } finally {
    await rm(work, { recursive: true });
  }
});

async function buildAndServe(buildah: Buildah, work: string): Promise<void> {
  // A run that was killed may have left some.
  await buildah('rm', '--all');
  await ensureBaseImage({ buildah, folder, report });
  await build(buildah);
  const container = await buildah('from', '--pull-never', image);
  try {
    const { config } = JSON.parse(await buildah('inspect', '--type', 'image', image)).OCIv1 as { config: ImageConfig };
    assert.match(config.User, /^[1-9]\d*:[1-9]\d*$/, 'a number, as runAsNonRoot needs it');
    assert.deepEqual(config.Volumes, { '/data': {} });
    assert.equal(config.WorkingDir, '/', 'so that the default store is in the volume');
    const root = await buildah('mount', container);
    assertHoldsOnlyWhatServes(root);
    await assertServes(root, config, work);
  } finally {
    await buildah('rm', container);
    await buildah('rmi', image);
  }
}

/** With this machine's way to the packages: npm's settings as a secret, its cache and its certificates as mounts. */
async function build(buildah: Buildah): Promise<void> {
  const [userconfig = '', cache = '', cafile = ''] = await Promise.all(
    ['userconfig', 'cache', 'cafile'].map((key) => run('npm', ['config', 'get', key])),
  );
  const way = ['--volume', `${cache}:/root/.npm`];
  if (existsSync(userconfig)) way.push('--secret', `id=npmrc,src=${userconfig}`);
  if (existsSync(cafile)) way.push('--volume', `${cafile}:${cafile}:ro`);
  await mkdir(cache, { recursive: true });
  await buildah('build', '--isolation', 'chroot', '--pull-never', ...way, '--tag', image, repository);
}

function assertHoldsOnlyWhatServes(root: string): void {
  for (const path of ['app/dist/cli.js', 'app/package.json', 'app/node_modules/express/package.json']) {
    assert.ok(existsSync(join(root, path)), `${path} is needed`);
  }
  const tools = ['typescript', 'esbuild', 'node'].map((name) => `app/node_modules/${name}`);
  for (const path of ['app/src', 'app/test', 'root/.npmrc', ...tools]) {
    assert.ok(!existsSync(join(root, path)), `${path} is of no use in the image`);
  }
}

async function assertServes(root: string, config: ImageConfig, work: string): Promise<void> {
  const [uid, gid] = config.User.split(':').map(Number);
  const [data, settings] = [join(work, 'data'), join(work, 'settings')];
  for (const path of [data, settings]) await mkdir(path);
  await chown(data, uid ?? 0, gid ?? 0);
  await chmod(work, 0o755);
  const port = await freeLoopbackPort();
  const yaml = `server: { address: "127.0.0.1:${port}" }\nstore: { path: /data/aftersync.db }\n`;
  await writeFile(join(settings, 'aftersync.yaml'), yaml);

  const program = [...config.Entrypoint, ...config.Cmd];
  const server = await startServerProcess({
    command: 'env',
    commandLine: [
      ...['-i', ...config.Env, 'AFTERSYNC_CONFIG=/mnt/aftersync.yaml', 'unshare', '--mount'],
      ...['sh', join(import.meta.dirname, 'run-image.sh'), root, data, settings, config.User, ...program],
    ],
    install: 'apt-get install util-linux',
    isReady: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok,
    startTimeoutMs: 120_000,
  });
  try {
    const store = await stat(join(data, 'aftersync.db'));
    assert.equal(`${store.uid}:${store.gid}`, config.User, "the store is in the volume, and the image's user made it");
    assert.match(await (await fetch(`http://127.0.0.1:${port}/v1/steps`)).text(), /"purge-cdn"/);
  } finally {
    await server.stop('SIGTERM');
  }
  assert.match(server.log.join('\n'), /aftersync serves/);
}
