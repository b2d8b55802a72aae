import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { toRunPlace } from '../../../src/providers/github/run-signal.ts';
import type { RunPlace } from '../../../src/providers/github/workflow-runs.ts';
import type { Fault } from '../../support/github/faults.ts';
import { STAND_IN_TOKEN } from '../../support/github/options.ts';
import { neverAborted, type OpenGitHub, type OpenOptions, openGitHub } from './open-github.ts';
import { runAnswer, runListAnswer } from './run-answer.ts';

const secondMs = 1_000;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const goingOn = [{ status: 'in_progress' }];
const standIn = {
  repositories: ['acme/shop', 'acme/blog'].map((fullName) => ({
    fullName,
    workflows: [{ file: 'smoke.yml', plan: goingOn }],
  })),
};

function routesOf(asked: readonly { readonly route: string | undefined; readonly outcome: unknown }[]): string[] {
  return asked.map(({ route, outcome }) => `${route} ${outcome}`);
}

/** A GitHub with runs, whoever waits for them, and time that passes as fast as its answers come. */
async function open(test: TestContext, options: OpenOptions = {}) {
  const github = await openGitHub(test, { ...options, standIn: { ...standIn, ...options.standIn } });
  const { clock, client, signals } = github;
  let seen = 0;

  return {
    ...github,
    async start(repository = 'acme/shop'): Promise<RunPlace> {
      const { runId } = await client.workflows.dispatch(
        { repository, workflow: 'smoke.yml', ref: 'main', inputs: {} },
        10_000,
      );
      return { repository, runId };
    },
    /** Counts how often it is raised; each raise is a time. */
    watch(place: RunPlace) {
      const raised: number[] = [];
      const release = client.watches.subscribe(place, () => raised.push(clock.now()));
      return { raised, release };
    },
    async pass(spanMs: number): Promise<void> {
      const until = clock.now() + spanMs;
      while (clock.now() < until) {
        clock.advanceToNext(until);
        await signals.settled();
      }
    },
    end: (place: RunPlace) => github.standIn.setRun(place.runId, { status: 'completed', conclusion: 'success' }),
    /** What was asked since the last call of this. */
    asked(): { readonly route: string | undefined; readonly outcome: unknown; readonly at: number }[] {
      const requests = github.standIn.requests.slice(seen);
      seen = github.standIn.requests.length;
      return requests.map(({ route, outcome, at }) => ({ route, outcome, at }));
    },
  };
}

/** The list as GitHub gives it now. */
async function listed({ standIn: { url } }: OpenGitHub): Promise<string> {
  const headers = { authorization: `Bearer ${STAND_IN_TOKEN}`, 'x-github-api-version': '2026-03-10' };
  return await (await fetch(`${url}/repos/acme/shop/actions/runs`, { headers })).text();
}

describe('the runs of a repository', () => {
  it('cost one request for each interval however many they are, which is free while nothing changes', async (t) => {
    const github = await open(t);
    const places = await Promise.all(Array.from({ length: 20 }, () => github.start()));
    const watched = places.map((place) => github.watch(place));
    await github.pass(5 * secondMs);
    github.asked();
    await github.pass(50 * secondMs);
    assert.deepEqual(routesOf(github.asked()), Array(10).fill('listRuns 304'));
    assert.ok(watched.every(({ raised }) => raised.length === 1));
  });

  it('that are one run are that run', async (t) => {
    const github = await open(t);
    const { raised } = github.watch(await github.start());
    github.asked();
    await github.pass(15 * secondMs);
    assert.deepEqual(routesOf(github.asked()), ['getRun 200', 'getRun 304', 'getRun 304']);
    assert.equal(raised.length, 1);
  });

  it('are looked at every 5 s in the first minute, then every 15 s, and every 45 s after ten minutes', async (t) => {
    const github = await open(t);
    const place = await github.start();
    const startedAt = github.clock.now();
    github.asked();
    github.watch(place);
    await github.pass(20 * minuteMs);
    const times = github.asked().map(({ at }) => at - startedAt);
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    assert.deepEqual([...new Set(gaps)], [5_000, 15_000, 45_000]);
    assert.equal(times.filter((time) => time <= minuteMs).length, 12);
    assert.equal(times.filter((time) => time > minuteMs && time <= 10 * minuteMs).length, 36);
  });

  for (const year of [2020, 2040]) {
    it(`are looked at so by our own clock, also where that of GitHub is in ${year}`, async (t) => {
      const askedAt: number[] = [];
      const github = await open(t, {
        instead: () => {
          askedAt.push(github.clock.now());
          return runAnswer({ created_at: `${year}-01-01T00:00:00Z` });
        },
      });
      github.watch({ repository: 'acme/shop', runId: 1 });
      await github.pass(20 * minuteMs);
      const gaps = askedAt.slice(1).map((time, index) => time - (askedAt[index] ?? 0));
      assert.deepEqual([...new Set(gaps)], [5_000, 15_000, 45_000]);
    });
  }

  it('are looked at as often as the one that was waited for last wants it', async (t) => {
    const github = await open(t);
    github.watch(await github.start());
    await github.pass(hourMs);
    github.watch(await github.start());
    await github.pass(10 * secondMs);
    github.asked();
    await github.pass(45 * secondMs);
    assert.equal(github.asked().length, 9);
  });

  it('of each repository have a request of their own', async (t) => {
    const github = await open(t);
    for (const repository of ['acme/shop', 'acme/blog']) github.watch(await github.start(repository));
    github.asked();
    await github.pass(5 * secondMs);
    assert.deepEqual(routesOf(github.asked()), ['getRun 200', 'getRun 200']);
  });

  it('raise who waits once from the first look after each subscription, though nothing has changed', async (t) => {
    const github = await open(t);
    const place = await github.start();
    const first = github.watch(place);
    await github.pass(minuteMs);
    const second = github.watch(place);
    await github.pass(minuteMs);
    assert.equal(first.raised.length, 1);
    assert.equal(second.raised.length, 1);
  });

  it('raise those that end, in the same interval, and no others', async (t) => {
    const github = await open(t);
    const places = await Promise.all([github.start(), github.start(), github.start()]);
    const watched = places.map((place) => github.watch(place));
    await github.pass(20 * secondMs);
    for (const place of places.slice(1)) github.end(place);
    const endedAt = github.clock.now();
    await github.pass(5 * secondMs);
    assert.deepEqual(
      watched.map(({ raised }) => raised.slice(1)),
      [[], [endedAt + 5_000], [endedAt + 5_000]],
    );
  });

  it('that have ended raise with each look who still waits, for he may have read what was outdated', async (t) => {
    const github = await open(t);
    const [one, other] = [await github.start(), await github.start()];
    const watched = [github.watch(one), github.watch(other)];
    await github.pass(5 * secondMs);
    github.end(one);
    await github.pass(15 * secondMs);
    assert.deepEqual(
      watched.map(({ raised }) => raised.length),
      [4, 1],
    );
  });

  it('raise also when somebody starts one again', async (t) => {
    const github = await open(t);
    const place = await github.start();
    const { raised } = github.watch(place);
    await github.pass(5 * secondMs);
    github.standIn.setRun(place.runId, { runAttempt: 2 });
    await github.pass(5 * secondMs);
    assert.equal(raised.length, 2);
  });

  it('that stand on later pages of the list are found there, where they are many', async (t) => {
    const github = await open(t);
    const places: RunPlace[] = [];
    for (let count = 0; count < 210; count++) places.push(await github.start());
    const watched = places.slice(0, 106).map((place) => github.watch(place));
    github.asked();
    await github.pass(5 * secondMs);
    assert.deepEqual(routesOf(github.asked()), Array(3).fill('listRuns 200'));
    assert.ok(watched.every(({ raised }) => raised.length === 1));
    for (const { release } of watched.slice(4)) release();
    await github.pass(5 * secondMs);
    assert.deepEqual(routesOf(github.asked()), ['listRuns 304', ...Array(4).fill('getRun 200')]);
  });

  it('that the list does not show are read by themselves', async (t) => {
    const github = await open(t);
    const [listed, lost] = [await github.start(), await github.start()];
    github.standIn.setRun(lost.runId, { listed: false });
    const watched = [listed, lost].map((place) => github.watch(place));
    await github.pass(5 * secondMs);
    github.asked();
    github.end(lost);
    await github.pass(5 * secondMs);
    assert.deepEqual(routesOf(github.asked()), ['listRuns 304', 'getRun 200']);
    assert.deepEqual(
      watched.map(({ raised }) => raised.length),
      [1, 2],
    );
  });

  it('that the list does not show yet are read a few at a time, each in its turn', async (t) => {
    const github = await open(t, { standIn: { listLagMs: hourMs } });
    const places = await Promise.all(Array.from({ length: 12 }, () => github.start()));
    const watched = places.map((place) => github.watch(place));
    github.asked();
    await github.pass(5 * secondMs);
    assert.deepEqual(routesOf(github.asked()), ['listRuns 200', ...Array(5).fill('getRun 200')]);
    await github.pass(10 * secondMs);
    assert.ok(watched.every(({ raised }) => raised.length === 1));
  });

  it('that stand in a list beside something that is no run are found there all the same', async (t) => {
    const pages: (string | null)[] = [];
    const unreadable = { html_url: null };
    const github = await open(t, {
      instead: ({ url }) => {
        const page = new URL(url).searchParams.get('page');
        pages.push(page);
        const older = Array.from({ length: 99 }, (_unused, i) => ({ id: 200 + i }));
        return runListAnswer(page === '1' ? [unreadable, ...older] : [1, 2, 3, 4, 5, 6].map((id) => ({ id })));
      },
    });
    const watched = [1, 2, 3, 4, 5, 6].map((runId) => github.watch({ repository: 'acme/shop', runId }));
    await github.pass(5 * secondMs);
    assert.deepEqual(pages, ['1', '2'], 'a page of a hundred is not the last, whatever stands in it');
    assert.ok(watched.every(({ raised }) => raised.length === 1));
  });

  it('are looked at for nothing while nothing changes, in however many repositories', async (t) => {
    const asked: boolean[] = [];
    const github = await open(t, {
      instead: ({ headers }) => {
        const isKnown = headers?.['if-none-match'] === '"same"';
        asked.push(isKnown);
        if (isKnown) return { status: 304, headers: { etag: '"same"' }, text: '' };
        return runListAnswer([{ id: 1 }, { id: 2 }], { etag: '"same"' });
      },
    });
    for (let count = 0; count < 101; count += 1) {
      for (const runId of [1, 2]) github.watch({ repository: `acme/r${count}`, runId });
    }
    await github.pass(5 * secondMs);
    assert.deepEqual(asked, Array(101).fill(false));
    asked.length = 0;
    await github.pass(45 * secondMs);
    assert.ok(asked.length >= 101);
    assert.ok(asked.every((isKnown) => isKnown));
  });

  it('are not raised by a list that shows one as it was before it was read by itself', async (t) => {
    let outdated: string | undefined;
    const github = await open(t, {
      instead: ({ url }) =>
        outdated !== undefined && String(url).includes('/actions/runs?')
          ? { status: 200, headers: { 'content-type': 'application/json' }, text: outdated }
          : undefined,
    });
    const [place, other] = [await github.start(), await github.start()];
    const { raised } = github.watch(place);
    github.watch(other);
    await github.pass(5 * secondMs);
    const seen = await listed(github);
    github.standIn.setRun(place.runId, { status: 'waiting', listed: false });
    await github.pass(5 * secondMs);
    assert.equal(raised.length, 2);
    outdated = seen;
    await github.pass(20 * secondMs);
    outdated = undefined;
    github.standIn.setRun(place.runId, { listed: true });
    await github.pass(5 * secondMs);
    assert.equal(raised.length, 2);
  });

  it('cost nothing any more when nobody waits', async (t) => {
    const github = await open(t);
    const watched = [github.watch(await github.start()), github.watch(await github.start())];
    await github.pass(5 * secondMs);
    for (const { release } of watched) release();
    assert.equal(github.client.watches.size, 0);
    github.asked();
    await github.pass(hourMs);
    assert.deepEqual(github.asked(), []);
  });

  it('are known by their names in any case', async (t) => {
    const github = await open(t);
    const { runId } = await github.start();
    const signal = github.client.signalOf({ repository: 'Acme/Shop', runId });
    assert.equal(signal, `github:test/acme/shop/${runId}`);
    assert.deepEqual(toRunPlace(`acme/shop/${runId}`), { repository: 'acme/shop', runId });
  });

  it("are nobody else's as long as somebody waits for them, also before he has advanced", async (t) => {
    const github = await open(t);
    const place = await github.start();
    const client = github.reopen();
    client.watch(place, () => {});
    assert.equal(client.ledger.isOfAnother(place.runId, 'default/e1'), true);
    client.ledger.bind(place.runId, 'default/e1');
    client.watch(place, () => {});
    assert.equal(client.ledger.isOfAnother(place.runId, 'default/e1'), false);
  });
});

describe('a look that fails', () => {
  for (const kind of ['500', 'reset-before', 'html-200', 'broken-json-200'] as const) {
    it(`is repeated ever more seldom (${kind}), and raises nobody`, async (t) => {
      const github = await open(t);
      const place = await github.start();
      const startedAt = github.clock.now();
      github.asked();
      const { raised } = github.watch(place);
      github.standIn.fault('getRun', { kind, times: 5 } as Fault);
      await github.pass(4 * minuteMs);
      const times = github.asked().map(({ at }) => (at - startedAt) / 1_000);
      assert.deepEqual(times.slice(0, 6), [5, 15, 35, 75, 135, 195]);
      assert.deepEqual(raised, [startedAt + 195_000]);
      assert.match(github.logged(), /could not be looked at/);
    });
  }

  for (const [kind, route, count] of [
    ['401', 'getRun', 1],
    ['403-permission', 'getRun', 1],
    ['404', 'getRun', 1],
    ['403-permission', 'listRuns', 2],
  ] as const) {
    it(`for good (${kind} of ${route}) raises who waits, who then reads it`, async (t) => {
      const answer = { status: Number.parseInt(kind, 10), headers: {}, text: '{"message":"no"}' };
      const path = route === 'getRun' ? /\/runs\/\d+\?/ : /\/actions\/runs\?/;
      let isRefused = false;
      const github = await open(t, {
        instead: ({ url }) => (isRefused && path.test(String(url)) ? answer : undefined),
      });
      const watched = [];
      for (let i = 0; i < count; i += 1) watched.push(github.watch(await github.start()));
      await github.pass(5 * secondMs);
      isRefused = true;
      await github.pass(5 * secondMs);
      assert.deepEqual(
        watched.map(({ raised }) => raised.length),
        Array(count).fill(2),
      );
    });
  }

  it('for a rate limit is not repeated before the time that GitHub gives', async (t) => {
    const github = await open(t);
    github.watch(await github.start());
    await github.pass(5 * secondMs);
    github.standIn.fault('getRun', { kind: '429', retryAfterSeconds: 300 });
    await github.pass(5 * secondMs);
    github.asked();
    await github.pass(299 * secondMs);
    assert.deepEqual(github.asked(), []);
    await github.pass(secondMs);
    assert.deepEqual(routesOf(github.asked()), ['getRun 304']);
  });

  it('at one run does not keep others from their turn', async (t) => {
    const broken: { runId?: number } = {};
    const github = await open(t, {
      standIn: { listLagMs: hourMs },
      instead: ({ url }) =>
        String(url).includes(`/runs/${broken.runId}?`) ? { status: 500, headers: {}, text: '' } : undefined,
    });
    const [first, second] = [await github.start(), await github.start()];
    broken.runId = first.runId;
    github.watch(first);
    const { raised } = github.watch(second);
    await github.pass(minuteMs);
    assert.equal(raised.length, 1);
  });
});

it('a budget that runs low is left to others: looks become seldom', async (t) => {
  const github = await open(t, { standIn: { requestsPerHour: 100 } });
  const place = await github.start();
  for (let i = 0; i < 85; i += 1) await github.client.runs.failedJobs(place, neverAborted);
  github.asked();
  github.watch(place);
  await github.pass(minuteMs);
  assert.equal(github.asked().length, 6);
});

it('many repositories are looked at a few at a time', async (t) => {
  const names = Array.from({ length: 30 }, (_unused, i) => `acme/r${i}`);
  let underWay = 0;
  let most = 0;
  const github = await open(t, {
    instead: () => {
      underWay += 1;
      most = Math.max(most, underWay);
      void setImmediate(() => (underWay -= 1));
      return undefined;
    },
  });
  for (const repository of names) github.client.watches.subscribe({ repository, runId: 1 }, () => {});
  await github.pass(5 * secondMs);
  assert.equal(github.asked().length, 30);
  assert.ok(most <= 8, `${most} at once`);
});

describe('where webhooks come', () => {
  it('who waits is raised at once, and the repository is looked at every 2 minutes', async (t) => {
    const github = await open(t);
    const place = await github.start();
    const { raised } = github.watch(place);
    await github.pass(5 * secondMs);
    github.client.watches.wake(place);
    assert.deepEqual(raised.slice(1), [github.clock.now()]);
    github.asked();
    await github.pass(5 * secondMs);
    assert.deepEqual(routesOf(github.asked()), ['getRun 304'], 'GitHub may tell by webhook what it does not show yet');
    await github.pass(20 * minuteMs);
    assert.equal(github.asked().length, 10);
  });

  it('a run that nobody has seen yet is looked at all the same', async (t) => {
    const github = await open(t);
    const place = await github.start();
    github.client.watches.wake(place);
    await github.pass(minuteMs);
    const { raised } = github.watch(place);
    github.standIn.fault('getRun', { kind: '500' });
    await github.pass(15 * secondMs);
    assert.equal(raised.length, 1);
  });

  for (const lookSeconds of [0, 8]) {
    it(`what one tells during a look of ${lookSeconds} s is looked for once more`, async (t) => {
      let onLook = () => {};
      const github = await open(t, {
        instead: ({ method }) => {
          if (method === 'GET') onLook();
          return undefined;
        },
      });
      const place = await github.start();
      github.watch(place);
      await github.pass(5 * secondMs);
      onLook = () => {
        github.client.watches.wake(place);
        github.clock.advance(lookSeconds * secondMs);
      };
      await github.pass(5 * secondMs);
      onLook = () => {};
      github.asked();
      await github.pass(5 * secondMs);
      assert.equal(github.asked().length, 1);
      await github.pass(minuteMs);
      assert.deepEqual(github.asked(), []);
    });
  }

  it('those of runs that nobody waits for cost no look', async (t) => {
    const github = await open(t);
    const place = await github.start();
    github.watch(place);
    await github.pass(5 * secondMs);
    github.client.watches.wake(place);
    await github.pass(5 * secondMs);
    github.asked();
    for (let count = 0; count < 60; count += 1) {
      github.client.watches.wake({ ...place, runId: 1 });
      await github.pass(2 * secondMs);
    }
    assert.equal(github.asked().length, 1);
  });

  it('it is looked at as before when none has come for a day', async (t) => {
    const github = await open(t);
    const place = await github.start();
    github.client.watches.wake(place);
    github.watch(place);
    await github.pass(24 * hourMs + 2 * minuteMs);
    github.asked();
    await github.pass(15 * minuteMs);
    assert.equal(github.asked().length, 20);
  });

  it('that of another repository or run wakes nobody', async (t) => {
    const github = await open(t);
    const place = await github.start();
    const { raised } = github.watch(place);
    await github.pass(5 * secondMs);
    github.client.watches.wake({ ...place, runId: 1 });
    github.client.watches.wake({ ...place, repository: 'acme/blog' });
    assert.equal(raised.length, 1);
  });
});
