import { Rejected } from '../core/effect.ts';
import { digestOf } from '../core/json.ts';
import { defineStep, type Plan } from '../core/step.ts';
import type { CdnClient, PurgeWork } from '../providers/cdn/cdn-client.ts';
import { kindsInWords, purgeKinds } from '../providers/cdn/provider.ts';
import { hostOf } from '../providers/cdn/purge-item.ts';
import {
  isSoft,
  itemsOf,
  mistakesIn,
  OutputsSchema,
  type Params,
  ParamsSchema,
  totalOf,
  workOf,
} from './purge-cdn/params.ts';
import { effectName, Report } from './purge-cdn/report.ts';

export const purgeCdn = defineStep({
  name: 'purge-cdn',
  description: 'Purges a CDN or cache by URL, tag, prefix or host, in the largest calls that the provider takes.',
  params: ParamsSchema,
  outputs: OutputsSchema,
  defaultTimeout: '15m',
  authority: ['/connection'],

  check: mistakesIn,

  uses(params) {
    const work = workOf(params);
    const hosts = work.flatMap(({ kind, items }) => items.flatMap((item) => hostOf(kind, item) ?? []));
    const claims = { kinds: work.map(({ kind }) => kind), hosts: [...new Set(hosts)] };
    return [{ family: 'cdn', ...(params.connection === undefined ? {} : { name: params.connection }), claims }];
  },

  async advance(context, params) {
    const work = workOf(params);
    const report = new Report(params, work);
    if (context.stop !== undefined) return report.stopped(context, context.stop);
    const client = await context.connection<CdnClient>('cdn');
    report.provider = client.type;
    assertCan(client, params, work);

    for (const { kind, items } of work) {
      const batches = { batchSize: client.batchSize(kind, items), concurrency: client.concurrency };
      const settled = await context.progress(
        effectName(kind),
        { count: items.length, digest: digestOf({ kind, items, soft: isSoft(params) }), ...batches },
        async ({ start, end }) => {
          const call = { kind, items: items.slice(start, end), soft: isSoft(params) };
          const purged = await client.purge(call, context.execution);
          const failed = purged.failed.map(({ index, message }) => ({ index: start + index, message }));
          return purged.receipts.length === 0 ? { failed } : { failed, receipt: purged.receipts };
        },
      );
      if ('stop' in settled) return report.interrupted(settled.stop);
      report.add(kind, settled.done);
    }

    if (typeof client.effect === 'function' && params.waitFor !== 'accepted') {
      const state = await client.effect(report.receipts());
      if ('askAgainAt' in state) {
        const message = `waiting until the purge takes effect at ${client.type}`;
        return { kind: 'waiting', message, until: state.askAgainAt, outputs: report.outputs() };
      }
    }
    return report.finished();
  },

  async plan(context, params): Promise<Plan> {
    const work = workOf(params);
    const client = await context.connection<CdnClient>('cdn');
    assertCan(client, params, work);
    const { calls, seconds, costUsd } = client.estimate(work, isSoft(params));
    return {
      calls: calls.map(({ kind, ...call }) => ({
        description: `${isSoft(params) ? 'soft purge' : 'purge'} ${kind}`,
        ...call,
      })),
      seconds,
      ...(costUsd === undefined ? {} : { costUsd }),
      notes: notesOn(client, params, work),
    };
  },
});

/** Refuses before anything is sent: another kind than was asked for would purge too much, or not the right thing. */
function assertCan(client: CdnClient, params: Params, work: readonly PurgeWork[]): void {
  const unable = work.filter(
    ({ kind }) => client.kinds[kind] === undefined || (isSoft(params) && !client.kinds[kind].soft),
  );
  if (unable.length > 0) {
    const wanted = unable.map(({ kind }) => kind).join(', ');
    const how = isSoft(params) ? 'softly purge' : 'purge';
    throw new Rejected(
      'Rejected',
      `${client.type} cannot ${how} ${wanted}; it can purge ${kindsInWords(client.kinds)}`,
    );
  }
  if (params.waitFor === 'effective' && client.effect === 'unknown') {
    throw new Rejected('Rejected', `${client.type} cannot tell when a purge has taken effect; use waitFor: accepted`);
  }
}

function notesOn(client: CdnClient, params: Params, work: readonly PurgeWork[]): string[] {
  const notes: string[] = [];
  const given = purgeKinds.reduce((sum, kind) => sum + itemsOf(params, kind).length, 0);
  const doubles = given - totalOf(work);
  if (doubles > 0) notes.push(`doubled items, each sent once: ${doubles}`);
  if (client.effect === 'at-once') notes.push('takes effect at once');
  if (client.effect === 'unknown') notes.push(`${client.type} cannot tell when a purge has taken effect`);
  return notes;
}
