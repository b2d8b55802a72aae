import type { ObjectName, WaitFor } from '../../core/awaited-object.ts';
import { isJsonObject, type Json } from '../../core/json.ts';
import type { InputMistake } from '../../core/problem.ts';
import type { GateContext } from '../../core/ready-gate.ts';
import { JsonPath, JsonPathError } from '../../providers/kubernetes/json-path.ts';
import type { KubernetesClient } from '../../providers/kubernetes/kubernetes-client.ts';
import type { KubernetesObject } from '../../providers/kubernetes/kubernetes-object.ts';
import { type ObjectPlace, objectWords } from '../../providers/kubernetes/resource-type.ts';
import { accountOf, readApplication } from './application.ts';
import { findPlace, kindGraceMs, type Unmet } from './place.ts';
import { assertAllowed } from './policy.ts';
import { goalOf, judge, resultOf } from './wait-for.ts';

export interface Wish {
  readonly object: ObjectName;
  /** The API version that counts where the object names none, if it has the kind. */
  readonly firstApiVersion?: string;
  readonly waitFor: WaitFor;
  readonly missing: 'fail' | 'wait' | 'ignore';
}

/** Either the object, as it is wished for; or why there is none, where that is ignored; or the outcome to return. */
export type Observed =
  | { readonly object: KubernetesObject; readonly words: string }
  | { readonly absent: string }
  | Unmet;

/** One look at an object. The state of a waiting outcome must come back in the context of the next look. */
export async function observe(context: GateContext, wish: Wish): Promise<Observed> {
  const client = await context.connection<KubernetesClient>('kubernetes');
  const place = await placeOf(context, wish, client);
  if ('outcome' in place) return place;
  await assertAllowed(context, place);

  const before = memoryIn(context.state);
  const look = { wish, place, signal: client.signalOf(place), uidBefore: before?.uid };
  // After the first read only what the watch shows to be worth it is read: it may lag behind, so it can say "not yet",
  // but never that something is done.
  const sight = before === undefined ? undefined : client.look(place);
  if (sight !== undefined && 'refused' in sight) throw sight.refused;
  // It is our account that watches: what it sees is not for those who may see less.
  if (sight !== undefined && before?.account === undefined) {
    const seen = observedOf(look, sight.object);
    if ('outcome' in seen && seen.outcome.kind === 'waiting') return seen;
  }
  const account = accountOf(context, await readApplication(context, client), client);
  return observedOf({ ...look, account }, await client.read(place, context.readsAborted, account));
}

/** For the end by a stop: how far the object is by what the watch knows. The end does not wait for it. */
export async function lastDetail(context: GateContext, wish: Wish): Promise<string> {
  const before = memoryIn(context.state);
  if (before === undefined || before.account !== undefined) return '';
  try {
    const client = await context.connection<KubernetesClient>('kubernetes');
    const place = await placeOf(context, wish, client);
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
export function mistakesInWaitFor(waitFor: WaitFor | undefined): InputMistake[] {
  if (typeof waitFor !== 'object' || !('jsonPath' in waitFor)) return [];
  return mistakesInPath('/waitFor/jsonPath', waitFor.jsonPath);
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
  /** As whom it is read, where that is not our own account. */
  readonly account?: string | undefined;
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

function waiting({ signal, account }: Look, message: string, uid: string): Observed {
  const state = { uid, ...(account === undefined ? {} : { account }) };
  return { outcome: { kind: 'waiting', message, signals: [signal], state } };
}

function placeOf(
  context: GateContext,
  { object, firstApiVersion, missing }: Wish,
  client: KubernetesClient,
): Promise<ObjectPlace | Unmet> {
  const graceMs = missing === 'wait' ? kindGraceMs : 0;
  return findPlace(context, object, {
    client,
    graceMs,
    ...(firstApiVersion === undefined ? {} : { firstApiVersion }),
  });
}

interface Memory {
  /** Of the object as the first read saw it, empty where it was not there. */
  readonly uid: string;
  readonly account: string | undefined;
}

/** Undefined before the first read. */
function memoryIn(state: Json | undefined): Memory | undefined {
  if (!isJsonObject(state) || typeof state.uid !== 'string') return undefined;
  return { uid: state.uid, account: typeof state.account === 'string' ? state.account : undefined };
}
