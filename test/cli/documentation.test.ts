import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import type { Command } from 'commander';
import { exitCodes } from '../../src/cli/exit.ts';
import { createProgram } from '../../src/cli/program.ts';
import { mergeWithValues } from '../../src/cli/with-values.ts';
import { CapturedOutput } from './command-line.ts';

const documentation = await readFile(new URL('../../docs/cli.md', import.meta.url), 'utf8');
const stdout = new CapturedOutput();
const program = createProgram(
  {
    stdin: process.stdin,
    stdout,
    stderr: new CapturedOutput(),
    cwd: '/',
    interruption: () => new AbortController().signal,
  },
  () => {},
);
const commands = program.commands.filter((command) => command.name() !== 'help');

/** The text between this heading and the next one. */
function sectionOf(heading: string): string {
  const start = documentation.indexOf(`\n${heading}\n`);
  assert(start >= 0, `docs/cli.md has no heading ${heading}`);
  return documentation.slice(start + heading.length + 2).split(/\n#{2,3} /)[0] ?? '';
}

function firstCells(section: string): string[] {
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, cell]) => cell ?? '');
}

function usageOf(command: Command): string {
  const names = command.registeredArguments.map((argument) =>
    argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
  );
  return ['aftersync', command.name(), ...names].join(' ');
}

function helpOf(command: Command): string {
  stdout.text = '';
  command.outputHelp();
  return stdout.text;
}

test('docs/cli.md has the commands that there are, and no others', () => {
  const headings = [...documentation.matchAll(/^### `([^`]+)`$/gm)].map(([, heading]) => heading);
  assert.deepEqual(headings, commands.map(usageOf));
});

test('docs/cli.md has the options of every command, and no others', () => {
  const options = firstCells(sectionOf('## Options of every command'));
  assert.deepEqual(options.sort(), [...program.options.map(({ flags }) => flags), '-h, --help'].sort());
});

test('docs/cli.md has the exit codes that there are, and no others', () => {
  const codes = [...sectionOf('## Exit codes').matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  assert.deepEqual(codes, Object.values(exitCodes));
});

for (const command of commands) {
  describe(`docs/cli.md on ${command.name()}`, () => {
    const section = sectionOf(`### \`${usageOf(command)}\``);

    test('has its options, and no others', () => {
      const documented = firstCells(section.split('\n```\n')[0] ?? '');
      assert.deepEqual(documented.sort(), command.options.map(({ flags }) => flags).sort());
    });

    test('has the examples of its help', () => {
      const [, examples = ''] = helpOf(command).split('\nExamples:\n');
      const lines = examples
        .trim()
        .split('\n')
        .map((line) => line.trim());
      assert.notEqual(lines[0], '');
      assert.deepEqual(/```sh\n([^`]*)\n```/.exec(section)?.[1]?.split('\n'), lines);
    });
  });
}

test('docs/cli.md is right about what --with sends', async () => {
  const rows = [...documentation.matchAll(/^\| `(--with [^`]+)` \| `([^`]+)` \|$/gm)];
  assert(rows.length > 3);
  for (const [, written = '', sent = ''] of rows) {
    const words = execFileSync('sh', ['-c', `printf '%s\\n' ${written}`], { encoding: 'utf8' })
      .trim()
      .split('\n');
    const pairs = words.filter((word) => word !== '--with');
    assert.deepEqual(await mergeWithValues({}, pairs), JSON.parse(sent), written);
  }
});
