import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { steps } from '../../src/steps/index.ts';
import { replaceOnce } from '../support/example-file.ts';
import { STAND_IN_TOKEN } from '../support/github/options.ts';
import { type GitHubStandIn, startGitHubStandIn } from '../support/github/stand-in.ts';
import { freeLoopbackPort } from '../support/loopback-port.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { startVarnishStandIn } from '../support/varnish-stand-in.ts';

const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
const program = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const startCommand = 'npx aftersync serve';

/** The code blocks of a language below a heading. */
function blocks(heading: string, language: string): string[] {
  const start = readme.indexOf(`\n## ${heading}\n`);
  assert.ok(start >= 0, `README.md has no heading ${heading}`);
  const section = readme.slice(start + 4).split('\n## ')[0] ?? '';
  return [...section.matchAll(/^```(\w*)\n(.*?)^```$/gms)].flatMap(([, found, text = '']) =>
    found === language ? [text] : [],
  );
}

describe('the commands in README.md', () => {
  const closing: (() => Promise<unknown>)[] = [];
  let folder: string;
  let url: string;
  let gitHub: GitHubStandIn;
  let origin: Origin;
  let server: ServerProcess;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'aftersync-readme-'));
    closing.push(() => rm(folder, { recursive: true, force: true }));
    const plan = [{ status: 'completed', conclusion: 'success' }];
    gitHub = await startGitHubStandIn({
      repositories: [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml', plan }] }],
    });
    closing.push(() => gitHub.close());
    origin = await startOrigin();
    closing.push(() => origin.close());
    const cache = await startVarnishStandIn({ originPort: origin.port });
    closing.push(() => cache.close());

    const [configuration = ''] = blocks('Use it', 'yaml');
    const port = await freeLoopbackPort();
    url = `http://127.0.0.1:${port}`;
    let local = `server: { address: "127.0.0.1:${port}" }\n${configuration}`;
    local = replaceOnce(local, 'type: github\n', `type: github\n    baseUrl: ${gitHub.url}\n`);
    local = replaceOnce(local, 'http://127.0.0.1:6081', cache.url);
    await writeFile(join(folder, 'aftersync.yaml'), local);
    await writeFile(join(folder, 'github-token'), STAND_IN_TOKEN);

    assert.equal(blocks('Use it', 'sh').filter((block) => block === `${startCommand}\n`).length, 1);
    server = await startServerProcess({
      command: 'sh',
      commandLine: ['-c', `cd '${folder}' && exec ${here(startCommand)}`],
      install: 'sh is part of every system',
      isReady: async () => (await fetch(`${url}/readyz`)).ok,
      startTimeoutMs: 120_000,
    });
    closing.push(() => server.stop('SIGTERM'));
  });
  after(async () => {
    for (const close of closing.reverse()) await close();
  });

  /** The sources instead of what `npm ci` has built from them, and this server's address. */
  function here(commands: string): string {
    return commands
      .replaceAll('npx aftersync', `'${process.execPath}' '${program}'`)
      .replaceAll('http://127.0.0.1:8080', url);
  }

  async function run(commands: string): Promise<string> {
    const { AFTERSYNC_CONFIG: _, AFTERSYNC_TOKEN_FILE: __, ...inherited } = process.env;
    const env = { ...inherited, AFTERSYNC_SERVER: url };
    const { stdout } = await promisify(execFile)('sh', ['-ec', here(commands)], { cwd: folder, env, timeout: 300_000 });
    return stdout;
  }

  test('work as they stand, and do what the text says of them', async () => {
    const [start, follow, cli, ...more] = blocks('Use it', 'sh').filter((block) => block !== `${startCommand}\n`);
    assert.deepEqual(more, [], 'a block that this test does not know');

    const started = JSON.parse(await run(start ?? '')) as { id: string; step: string };
    assert.deepEqual([started.id, started.step], ['release-42-smoke', 'trigger-github-action']);
    await run(start ?? '');

    const followed = await run(follow ?? '');
    assert.match(followed, /^\{.*"state":"succeeded".*"conclusion":"success"/);
    assert.match(followed, /\nevent: execution\ndata: \{.*"state":"succeeded"/);
    assert.equal(gitHub.dispatches('acme/shop', 'smoke.yml'), 1);

    const shown = await run(cli ?? '');
    assert.match(shown, /PURGEKEYS/);
    assert.match(shown, /purge-cdn +succeeded/);
    assert.match(shown, /trigger-github-action +succeeded/);
    assert.match(shown, /runUrl: http/);
  });
});

test('README.md lists the steps that there are, each with its description and its page', () => {
  const rows = [...readme.matchAll(/^\| \[`([\w-]+)`\]\(docs\/steps\/([\w-]+)\.md\) \| (.+) \|$/gm)];
  assert.deepEqual(
    rows.map(([, name, page, description]) => ({ name, page, description })),
    steps.map(({ name, description }) => ({ name, page: name, description })),
  );
});

test('README.md opens with the two commands, after two sentences on what it is', () => {
  const [, introduction = '', commands = ''] = /^# aftersync\n\n(.*?)\n\n```sh\n(.*?)```/s.exec(readme) ?? [];
  assert.equal(introduction.split(/[.!?](?:\s|$)/).filter((sentence) => sentence !== '').length, 2);
  assert.match(commands, /^npm ci && npm run demo .*\nnpm ci && npm test .*\n$/);
});
