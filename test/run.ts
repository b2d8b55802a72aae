/**
 * The test command. Finds the test files, provides what they need, and runs them.
 *
 *   node test/run.ts unit          what needs nothing installed and no server: the inner loop
 *   node test/run.ts all           everything; installs Debian packages and builds the Go programs where they are missing
 *   node test/run.ts all PATTERN   those whose path holds the text
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { cacheFolder } from './support/cache-folder.ts';
import { cueVersions, ensureCue } from './support/cue/cue-program.ts';
import { ensureDebianPackages } from './support/debian-packages.ts';
import { ensureKubeApiServer } from './support/kubernetes/kube-apiserver-program.ts';
import { ensureKustomize } from './support/kustomize.ts';
import { nginxPackages } from './support/nginx.ts';
import { varnishPackages } from './support/varnish.ts';

const [scope = 'unit', pattern = ''] = process.argv.slice(2);
const found = globSync('test/**/*.test.ts').filter((file) => file.includes(pattern));
const files = scope === 'all' ? found : found.filter((file) => !file.endsWith('.real.test.ts'));
if (files.length === 0) {
  console.error(`no test file under test/ has ${JSON.stringify(pattern)} in its path`);
  process.exit(2);
}

if (scope === 'all') await provide();
// What needs nothing installed shares two processes, but for a few that are asked for.
const lanes = ['test/lanes/first.ts', 'test/lanes/second.ts'];
const run = pattern === '' ? [...lanes, ...files.filter((file) => file.endsWith('.real.test.ts'))] : files;
const runner = spawn(
  process.execPath,
  // Many wait for a lease, a pause or a process: three keep two cores busy.
  // A test that hangs is a failure, not a long run. The limit is of a file too: of half of the unit tests, or an image's build.
  ['--test', '--test-concurrency=3', '--test-timeout=1800000', ...run],
  // What all processes import is compiled once.
  { stdio: 'inherit', env: { ...process.env, NODE_COMPILE_CACHE: cacheFolder('compile-cache') } },
);
const [code] = await once(runner, 'exit');
process.exit(code ?? 1);

/** Installed and built once, then found; with progress, since it takes minutes on a new machine. */
async function provide(): Promise<void> {
  await ensureDebianPackages([...varnishPackages, ...nginxPackages, 'etcd-server', 'buildah', 'debootstrap']);
  for (const version of cueVersions) await ensureCue(version);
  await ensureKustomize();
  await ensureKubeApiServer();
}
