import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConnectionSettings } from '../../../src/core/connection.ts';
import { Problem } from '../../../src/core/problem.ts';
import { githubWebhook } from '../../../src/providers/github/webhook.ts';
import { runEvent, signatureOf, webhookDelivery } from '../../support/github/webhook.ts';
import { providerTools } from '../provider-tools.ts';

const secret = "It's a Secret to Everybody";

function connection(name: string, options: ConnectionSettings['options'], type = 'github'): ConnectionSettings {
  return { name, type, allow: { namespaces: ['*'] }, isDefault: false, options, place: 'aftersync.yaml:1' };
}

const github = connection('github', { webhookSecretFile: '/secret' });

/** A receiver for the connections; secrets by path. */
function receiverFor(
  connections: readonly ConnectionSettings[] = [github],
  credentials: Readonly<Record<string, string | undefined>> = { '/secret': secret, '/other': 'other' },
) {
  const tools = providerTools({ fetch: () => Promise.reject(new Error('no network here')), credentials });
  return githubWebhook({ ...tools, connections });
}

function receive(
  { body, headers }: { readonly body: string; readonly headers: Readonly<Record<string, string>> },
  receiver = receiverFor(),
) {
  return receiver.receive(headers, async () => Buffer.from(body));
}

async function codeOf(receiving: Promise<unknown>): Promise<string> {
  const error = await receiving.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Problem, `${error}`);
  return error.code;
}

describe("GitHub's webhooks", () => {
  it('are known by their signature, as GitHub documents it', async () => {
    const body = 'Hello, World!';
    const headers = {
      'x-github-event': 'ping',
      'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    };
    assert.deepEqual(await receive({ body, headers }), []);
    assert.equal(await codeOf(receive({ body: 'Hello, World?', headers })), 'bad-signature');
  });

  it('of a run raise what waits for it, by its repository in lower case', async () => {
    const delivery = webhookDelivery(secret, 'workflow_run', runEvent(17_000_000_001, 'completed', 'Acme/Shop'));
    assert.deepEqual(await receive(delivery), ['github:github/acme/shop/17000000001']);
  });

  for (const action of ['requested', 'in_progress', 'completed', 'of tomorrow']) {
    it(`may tell anything of it: ${action}`, async () => {
      assert.equal((await receive(webhookDelivery(secret, 'workflow_run', runEvent(1, action)))).length, 1);
    });
  }

  it('of anything else raise nothing', async () => {
    for (const event of ['ping', 'push', 'workflow_job', 'workflow_dispatch']) {
      assert.deepEqual(await receive(webhookDelivery(secret, event, runEvent(1))), [], event);
    }
  });

  it('raise only at connections whose secret has signed them, and at all of those', async () => {
    const receiver = receiverFor([
      connection('one', { webhookSecretFile: '/secret' }),
      connection('two', { webhookSecretFile: '/other' }),
      connection('three', { webhookSecretFile: '/secret' }),
      connection('four', {}),
      connection('five', { webhookSecretFile: '/secret' }, 'varnish'),
    ]);
    const delivery = webhookDelivery(secret, 'workflow_run', runEvent(7));
    assert.deepEqual(await receive(delivery, receiver), ['github:one/acme/shop/7', 'github:three/acme/shop/7']);
    assert.deepEqual(await receive(webhookDelivery('other', 'workflow_run', runEvent(7)), receiver), [
      'github:two/acme/shop/7',
    ]);
  });

  const good = webhookDelivery(secret, 'workflow_run', runEvent(1));
  for (const [what, signature] of [
    ['by another secret', signatureOf('guess', good.body)],
    ['for another body', signatureOf(secret, '{}')],
    ['cut short', signatureOf(secret, good.body).slice(0, -2)],
    ['of another kind', signatureOf(secret, good.body).replace('sha256', 'sha1')],
    ['that is empty', ''],
  ] as const) {
    it(`with a signature ${what} are refused`, async () => {
      const headers = { ...good.headers, 'x-hub-signature-256': signature };
      assert.equal(await codeOf(receive({ ...good, headers })), 'bad-signature');
    });
  }

  it('without a signature are refused, whatever they tell', async () => {
    for (const event of ['workflow_run', 'ping']) {
      const headers = { 'content-type': 'application/json', 'x-github-event': event };
      assert.equal(await codeOf(receive({ ...good, headers })), 'bad-signature');
    }
  });

  it('are not expected where no connection has a secret', async () => {
    const receiver = receiverFor([connection('github', {})]);
    assert.equal(await codeOf(receive(good, receiver)), 'not-found');
  });

  it('are refused unread where they have no signature, or nobody could have signed them', async () => {
    const unread = async () => assert.fail('the body was read');
    const unsigned = { ...good.headers, 'x-hub-signature-256': 'sha256=abc' };
    assert.equal(await codeOf(receiverFor().receive(unsigned, unread)), 'bad-signature');
    assert.equal(await codeOf(receiverFor([]).receive(good.headers, unread)), 'not-found');
  });

  it('are received with the secret that stands in the file now', async () => {
    const credentials = { '/secret': 'old' };
    const receiver = receiverFor([github], credentials);
    assert.equal(await codeOf(receive(good, receiver)), 'bad-signature');
    credentials['/secret'] = secret;
    assert.equal((await receive(good, receiver)).length, 1);
  });

  it('are known though the secret of another connection cannot be read', async () => {
    const receiver = receiverFor([connection('broken', { webhookSecretFile: '/gone' }), github]);
    assert.equal((await receive(good, receiver)).length, 1);
    assert.equal(await codeOf(receive(webhookDelivery('x', 'ping', {}), receiver)), 'unavailable');
  });

  it('that are no JSON, or name no run, are refused once their signature is known', async () => {
    const signed = (body: string) => ({
      body,
      headers: { 'x-github-event': 'workflow_run', 'x-hub-signature-256': signatureOf(secret, body) },
    });
    assert.equal(await codeOf(receive(signed('{'))), 'malformed-json');
    for (const body of ['[]', '{}', '{"workflow_run":{"id":"1"},"repository":{"full_name":"acme/shop"}}']) {
      assert.equal(await codeOf(receive(signed(body))), 'invalid-parameters', body);
    }
    const elsewhere = JSON.stringify(runEvent(1, 'completed', 'acme/shop/../other'));
    assert.equal(await codeOf(receive(signed(elsewhere))), 'invalid-parameters');
  });
});
