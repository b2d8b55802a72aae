import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { benches } from './index.ts';

const program = fileURLToPath(new URL('run.ts', import.meta.url));

function run(...args: readonly string[]) {
  const options = { encoding: 'utf8', timeout: 900_000, killSignal: 'SIGKILL' } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], options);
  return { status, stdout, stderr, lines: stdout.split('\n').filter((line) => line !== '') };
}

test('--json prints a line for each bench that was named, and nothing else', () => {
  const names = ['tick', 'create', 'waiting', 'recover'];
  const { status, lines, stderr } = run('--json', '--quick', ...names);
  assert.equal(status, 0, stderr);
  const results = lines.map((line) => JSON.parse(line));
  assert.deepEqual(
    results.map(({ name }) => name),
    names,
  );
  for (const { name, value, unit, reference, ratio, verdict } of results) {
    assert.ok(value > 0, name);
    assert.equal(unit, benches[name]?.unit);
    assert.match(verdict, /^(ok|missed)$/);
    if (reference === null) assert.equal(ratio, null);
    else assert.ok(Math.abs(ratio - value / reference) < 0.01 * ratio, name);
  }
  assert.equal(stderr, '');
});

test('the table tells bound and verdict of each bench', () => {
  const { status, lines } = run('--quick', 'recover');
  assert.equal(status, 0);
  assert.match(lines[0] ?? '', /^bench +value +reference +ratio +bound/);
  assert.match(lines[1] ?? '', /^recover +[0-9.,]+ ms +- +- +<= 2000 ms +(ok|missed)/);
});

test('--list and --help name every bench and option, and measure nothing', () => {
  const list = run('--list');
  assert.deepEqual(
    list.lines.map((line) => line.split(' ')[0]),
    Object.keys(benches),
  );
  const help = run('--help');
  for (const option of ['--json', '--quick', '--assert', '--list']) assert.ok(help.stdout.includes(option), option);
  assert.deepEqual([list.status, help.status], [0, 0]);
});

test('an unknown name or option is refused with what there is', () => {
  const name = run('ticks');
  assert.deepEqual([name.status, name.stdout], [2, '']);
  assert.match(name.stderr, /there is no bench ticks; there are: tick, create/);
  assert.equal(run('--jsno').status, 2);
});
