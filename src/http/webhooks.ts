import { Type } from '@sinclair/typebox';
import { limits } from '../core/limits.ts';
import type { WebhookReceiver } from '../core/webhook.ts';
import type { Engine } from '../engine/engine.ts';
import { readJsonBytes } from './body.ts';
import { BodyBudget } from './body-budget.ts';
import type { Handler, Handlers } from './handlers.ts';
import { writeHead } from './write-head.ts';

/** Below it stand the webhooks' paths, which a listener of their own may serve alone. */
export const hooksPath = '/v1/hooks/';

/** Who receives what, by the last part of its path. */
export interface WebhookReceivers {
  readonly github: WebhookReceiver;
}

export const WebhookEventSchema = Type.Object({}, { description: 'As its sender describes it.' });

/** What providers send. Their signature is the proof, and all that it brings about is a look at what really is. */
export function webhookHandlers({
  engine,
  webhooks,
}: {
  readonly engine: Engine;
  readonly webhooks: WebhookReceivers;
}): Pick<Handlers, 'receiveGitHubWebhook'> {
  const budget = new BodyBudget(limits.webhooksBytes);
  const receiveWith =
    (receiver: WebhookReceiver): Handler =>
    async ({ req, res }) => {
      const signals = await budget.share((take) =>
        receiver.receive(req.headers, () => readJsonBytes(req, { mostBytes: limits.webhookBytes, take })),
      );
      await engine.wake(signals);
      writeHead(res, 204, {});
      res.end();
    };
  return { receiveGitHubWebhook: receiveWith(webhooks.github) };
}
