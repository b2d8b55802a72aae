import { defineStep, type Outcome } from '../core/step.ts';
import { lastDetail, observe, type Wish } from './read-object/observe.ts';
import { absent, found, type Outputs, OutputsSchema } from './read-object/outputs.ts';
import { defaults, mistakesIn, type Params, ParamsSchema } from './read-object/params.ts';
import { clusterUse } from './read-object/policy.ts';

export const readObject = defineStep({
  name: 'read-object',
  description: 'Reads a Kubernetes object, once it is as it should be, and hands it or fields of it on.',
  params: ParamsSchema,
  outputs: OutputsSchema,
  defaultTimeout: '10m',
  authority: ['/apiVersion', '/kind', '/namespace', '/cluster', '/connection'],

  check: mistakesIn,

  uses: ({ connection }) => [clusterUse(connection)],

  async advance(context, params): Promise<Outcome<Outputs>> {
    const wish = toWish(params);
    if (context.stop !== undefined) {
      const { reason, message } = context.stop;
      return { kind: 'failed', reason, message: message + (await lastDetail(context, wish)) };
    }
    const observed = await observe(context, wish);
    if ('outcome' in observed) return observed.outcome;
    if ('absent' in observed) return absent(params.select, observed.absent);
    return found(observed.object, params.select, observed.words);
  },
});

function toWish({ kind = defaults.kind, waitFor, missing, ...params }: Params): Wish {
  const { select: _, connection: __, ...object } = params;
  return {
    object: { ...object, kind },
    firstApiVersion: defaults.apiVersion,
    waitFor: waitFor ?? 'exists',
    missing: missing ?? (waitFor === undefined ? 'fail' : 'wait'),
  };
}
