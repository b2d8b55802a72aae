import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';

import { findExecutable } from './find-executable.ts';

test('the first executable file on the path is found; folders and plain files are passed over', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'aftersync-find-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [withFolder, withPlainFile, withProgram] = ['a', 'b', 'c'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(join(withFolder, 'some-server'), { recursive: true });
  for (const place of [withPlainFile, withProgram]) {
    mkdirSync(place);
    writeFileSync(join(place, 'some-server'), '');
  }
  chmodSync(join(withProgram, 'some-server'), 0o755);

  const path = [withFolder, withPlainFile, withProgram].join(delimiter);
  assert.equal(findExecutable('some-server', path), join(withProgram, 'some-server'));
});

test('what is nowhere is undefined', () => {
  assert.equal(findExecutable('no-such-server-anywhere'), undefined);
});
