import { createHmac, timingSafeEqual } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import type { ConnectionSettings, Credential } from '../../core/connection.ts';
import { Problem } from '../../core/problem.ts';
import { fits } from '../../core/schema.ts';
import type { WebhookReceiver } from '../../core/webhook.ts';
import { githubType, runSignal } from './run-signal.ts';

const RunEventSchema = Type.Object({
  workflow_run: Type.Object({ id: Type.Integer() }),
  repository: Type.Object({ full_name: Type.String({ pattern: '^[^/]+/[^/]+$' }) }),
});

interface Sender {
  readonly connectionName: string;
  readonly secret: Credential;
}

/**
 * Receives GitHub's webhooks. A signature by the secret of a connection wakes what waits at that connection and no other.
 * Source: docs.github.com, "Validating webhook deliveries"; facts/github-actions.md, section 7.
 */
export function githubWebhook({
  connections,
  credential,
}: {
  readonly connections: readonly ConnectionSettings[];
  credential(path: string): Credential;
}): WebhookReceiver {
  const senders: Sender[] = [];
  for (const { name, type, options } of connections) {
    const { webhookSecretFile: path } = options;
    if (type === githubType && typeof path === 'string') {
      senders.push({ connectionName: name, secret: credential(path) });
    }
  }
  return {
    async receive(headers, readBody) {
      if (senders.length === 0) throw new Problem('not-found', 'no connection of type github has a webhookSecretFile');
      const signature = requireSignature(headers['x-hub-signature-256']);
      const body = await readBody();
      const signers = await signersOf(senders, signature, body);
      // A ping, or something else that the hook was set up to tell.
      if (headers['x-github-event'] !== 'workflow_run') return [];
      const event = parse(body);
      if (!fits(RunEventSchema, event)) throw new Problem('invalid-parameters', 'the event names no run of a workflow');
      const place = { repository: event.repository.full_name, runId: event.workflow_run.id };
      return signers.map(({ connectionName }) => runSignal(connectionName, place));
    },
  };
}

function requireSignature(header: string | string[] | undefined): Buffer {
  const hex = typeof header === 'string' ? /^sha256=([0-9a-f]{64})$/i.exec(header)?.[1] : undefined;
  if (hex === undefined) throw new Problem('bad-signature', 'X-Hub-Signature-256 is missing, or is no sha256');
  return Buffer.from(hex, 'hex');
}

/** Throws unless there is one. A secret that cannot be read keeps none of the others from being recognised. */
async function signersOf(senders: readonly Sender[], signature: Buffer, body: Buffer): Promise<readonly Sender[]> {
  const tries = await Promise.allSettled(
    senders.map(async ({ secret }) => {
      const signed = createHmac('sha256', await secret.read())
        .update(body)
        .digest();
      return timingSafeEqual(signed, signature);
    }),
  );
  const signers = senders.filter((_sender, index) => {
    const result = tries[index];
    return result?.status === 'fulfilled' && result.value;
  });
  if (signers.length > 0) return signers;
  const failed = tries.find((result) => result.status === 'rejected');
  if (failed === undefined) throw new Problem('bad-signature', 'no configured secret has signed this body');
  throw new Problem('unavailable', 'a webhook secret cannot be read', { cause: failed.reason });
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    throw new Problem('malformed-json', 'the body is not JSON', { cause });
  }
}
