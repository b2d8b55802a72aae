import { createHmac } from 'node:crypto';
import type { JsonObject } from '../../../src/core/json.ts';

/** A webhook as GitHub sends it: its bytes, and the headers that tell what it is and who has sent it. */
export function webhookDelivery(secret: string, event: string, payload: JsonObject) {
  const body = JSON.stringify(payload);
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'GitHub-Hookshot/044aadd',
    'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
    'x-github-event': event,
    'x-hub-signature-256': signatureOf(secret, body),
  };
  return { body, headers };
}

export function signatureOf(secret: string, body: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

/** What is read of the event; GitHub's own has 30 KiB. */
export function runEvent(runId: number, action = 'completed', repository = 'acme/shop'): JsonObject {
  return { action, workflow_run: { id: runId, run_attempt: 1 }, repository: { id: 1, full_name: repository } };
}
