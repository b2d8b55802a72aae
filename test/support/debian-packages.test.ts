import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

import { ensureDebianPackages } from './debian-packages.ts';

const POLICY_OF_THE_MACHINE = '#!/bin/sh\nexit 0\n';

let folder = '';
let policyFile = '';
let lines: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'aftersync-packages-'));
  policyFile = join(folder, 'policy-rc.d');
  lines = [];
  for (const name of ['bin', 'installed', 'known']) mkdirSync(join(folder, name));
  addPrograms();
});
afterEach(() => rmSync(folder, { recursive: true }));

/** dpkg-query and apt-get that keep their state as files in the folder, and write down what they were asked for. */
function addPrograms(): void {
  program(
    'dpkg-query',
    `shift 2
    status=0
    for name; do
      if [ -e ${folder}/installed/$name ]; then echo "$name installed"
      elif [ "$name" = removed ]; then echo "$name config-files"
      else status=1; echo "no packages found matching $name" >&2; fi
    done
    exit $status`,
  );
  program(
    'apt-get',
    `case " $* " in
      *' update '*) echo update >>${folder}/calls; touch ${folder}/known/varnish; exit 0;;
    esac
    names=; for word; do case $word in -*|*=*|install) ;; *) names="$names $word";; esac; done
    for name in $names; do [ -e ${folder}/known/$name ] || { echo "E: Unable to locate package $name"; exit 100; }; done
    case " $* " in *' --simulate '*) exit 0;; esac
    echo "install$names" >>${folder}/calls
    sh ${policyFile} varnish start || echo "start refused with $?" >>${folder}/calls
    [ ! -e ${folder}/broken ] || { rm ${folder}/broken; echo 'E: Failed to fetch: 404'; exit 100; }
    echo 'Setting up everything'
    for name in $names; do touch ${folder}/installed/$name; done`,
  );
}

function program(name: string, script: string): void {
  const file = join(folder, 'bin', name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

function mark(state: 'installed' | 'known', ...names: string[]): void {
  for (const name of names) writeFileSync(join(folder, state, name), '');
}

function calls(): string[] {
  const file = join(folder, 'calls');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
}

function ensure(names: readonly string[], options: { isRoot?: boolean; path?: string } = {}) {
  const { isRoot = true, path = `${join(folder, 'bin')}:/usr/bin:/bin` } = options;
  return ensureDebianPackages(names, { isRoot, path, policyFile, report: (line) => void lines.push(line) });
}

test('where all are installed nothing is run or reported', async () => {
  mark('installed', 'varnish', 'gcc');
  assert.deepEqual(await ensure(['varnish', 'gcc'], { isRoot: false }), []);
  assert.deepEqual([calls(), lines], [[], []]);
});

test('only what is missing is installed, without updating known lists, and its lines are reported', async () => {
  mark('installed', 'gcc');
  mark('known', 'varnish', 'removed');
  assert.deepEqual(await ensure(['varnish', 'gcc', 'removed']), ['varnish', 'removed']);
  assert.deepEqual(calls(), ['install varnish removed', 'start refused with 101']);
  assert.deepEqual(lines, [
    'installing Debian packages: varnish removed',
    '  Setting up everything',
    'installed Debian packages: varnish removed',
  ]);
  assert.deepEqual(await ensure(['varnish']), []);
});

test('lists that do not know a package are updated first', async () => {
  await ensure(['varnish']);
  assert.deepEqual(calls(), ['update', 'install varnish', 'start refused with 101']);
});

test('lists that are older than the archive are updated, and the installation is tried once more', async () => {
  mark('known', 'varnish');
  writeFileSync(join(folder, 'broken'), '');
  await ensure(['varnish']);
  assert.deepEqual(
    calls().filter((call) => !call.startsWith('start')),
    ['install varnish', 'update', 'install varnish'],
  );
});

test("the machine's own policy about starting services is back afterwards, also after a failure", async () => {
  mark('known', 'varnish');
  writeFileSync(policyFile, POLICY_OF_THE_MACHINE);
  await ensure(['varnish']);
  assert.equal(readFileSync(policyFile, 'utf8'), POLICY_OF_THE_MACHINE);
  await assert.rejects(ensure(['no-such-package']), /Unable to locate package no-such-package/);
  assert.equal(readFileSync(policyFile, 'utf8'), POLICY_OF_THE_MACHINE);
});

test('where there was no policy there is none afterwards', async () => {
  mark('known', 'varnish');
  await ensure(['varnish']);
  assert.equal(existsSync(policyFile), false);
});

test('what a killed run left behind is put right by the next', async () => {
  mark('known', 'varnish');
  writeFileSync(policyFile, '#!/bin/sh\n# By aftersync\nexit 101\n');
  writeFileSync(`${policyFile}.before-aftersync`, POLICY_OF_THE_MACHINE);
  await ensure(['varnish']);
  assert.equal(readFileSync(policyFile, 'utf8'), POLICY_OF_THE_MACHINE);
  assert.equal(existsSync(`${policyFile}.before-aftersync`), false);
});

test('without root it goes through sudo that asks for no password', async () => {
  mark('known', 'varnish');
  program('sudo', `[ "$1" = -n ] || exit 1; shift; echo "sudo $1" >>${folder}/calls; exec "$@"`);
  assert.deepEqual(await ensure(['varnish'], { isRoot: false }), ['varnish']);
  assert.deepEqual(calls(), ['sudo true', 'sudo sh', 'install varnish', 'start refused with 101']);
});

const command = /run: sudo apt-get update && sudo apt-get install -y --no-install-recommends varnish gcc$/;

test('where sudo wants a password, nothing is tried and the command to run is told', async () => {
  program('sudo', 'exit 1');
  await assert.rejects(ensure(['varnish', 'gcc'], { isRoot: false }), command);
  assert.deepEqual(calls(), []);
});

test('where there is no sudo, the command to run is told', async () => {
  await assert.rejects(ensure(['varnish', 'gcc'], { isRoot: false, path: join(folder, 'bin') }), command);
});

test('where there is no dpkg-query, that is said with what is needed', async () => {
  await assert.rejects(ensure(['varnish'], { path: '/nowhere' }), /no Debian.*varnish/);
});
