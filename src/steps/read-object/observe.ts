import { type ObjectName, ownCluster, type WaitFor } from '../../core/awaited-object.ts';
import { isJsonObject, type Json } from '../../core/json.ts';
import type { InputMistake } from '../../core/problem.ts';
import type { GateContext } from '../../core/ready-gate.ts';
import type { Outcome } from '../../core/step.ts';
import { JsonPath, JsonPathError } from '../../providers/kubernetes/json-path.ts';
import type { KubernetesClient } from '../../providers/kubernetes/kubernetes-client.ts';
import type { KubernetesObject } from '../../providers/kubernetes/kubernetes-object.ts';
import { type ObjectPlace, objectWords } from '../../providers/kubernetes/resource-type.ts';
import { claimsOf, homeOf } from './policy.ts';
import { goalOf, judge, resultOf } from './wait-for.ts';

/** A CRD that the step before has applied is served a moment later. */
const kindGraceMs = 30_000;

export interface Wish {
  readonly object: ObjectName;
  readonly waitFor: WaitFor;
  readonly missing: 'fail' | 'wait' | 'ignore';
}

/** Either the object, as it is wished for; or why there is none, where that is ignored; or the outcome to return. */
export type Observed =
  | { readonly object: KubernetesObject; readonly words: string }
  | { readonly absent: string }
  | { readonly outcome: Exclude<Outcome<never>, { kind: 'succeeded' }> };

/** One look at an object. The state of a waiting outcome must come back in the context of the next look. */
export async function observe(context: GateContext, wish: Wish): Promise<Observed> {
  const client = await context.connection<KubernetesClient>('kubernetes');
  const place = await findPlace(context, wish, client);
  if ('outcome' in place) return place;
  await context.connection('kubernetes', claimsOf(place, homeOf(context.execution)));

  const look = { wish, place, signal: client.signalOf(place), uidBefore: uidIn(context.state) };
  // After the first read only what the watch shows to be worth it is read: it may lag behind, so it can say "not yet",
  // but never that something is done.
  const sight = look.uidBefore === undefined ? undefined : client.look(place);
  if (sight !== undefined && 'refused' in sight) throw sight.refused;
  if (sight !== undefined) {
    const seen = observedOf(look, sight.object);
    if ('outcome' in seen && seen.outcome.kind === 'waiting') return seen;
  }
  return observedOf(look, await client.read(place, context.readsAborted));
}

/** For the end by a stop: how far the object is by what the watch knows. The end does not wait for it. */
export async function lastDetail(context: GateContext, wish: Wish): Promise<string> {
  if (uidIn(context.state) === undefined) return '';
  try {
    const client = await context.connection<KubernetesClient>('kubernetes');
    const place = await findPlace(context, wish, client);
    if ('outcome' in place) return '';
    const sight = client.look(place);
    if (sight === undefined || 'refused' in sight || sight.object === undefined) return '';
    const verdict = judge(wish.waitFor, sight.object, place.type);
    return verdict.kind === 'met' ? '' : `; ${verdict.detail}`;
  } catch (error) {
    context.log.debug({ err: error }, 'how far the object is could not be told');
    return '';
  }
}

/** What the schema cannot say; paths are below where the wish stands. */
export function mistakesInWish({ cluster = '' }: ObjectName, waitFor: WaitFor | undefined): InputMistake[] {
  const mistakes: InputMistake[] = [];
  if (cluster !== '' && cluster !== ownCluster) {
    const message = `expected ${ownCluster}: objects of managed clusters cannot be read through this connection`;
    mistakes.push({ path: '/cluster', message });
  }
  if (typeof waitFor === 'object' && 'jsonPath' in waitFor) {
    mistakes.push(...mistakesInPath('/waitFor/jsonPath', waitFor.jsonPath));
  }
  return mistakes;
}

export function mistakesInPath(path: string, text: string): InputMistake[] {
  try {
    new JsonPath(text);
    return [];
  } catch (error) {
    if (error instanceof JsonPathError) return [{ path, message: error.message }];
    throw error;
  }
}

interface Look {
  readonly wish: Wish;
  readonly place: ObjectPlace;
  readonly signal: string;
  readonly uidBefore: string | undefined;
}

/** What follows from the object as it stands; undefined: it is not there. */
function observedOf(look: Look, object: KubernetesObject | undefined): Observed {
  const { wish, place, uidBefore = '' } = look;
  if (object === undefined) return withoutObject(look);
  const words = objectWords(place);
  const { uid = '' } = object.metadata;
  if (uidBefore !== '' && uid !== uidBefore) {
    const message = `${words} was deleted while it was waited for, and another one took its name (uid ${uid}, before ${uidBefore})`;
    return { outcome: { kind: 'failed', reason: 'ObjectReplaced', message } };
  }
  const verdict = judge(wish.waitFor, object, place.type);
  if (verdict.kind === 'met') return { object, words: `${words} ${resultOf(wish.waitFor)}` };
  if (verdict.kind === 'never') {
    const message = `${words} has failed: ${verdict.detail}`;
    return { outcome: { kind: 'failed', reason: 'ObjectFailed', message } };
  }
  return waiting(look, `waiting for ${words} to ${goalOf(wish.waitFor)}`, uid);
}

function withoutObject(look: Look): Observed {
  const { wish, place, uidBefore = '' } = look;
  const words = objectWords(place);
  if (wish.missing === 'ignore') return { absent: `${words} does not exist` };
  if (uidBefore !== '') {
    const message = `${words} was deleted while it was waited for`;
    return { outcome: { kind: 'failed', reason: 'ObjectDeleted', message } };
  }
  if (wish.missing === 'wait') return waiting(look, `waiting for ${words} to ${goalOf('exists')}`, '');
  return { outcome: { kind: 'failed', reason: 'NotFound', message: `${words} does not exist` } };
}

function waiting({ signal }: Look, message: string, uid: string): Observed {
  return { outcome: { kind: 'waiting', message, signals: [signal], state: { uid } } };
}

/** Where the object is to be looked for, or what to return where the cluster does not know its kind. */
async function findPlace(
  { execution }: GateContext,
  { object, missing }: Wish,
  client: KubernetesClient,
): Promise<ObjectPlace | Extract<Observed, { outcome: unknown }>> {
  const { apiVersion, kind, name, namespace } = object;
  const kindName = { kind, ...(apiVersion === undefined ? {} : { apiVersion }) };
  const found = await client.discovery.find(kindName, execution.createdAt);
  if ('type' in found) {
    const { type } = found;
    return type.isNamespaced ? { type, name, namespace: namespace ?? homeOf(execution) } : { type, name };
  }
  const graceMs = missing === 'wait' ? kindGraceMs : 0;
  if (found.asOf < execution.createdAt + graceMs) {
    return { outcome: { kind: 'waiting', message: found.missing, until: found.againAt } };
  }
  return { outcome: { kind: 'failed', reason: 'NotFound', message: found.missing } };
}

/** Of the object as the first read saw it, empty where it was not there; undefined before the first read. */
function uidIn(state: Json | undefined): string | undefined {
  return isJsonObject(state) && typeof state.uid === 'string' ? state.uid : undefined;
}
