import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { clientSettings } from '../../src/config/client-settings.ts';

let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-client-'));
  await writeFile(join(folder, 'option'), 'of the option\n');
  await writeFile(join(folder, 'variable'), 'of the variable\n');
  await writeFile(join(folder, 'token'), 'of the pod\n');
});

after(() => rm(folder, { recursive: true }));

function settings(given: Partial<Parameters<typeof clientSettings>[0]> = {}) {
  return clientSettings({ env: {}, cwd: folder, podFolder: join(folder, 'no-pod'), ...given });
}

test('the server is the option, else the variable, else this machine', () => {
  const env = { AFTERSYNC_SERVER: 'https://b.example/base/' };
  assert.equal(settings({ server: 'http://a.example', env }).server, 'http://a.example');
  assert.equal(settings({ env }).server, 'https://b.example/base');
  assert.equal(settings({ env: { AFTERSYNC_SERVER: '' } }).server, 'http://127.0.0.1:8080');
});

test('the token is in the file of the option, else of the variable, else the pod has it', async () => {
  const env = { AFTERSYNC_TOKEN_FILE: 'variable' };
  assert.equal(await settings({ tokenFile: 'option', env, podFolder: folder }).token?.read(), 'of the option');
  assert.equal(await settings({ env, podFolder: folder }).token?.read(), 'of the variable');
  assert.equal(await settings({ podFolder: folder }).token?.read(), 'of the pod');
  assert.equal(settings().token, undefined);
});

test('a server is refused that is no address, without showing a password in it', () => {
  for (const server of ['localhost:8080', 'ftp://a.example', 'http://a.example?x=1', 'http://a.example#x', '']) {
    assert.throws(
      () => settings({ server }),
      /^Error: the server must be an address such as http:\/\/127\.0\.0\.1:8080/,
    );
  }
  assert.throws(
    () => settings({ server: 'http://me:s3cret@a.example?x' }),
    (error: Error) => !error.message.includes('s3cret'),
  );
});
