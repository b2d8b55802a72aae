import type { ObjectName } from '../../core/awaited-object.ts';
import type { ChangeGate, OnChange, Seen } from '../../core/change-gate.ts';
import type { Json } from '../../core/json.ts';
import type { InputMistake } from '../../core/problem.ts';
import type { GateContext } from '../../core/ready-gate.ts';
import type { KubernetesClient } from '../../providers/kubernetes/kubernetes-client.ts';
import { objectWords } from '../../providers/kubernetes/resource-type.ts';
import { accountOf, readApplication } from './application.ts';
import { seeComponent } from './component.ts';
import { mistakesInPath } from './observe.ts';
import { findPlace, kindGraceMs, type Unmet } from './place.ts';
import { assertAllowed, clusterUse } from './policy.ts';
import { seenOf } from './seen-object.ts';

const choices = ['object', 'component', 'key'] as const;

/** `onChange` by the means of read-object, but without a watch: what there is to see is asked of the cluster once. */
export const changeGate: ChangeGate = {
  check: (onChange) => [...mistakesInChoice(onChange), ...mistakesInFields(onChange)],

  uses: ({ key, connection }) => (key === undefined ? [clusterUse(connection)] : []),

  async look(context, { object, fields, component, key = null }) {
    const client = () => context.connection<KubernetesClient>('kubernetes');
    if (object !== undefined) return lookOf(await seeObject(context, object, { fields, client: await client() }));
    if (component !== undefined) return lookOf(await seeComponent(context, component, await client()));
    return { seen: { evidence: key as Json, value: key as Json } };
  },
};

async function seeObject(
  context: GateContext,
  name: ObjectName,
  { client, fields }: { readonly client: KubernetesClient; readonly fields: readonly string[] | undefined },
): Promise<{ readonly seen: Seen } | Unmet> {
  const place = await findPlace(context, name, { client, graceMs: kindGraceMs });
  if ('outcome' in place) return place;
  await assertAllowed(context, place);
  const account = accountOf(context, await readApplication(context, client), client);
  const object = await client.read(place, context.readsAborted, account);
  if (object !== undefined) return { seen: seenOf(place, object, fields) };
  const message = `${objectWords(place)}, which onChange names, does not exist: place this step after the one that applies it`;
  return { outcome: { kind: 'failed', reason: 'NotFound', message } };
}

function lookOf(looked: { readonly seen: Seen } | Unmet) {
  return 'seen' in looked ? looked : looked.outcome;
}

function mistakesInChoice(onChange: OnChange): InputMistake[] {
  const [first, ...others] = choices.filter((choice) => onChange[choice] !== undefined);
  if (first === undefined) return [{ path: '', message: `expected one of ${choices.join(', ')}` }];
  return others.map((choice) => ({ path: `/${choice}`, message: `is one too many: there is ${first} already` }));
}

function mistakesInFields({ object, fields = [] }: OnChange): InputMistake[] {
  if (object === undefined && fields.length > 0)
    return [{ path: '/fields', message: 'are fields of object, which is missing' }];
  return fields.flatMap((path, index) => mistakesInPath(`/fields/${index}`, path));
}
