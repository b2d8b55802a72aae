import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import { isJsonObject } from '../../../src/core/json.ts';
import { appJwt } from '../../../src/providers/github/app-jwt.ts';
import { createAppKeys, shopBot } from './app-key.ts';
import { ask, dispatch, type Question } from './ask.ts';
import { flavourOf } from './flavour.ts';
import { assertDescribed, assertRefusal, openapi } from './openapi-contract.ts';
import type { RunPhase, StandInOptions } from './options.ts';
import { ROUTES, type RouteName } from './routes.ts';
import { startGitHubStandIn } from './stand-in.ts';

const repositories: StandInOptions['repositories'] = [
  {
    fullName: 'acme/shop',
    workflows: [
      {
        file: 'smoke.yml',
        name: 'Smoke',
        on: { workflow_dispatch: { inputs: { correlation: {} } }, repository_dispatch: {} },
        jobs: [
          { name: 'build', steps: ['Set up job', 'Compile'] },
          { name: 'test', steps: ['Set up job', 'Run tests', 'Clean up'], failingStep: 'Run tests' },
        ],
        artifacts: [{ name: 'outputs' }, { name: 'old', expired: true }],
      },
    ],
  },
];

/** Every state and conclusion of facts/github-actions.md, section 4, and a state of the future. */
const PHASES: readonly RunPhase[] = [
  ...['requested', 'queued', 'pending', 'waiting', 'in_progress', 'of_the_future', 'completed'].map((status) => ({
    status,
  })),
  ...['success', 'failure', 'neutral', 'cancelled', 'skipped', 'timed_out', 'action_required', 'stale'].map(
    (conclusion) => ({ status: 'completed', conclusion }),
  ),
  { status: 'completed', conclusion: 'startup_failure' },
];

const READS: readonly RouteName[] = ['getRun', 'listArtifacts', 'listJobs', 'listRuns', 'listWorkflowRuns'];

const keys = createAppKeys();
const apps = [shopBot(keys)];

for (const ghes of [undefined, '3.20', '3.21']) {
  const flavour = { repositories, apps, requestsPerHour: 5000, ...(ghes === undefined ? {} : { ghes }) };
  for (const apiVersion of [null, ...flavourOf(flavour).apiVersions]) {
    const name = `${ghes === undefined ? 'github.com' : `Enterprise Server ${ghes}`}, version header ${apiVersion}`;
    test(`every answer is one that GitHub describes: ${name}`, async () => {
      await using standIn = await startGitHubStandIn(flavour);
      const asked = new Set<RouteName>();
      const expect = async (status: number, route: RouteName, question: Question = {}) => {
        asked.add(route);
        const reply = await ask(standIn, route, { ...question, apiVersion });
        assert.equal(reply.status, status, `${route}: ${reply.text}`);
      };

      await expect(200, 'getUser');
      const token = appJwt({ appId: 7, privateKey: keys.pkcs1 }, Date.now());
      await expect(200, 'getApp', { token });
      await expect(200, 'getRepositoryInstallation', { token });
      const body = { repositories: ['shop'], permissions: { actions: 'write', metadata: 'read' } };
      await expect(201, 'createInstallationToken', { token, with: { installation_id: 70 }, body });
      await expect(200, 'rateLimit');
      await expect(200, 'getRepository');
      await expect(200, 'getWorkflow');
      await expect(200, 'listRuns');
      const details = apiVersion !== null && apiVersion > '2026';
      await expect(details ? 200 : 204, 'dispatch', { body: { ref: 'main', inputs: { correlation: 'c-1' } } });
      await expect(204, 'repositoryDispatch', { body: { event_type: 'deployed', client_payload: { tag: 'v1' } } });
      for (const phase of PHASES) {
        for (const { id } of standIn.runs) {
          standIn.setRun(id, phase);
          for (const route of READS) await expect(200, route, { with: { run_id: id } });
        }
      }
      for (const route of ['cancel', 'forceCancel'] as const) {
        const id = standIn.runs[0]?.id ?? 0;
        standIn.setRun(id, { status: 'in_progress', runAttempt: 2 });
        await expect(202, route, { with: { run_id: id } });
        await expect(200, 'getRun', { with: { run_id: id } });
      }
      assert.deepEqual([...asked].sort(), Object.keys(ROUTES).sort(), 'a route was never asked');
    });
  }
}

test('the flag return_run_details gives an answer that GitHub describes, under the old version too', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  const body = { ref: 'main', return_run_details: true };
  assert.equal((await ask(standIn, 'dispatch', { body, apiVersion: '2022-11-28' })).status, 200);
});

test('the stand-in has exactly the calls that openapi.json was cut to', () => {
  const { paths } = openapi;
  assert.ok(isJsonObject(paths));
  const described = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(isJsonObject(operations) ? operations : {}).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const offered = Object.values(ROUTES).map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(described.sort(), offered.sort());
  assert.ok(statSync(new URL('openapi.json', import.meta.url)).size <= 200_000, 'cut openapi.json smaller');
});

test('the check refuses what GitHub would not answer', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  const { body } = await ask(standIn, 'getRun', { with: { run_id: await dispatch(standIn) } });
  const path = ROUTES.getRun.path;
  const answer = (changed: object) => ({
    method: 'GET' as const,
    path,
    apiVersion: '2026-03-10',
    requestBody: undefined,
    status: 200,
    body: JSON.stringify({ ...body, ...changed }),
  });
  assertDescribed(answer({}));
  assert.throws(() => assertDescribed(answer({ id: 'one' })), /must be integer/);
  assert.throws(() => assertDescribed(answer({ inputs: {} })), /must NOT have additional properties/);
  assert.throws(() => assertDescribed(answer({ html_url: undefined })), /must have required property 'html_url'/);
  assert.throws(() => assertDescribed(answer({ created_at: 'today' })), /must match format/);
  assert.throws(() => assertDescribed({ ...answer({}), status: 201 }), /describes no 201/);

  const limits = { ...answer({}), path: ROUTES.rateLimit.path, body: (await ask(standIn, 'rateLimit')).text };
  assertDescribed(limits);
  assert.throws(() => assertDescribed({ ...limits, apiVersion: '2022-11-28' }), /required property 'rate'/);

  const dispatched = { ...answer({}), method: 'POST' as const, path: ROUTES.dispatch.path, status: 204, body: '' };
  const old = { ...dispatched, apiVersion: '2022-11-28' };
  assertDescribed({ ...old, requestBody: '{"ref":"main"}' });
  assert.throws(() => assertDescribed({ ...old, requestBody: '{}' }), /required property 'ref'/);
  assert.throws(() => assertDescribed({ ...dispatched, requestBody: '{"ref":"main"}' }), /describes no 204/);

  assert.throws(() => assertRefusal(404, '{"message":"Not Found"}'));
});
