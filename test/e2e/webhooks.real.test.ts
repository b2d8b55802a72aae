import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { STAND_IN_TOKEN } from '../support/github/options.ts';
import { startGitHubStandIn } from '../support/github/stand-in.ts';
import { runEvent, webhookDelivery } from '../support/github/webhook.ts';
import { RealServer } from './real-server.ts';

const webhookSecret = 'between GitHub and us';

test('a step goes on with the webhook of its run, which comes in where nothing else does', async (t) => {
  await using gitHub = await startGitHubStandIn({
    repositories: [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml' }] }],
  });
  const server = await RealServer.inFolder(t, {
    'github-token': STAND_IN_TOKEN,
    'webhook-secret': `${webhookSecret}\n`,
    'aftersync.yaml': `server: { address: "127.0.0.1:0", hooksAddress: "127.0.0.1:0" }
store: { path: ./store.db }
connections:
  - name: github
    type: github
    baseUrl: ${gitHub.url}
    auth: { tokenFile: ./github-token }
    webhookSecretFile: ./webhook-secret
    pollInterval: 1h
`,
  });
  await server.start();
  const hooksUrl = await eventually(
    async () => /^webhooks are received at (\S+)\n/m.exec(server.written)?.[1],
    (url) => url !== undefined,
  );
  await server.call('PUT', '/v1/executions/smoke', {
    body: { step: 'trigger-github-action', with: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' } },
  });
  const { json: waiting } = await eventually(
    () => server.call('GET', '/v1/executions/smoke'),
    ({ json }) => String(json.message).startsWith('the run is queued'),
  );
  const { runId } = waiting.outputs as { readonly runId: number };
  gitHub.setRun(runId, { status: 'completed', conclusion: 'success' });

  const delivery = webhookDelivery(webhookSecret, 'workflow_run', runEvent(runId));
  const ended = server.call('GET', '/v1/executions/smoke?wait=60s');
  const heard = await fetch(`${hooksUrl}/v1/hooks/github`, { method: 'POST', ...delivery });
  assert.equal(heard.status, 204);
  assert.equal((await ended).json.state, 'succeeded');
  assert.equal((await fetch(`${hooksUrl}/v1/executions/smoke`)).status, 404);
  assert.equal(await server.stop('SIGTERM'), 0);
});
