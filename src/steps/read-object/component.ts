import type { Seen } from '../../core/change-gate.ts';
import { Rejected } from '../../core/effect.ts';
import { isJsonObject, type Json } from '../../core/json.ts';
import type { GateContext } from '../../core/ready-gate.ts';
import type { KubernetesClient } from '../../providers/kubernetes/kubernetes-client.ts';
import { type KubernetesObject, part, text } from '../../providers/kubernetes/kubernetes-object.ts';
import { apiVersionOf, isSecret, type ObjectPlace, objectWords } from '../../providers/kubernetes/resource-type.ts';
import { accountOf, readApplication } from './application.ts';
import { findPlace, type Unmet } from './place.ts';
import { assertAllowed } from './policy.ts';
import { seenOf } from './seen-object.ts';

const mostObjects = 200;
const readsAtOnce = 8;

/** On whatever KubeVela makes of a component and its traits (kubevela: pkg/appfile/appfile.go, SetOAMContract). */
const componentLabel = 'app.oam.dev/component';

interface Part {
  readonly place: ObjectPlace;
  readonly object: KubernetesObject;
}

/** The objects of a component of the Application that asks, as they stand. */
export async function seeComponent(
  context: GateContext,
  component: string,
  client: KubernetesClient,
): Promise<{ readonly seen: Seen } | Unmet> {
  const application = await readApplication(context, client);
  if (application === undefined) {
    return notFound('the Application that asks cannot be found through the connection of onChange');
  }
  const words = `Application ${application.metadata.name}`;
  const applied = appliedBy(application);
  if (applied.length > mostObjects) {
    const message = `${words} has applied ${applied.length} objects, and onChange looks at up to ${mostObjects} for a component: name an object instead`;
    return { outcome: { kind: 'failed', reason: 'TooLarge', message } };
  }
  const account = accountOf(context, application, client);
  const parts: (Part | undefined)[] = [];
  for (let start = 0; start < applied.length; start += readsAtOnce) {
    const next = applied.slice(start, start + readsAtOnce);
    parts.push(...(await Promise.all(next.map((name) => readPart(context, name, { component, client, account })))));
  }
  const found = parts.filter((each) => each !== undefined);
  return found.length === 0 ? notFound(withoutParts(words, application, component)) : { seen: seenOfParts(found) };
}

/** Undefined: it is gone, it belongs to another component, or it is a Secret that the connection does not allow. */
async function readPart(
  context: GateContext,
  name: AppliedName,
  of: { readonly component: string; readonly client: KubernetesClient; readonly account: string | undefined },
): Promise<Part | undefined> {
  const place = await findPlace(context, name, { client: of.client, graceMs: 0 });
  if ('outcome' in place) return undefined;
  const denied = await denialOf(assertAllowed(context, place));
  if (denied !== undefined && isSecret(place.type)) return undefined;
  // Only its label says whose it is, so that what is not allowed is refused only then.
  const object = await of.client.read(place, context.readsAborted, of.account);
  if (object === undefined || labelOf(object) !== of.component) return undefined;
  if (denied !== undefined) throw denied;
  return { place, object };
}

async function denialOf(check: Promise<void>): Promise<Rejected | undefined> {
  try {
    await check;
    return undefined;
  } catch (error) {
    if (error instanceof Rejected && error.reason === 'Denied') return error;
    throw error;
  }
}

function seenOfParts(parts: readonly Part[]): Seen {
  const looks = parts.map(({ place, object }) => {
    const { type, name, namespace = null, cluster = null } = place;
    const { evidence, value } = seenOf(place, object);
    const id = [cluster, apiVersionOf(type), type.kind, namespace, name];
    return { words: objectWords(place), value, evidence: { id, of: evidence } satisfies Json };
  });
  // KubeVela lists them in the order in which it came to them.
  const sorted = looks.sort((a, b) => (JSON.stringify(a.evidence.id) < JSON.stringify(b.evidence.id) ? -1 : 1));
  return {
    evidence: sorted.map(({ evidence }) => evidence),
    value: Object.fromEntries(sorted.map(({ words, value }) => [words, value])),
  };
}

function withoutParts(words: string, application: KubernetesObject, component: string): string {
  const names = listOf(part(application, 'spec').components).map((each) => text(each, 'name'));
  if (!names.includes(component)) return `${words} has no component ${component}; it has ${names.join(', ') || 'none'}`;
  return `component ${component} of ${words} has no objects that count (Secrets do where the connection allows them): place this step after the one that applies it`;
}

function notFound(message: string): Unmet {
  return { outcome: { kind: 'failed', reason: 'NotFound', message } };
}

interface AppliedName {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly cluster: string;
}

/** What the newest revision has applied so far; KubeVela begins the list anew with each. */
function appliedBy(application: KubernetesObject): AppliedName[] {
  return listOf(part(application, 'status').appliedResources).map((each) => ({
    apiVersion: text(each, 'apiVersion'),
    kind: text(each, 'kind'),
    name: text(each, 'name'),
    namespace: text(each, 'namespace'),
    cluster: text(each, 'cluster'),
  }));
}

function listOf(value: Json | undefined) {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function labelOf(object: KubernetesObject): string {
  return text(part(part(object, 'metadata'), 'labels'), componentLabel);
}
