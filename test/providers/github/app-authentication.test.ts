import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { NotSent, Rejected } from '../../../src/core/effect.ts';
import { createAppKeys, shopBot } from '../../support/github/app-key.ts';
import type { AppOptions, StandInOptions } from '../../support/github/options.ts';
import type { GitHubStandIn } from '../../support/github/stand-in.ts';
import { deepText } from './deep-text.ts';
import { neverAborted, type OpenOptions, openGitHub } from './open-github.ts';

const keys = createAppKeys();
const otherKeys = createAppKeys();
const bot = shopBot(keys);
const minuteMs = 60_000;

const repositories = ['acme/shop', 'acme/web', 'other/site'].map((fullName) => ({
  fullName,
  workflows: [{ file: 'smoke.yml' }],
}));

interface Opening {
  readonly standIn?: Omit<StandInOptions, 'apps'>;
  readonly bot?: Partial<AppOptions>;
  readonly app?: Partial<NonNullable<OpenOptions['app']>>;
  readonly instead?: OpenOptions['instead'];
}

function open(test: TestContext, { standIn, app, instead, ...others }: Opening = {}) {
  return openGitHub(test, {
    standIn: { repositories, ...standIn, apps: [{ ...bot, ...others.bot }] },
    app: { key: () => keys.pkcs1, ...app },
    ...(instead === undefined ? {} : { instead }),
  });
}

function dispatch(client: Awaited<ReturnType<typeof open>>['client'], repository = 'acme/shop') {
  return client.workflows.dispatch({ repository, workflow: 'smoke.yml', ref: 'main', inputs: {} }, 30_000);
}

function countOf({ requests }: GitHubStandIn, route: string): number {
  return requests.filter((request) => request.route === route).length;
}

describe('an app', () => {
  for (const [name, app] of [
    ['its id', {}],
    ['its client id, with a key in PKCS#8', { appId: 'Iv23stand-in', key: () => keys.pkcs8 }],
    ['a named installation', { installationId: 70 }],
  ] as const) {
    it(`starts a workflow by ${name}`, async (t) => {
      const { client, standIn } = await open(t, { app });
      const { runId } = await dispatch(client);
      assert.equal(standIn.runs[0]?.id, runId);
      assert.equal(countOf(standIn, 'getRepositoryInstallation'), 'installationId' in app ? 0 : 1);
    });
  }

  it('starts a workflow on an Enterprise Server', async (t) => {
    const { client, standIn } = await open(t, { standIn: { ghes: '3.21' } });
    await dispatch(client);
    assert.equal(standIn.dispatches(), 1);
  });

  it('takes tokens that reach one repository and no more than its Actions', async (t) => {
    const { client, standIn } = await open(t);
    await dispatch(client);
    const asked = standIn.requests.find(({ route }) => route === 'createInstallationToken');
    assert.deepEqual(JSON.parse(asked?.body ?? ''), {
      repositories: ['shop'],
      permissions: { actions: 'write', metadata: 'read' },
    });
  });

  it('is the actor of the runs that it starts', async (t) => {
    const { client, standIn } = await open(t);
    const { runId } = await dispatch(client);
    const run = await client.runs.get({ repository: 'acme/shop', runId }, neverAborted);
    assert.equal(run?.actor, 'shop-bot[bot]');
    assert.equal(await client.account.login(neverAborted), 'shop-bot[bot]');
    await client.account.login(neverAborted);
    assert.equal(countOf(standIn, 'getApp'), 1);
  });
});

describe("an app's token", () => {
  it('is asked for once by all who need it at the same time, and the installation once for each owner', async (t) => {
    const { client, standIn } = await open(t);
    const repositories = ['acme/shop', 'acme/shop', 'Acme/Shop', 'acme/web'];
    await Promise.all(repositories.map((repository) => dispatch(client, repository)));
    assert.equal(countOf(standIn, 'getRepositoryInstallation'), 1);
    assert.equal(countOf(standIn, 'createInstallationToken'), 2);
    assert.equal(standIn.dispatches(), 4);
  });

  it('is kept until five minutes before its end by the time of GitHub', async (t) => {
    const { client, standIn, clock } = await open(t);
    await dispatch(client);
    clock.advance(55 * minuteMs - 1_000);
    await dispatch(client);
    assert.equal(countOf(standIn, 'createInstallationToken'), 1);
    clock.advance(1_000);
    await dispatch(client);
    assert.equal(countOf(standIn, 'createInstallationToken'), 2);
  });

  it('is kept as long where our clock is wrong', async (t) => {
    // GitHub gives the end by its clock, which is twenty minutes behind ours.
    const behindMs = 20 * minuteMs;
    const { client, clock } = await open(t, {
      instead: ({ url }) => {
        if (!String(url).endsWith('/access_tokens')) return undefined;
        minted += 1;
        const serverNow = clock.now() - behindMs;
        const body = { token: `ghs_${minted}`, expires_at: new Date(serverNow + 60 * minuteMs).toISOString() };
        const headers = { date: new Date(serverNow).toUTCString(), 'content-type': 'application/json' };
        return { status: 201, headers, text: JSON.stringify(body) };
      },
    });
    let minted = 0;
    const { authentication } = client.options;
    await authentication.credentials('acme/shop');
    clock.advance(54 * minuteMs);
    await authentication.credentials('acme/shop');
    assert.equal(minted, 1);
    clock.advance(minuteMs);
    await authentication.credentials('acme/shop');
    assert.equal(minted, 2);
  });

  it('is renewed once when GitHub refuses it, and the dispatch is sent once more', async (t) => {
    const { client, standIn, clock } = await open(t);
    await dispatch(client);
    clock.advance(minuteMs);
    standIn.revokeInstallationTokens();
    await Promise.all([dispatch(client), dispatch(client)]);
    assert.equal(standIn.dispatches(), 3);
    assert.equal(countOf(standIn, 'createInstallationToken'), 2);
    const outcomes = standIn.requests.filter(({ route }) => route === 'dispatch').map(({ outcome }) => outcome);
    // One of the two may be through before the other has come.
    assert.deepEqual(outcomes.toSorted(), [200, 200, 200, 401, 401]);
  });

  for (const [name, lag] of [
    ['does not know it yet', { tokenKnownAfterMs: 4_000 }],
    ['does not know yet what it may do', { tokenPermittedAfterMs: 4_000 }],
  ] as const) {
    it(`is waited for where GitHub ${name}, and no other is asked for`, async (t) => {
      const { client, standIn, clock } = await open(t, { bot: lag });
      for (const pauseMs of [2_000, 2_000]) {
        await assert.rejects(dispatch(client), { name: 'NotSent', notBefore: clock.now() + pauseMs });
        clock.advance(pauseMs);
      }
      await dispatch(client);
      assert.equal(standIn.dispatches(), 1);
      assert.equal(countOf(standIn, 'createInstallationToken'), 1);
    });
  }

  it('comes from the new installation where the app was installed anew', async (t) => {
    const { client, standIn, clock } = await open(t);
    await dispatch(client);
    standIn.apps = [{ ...bot, installations: [{ id: 71, owner: 'acme' }] }];
    clock.advance(60 * minuteMs);
    await dispatch(client);
    assert.equal(countOf(standIn, 'getRepositoryInstallation'), 2);
    assert.equal(standIn.dispatches(), 2);
  });

  it('is signed for with the key that stands in the file now', async (t) => {
    let key = otherKeys.pkcs1;
    const { client, standIn } = await open(t, { app: { key: () => key } });
    await assert.rejects(dispatch(client), Rejected);
    key = keys.pkcs1;
    await dispatch(client);
    assert.equal(standIn.dispatches(), 1);
  });
});

describe('an app is refused, and nothing is sent:', () => {
  for (const [name, opening, message] of [
    [
      'with the key of another app',
      { app: { key: () => otherKeys.pkcs1 } },
      /^GitHub refuses app 7 with the private key in \/etc\/aftersync\/github\/key \(401 A JSON web token/,
    ],
    ['with an id that is none', { app: { appId: 8 } }, /404 Integration not found/],
    [
      'where it is not installed',
      { bot: { installations: [{ id: 70, owner: 'other' }] } },
      /knows no installation on acme\/shop .* has an installation on acme\/shop$/,
    ],
    [
      'where it is installed on other repositories',
      { bot: { installations: [{ id: 70, owner: 'acme', repositories: ['web'] }] }, app: { installationId: 70 } },
      /refuses to give out a token for acme\/shop \(422 There is at least one repository/,
    ],
    [
      'where it may only read Actions',
      { bot: { installations: [{ id: 70, owner: 'acme', actions: 'read' }] } },
      /422 The permissions requested are not granted/,
    ],
    [
      'where its installation is suspended',
      { bot: { installations: [{ id: 70, owner: 'acme', isSuspended: true }] } },
      /403 This installation has been suspended/,
    ],
    ['with a file that holds no key', { app: { key: () => 'canary' } }, /key is no unencrypted RSA private key/],
  ] satisfies [name: string, opening: Opening, message: RegExp][]) {
    it(name, async (t) => {
      const { client, standIn } = await open(t, opening);
      await assert.rejects(dispatch(client), (error: Error) => {
        assert.ok(error instanceof Rejected, String(error));
        assert.match(error.message, message);
        return true;
      });
      assert.equal(countOf(standIn, 'dispatch'), 0);
    });
  }

  it('while the limit of the app is used up, until GitHub says', async (t) => {
    const { client, standIn, clock } = await open(t);
    standIn.fault('createInstallationToken', { kind: '429', retryAfterSeconds: 90 });
    const notBefore = clock.now() + 90_000;
    await assert.rejects(dispatch(client), { name: 'NotSent', notBefore });
    await assert.rejects(dispatch(client), { name: 'NotSent', notBefore });
    assert.equal(countOf(standIn, 'createInstallationToken'), 1);
    clock.advance(90_000);
    await dispatch(client);
  });

  for (const kind of ['accept-then-502', 'accept-then-reset', 'html-200', 'empty-200'] as const) {
    it(`where the answer with the token is spoilt (${kind}): certainly not sent`, async (t) => {
      const { client, standIn } = await open(t);
      standIn.fault('createInstallationToken', { kind });
      await assert.rejects(dispatch(client), NotSent);
      assert.equal(countOf(standIn, 'dispatch'), 0);
      await dispatch(client);
    });
  }
});

describe("an app's secrets", () => {
  it('are in no error and no log line', async (t) => {
    const { client, standIn, clock, logged } = await open(t);
    const errors: unknown[] = [];
    const collect = (error: unknown) => void errors.push(error);
    for (const kind of ['accept-then-502', 'broken-json-200', '403-secondary'] as const) {
      standIn.fault('createInstallationToken', { kind });
      await dispatch(client).catch(collect);
      clock.advance(2 * minuteMs);
      standIn.fault('dispatch', { kind });
      await dispatch(client).catch(collect);
      clock.advance(60 * minuteMs);
    }
    assert.equal(errors.length, 6);
    const seen = [logged(), ...errors.map((error) => deepText(error))].join('\n');
    assert.doesNotMatch(seen, /ghs_/);
    assert.doesNotMatch(seen, /eyJ/);
    assert.doesNotMatch(seen, /PRIVATE KEY/);
  });
});

describe('the rate budget of an app', () => {
  it('is that of its installation, whichever token it uses', async (t) => {
    const { client, clock } = await open(t, { standIn: { requestsPerHour: 3 } });
    await dispatch(client);
    clock.advance(minuteMs);
    await dispatch(client, 'acme/web');
    await dispatch(client);
    await assert.rejects(dispatch(client), NotSent);
  });
});
