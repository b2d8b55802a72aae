import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { fileCredential } from '../../src/config.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-credential-'));
  path = join(folder, 'token');
});

afterEach(() => rm(folder, { recursive: true }));

/** A file that was last changed long enough ago to be remembered. */
async function writeSettled(
  file: string,
  content: string | Uint8Array,
  changedAt = '2026-01-01T00:00:00Z',
): Promise<void> {
  await writeFile(file, content);
  await utimes(file, new Date(changedAt), new Date(changedAt));
}

test('white space, line ends and a byte order mark around the secret do not count', async () => {
  for (const content of ['s3cret', 's3cret\n', '\ufeff s3cret\r\n\r\n', '\n\ts3cret ']) {
    await writeFile(path, content);
    assert.equal(await fileCredential(path).read(), 's3cret');
  }
});

test('a secret that is replaced is read at the next request', async () => {
  const credential = fileCredential(path);
  await writeSettled(path, 'first');
  assert.equal(await credential.read(), 'first');
  await writeSettled(path, 'other', '2026-01-02T00:00:00Z');
  assert.equal(await credential.read(), 'other');
});

test('a secret that is replaced by one of the same length and time, as a rename does, is read at the next request', async () => {
  const credential = fileCredential(path);
  await writeSettled(path, 'first');
  assert.equal(await credential.read(), 'first');
  await writeSettled(join(folder, 'next'), 'other');
  await rename(join(folder, 'next'), path);
  assert.equal(await credential.read(), 'other');
});

test('a link that is swapped, as in a mounted Kubernetes Secret, is followed at the next request', async () => {
  await writeSettled(join(folder, 'one'), 'first');
  await writeSettled(join(folder, 'two'), 'other');
  await symlink('one', path);
  const credential = fileCredential(path);
  assert.equal(await credential.read(), 'first');
  await symlink('two', join(folder, 'swapped'));
  await rename(join(folder, 'swapped'), path);
  assert.equal(await credential.read(), 'other');
});

test('two writes within one tick of the clock are told apart', async () => {
  const credential = fileCredential(path);
  for (let round = 0; round < 50; round++) {
    await writeFile(path, `secret-${round % 10}`);
    assert.equal(await credential.read(), `secret-${round % 10}`);
  }
});

test('a secret that has gone is an error, not the one that was known', async () => {
  const credential = fileCredential(path);
  await writeSettled(path, 'first');
  await credential.read();
  await rm(path);
  await assert.rejects(credential.read(), {
    name: 'CredentialError',
    message: `the credential file ${path} cannot be used: there is no such file`,
  });
});

test('errors name the path and never the content', async () => {
  await writeFile(path, Buffer.from([0x73, 0x33, 0xff, 0xfe]));
  await assert.rejects(fileCredential(path).read(), {
    message: `the credential file ${path} cannot be used: it is not text in UTF-8`,
  });
  await writeFile(path, 's3cret '.repeat(10_000));
  await assert.rejects(fileCredential(path).read(), {
    message: `the credential file ${path} cannot be used: it is over 65536 bytes long`,
  });
  await writeFile(path, ' \n');
  await assert.rejects(fileCredential(path).read(), {
    message: `the credential file ${path} cannot be used: it is empty`,
  });
});
