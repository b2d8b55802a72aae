import type { Origin } from '../../../src/core/execution.ts';
import type { Json, JsonObject } from '../../../src/core/json.ts';
import type { GateContext } from '../../../src/core/ready-gate.ts';
import type { ConnectionUse } from '../../../src/core/step.ts';
import type { Sight } from '../../../src/providers/kubernetes/collection-watch.ts';
import type { FoundKind, KindName } from '../../../src/providers/kubernetes/discovery.ts';
import { type KubernetesObject, toKubernetesObject } from '../../../src/providers/kubernetes/kubernetes-object.ts';
import type { ObjectPlace } from '../../../src/providers/kubernetes/resource-type.ts';
import { readObject } from '../../../src/steps/read-object.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { FakeExecution } from '../fake-context.ts';

export const application = { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application' };
export const shop: Origin = { kind: 'Application', namespace: 'default', name: 'shop', step: 's', sessionID: 'e1' };

const namespaceless = ['ClusterRole', 'Namespace'];

/** A cluster by what is in it. It knows the kinds that its objects have had, and answers without a server. */
export class FakeCluster {
  readonly clock = new ManualClock();
  /** `Kind name` of each read so far, with `as user` where it was for another, and `in cluster` where it was in another. */
  readonly reads: string[] = [];
  mostReadsAtOnce = 0;
  impersonates = false;
  sight: Sight | undefined;
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #kinds = new Map<string, ObjectPlace['type']>();
  #readsAtOnce = 0;

  /** `uid` stays that of its name unless another is given. */
  put({ apiVersion, kind, metadata, ...content }: JsonObject & { metadata: JsonObject }): void {
    const [version = '', group = ''] = String(apiVersion).split('/').reverse();
    const isNamespaced = !namespaceless.includes(String(kind));
    const type = { group, version, kind: String(kind), plural: '', isNamespaced, hasStatus: true };
    this.#kinds.set(`${type.kind}`, type);
    const object = { apiVersion, kind, metadata: { uid: `uid of ${metadata.name}`, ...metadata }, ...content };
    this.#objects.set(`${kind} ${metadata.name}`, toKubernetesObject(object) as KubernetesObject);
  }

  remove(kind: string, name: string): void {
    this.#objects.delete(`${kind} ${name}`);
  }

  async find({ kind }: KindName, since: number): Promise<FoundKind> {
    const type = this.#kinds.get(kind);
    if (type !== undefined) return { type };
    const asOf = Math.max(since, this.clock.now());
    return { missing: `the cluster knows no kind ${kind}`, asOf, againAt: asOf + 5_000 };
  }

  look(): Sight | undefined {
    return this.sight;
  }

  signalOf(place: ObjectPlace): string {
    return `kubernetes:test/${place.name}`;
  }

  async read({ type, name, cluster }: ObjectPlace, _: AbortSignal, account?: string) {
    const as = account === undefined ? '' : ` as ${account}`;
    this.reads.push(`${type.kind} ${name}${cluster === undefined ? '' : ` in ${cluster}`}${as}`);
    this.#readsAtOnce += 1;
    this.mostReadsAtOnce = Math.max(this.mostReadsAtOnce, this.#readsAtOnce);
    await new Promise((resolve) => setImmediate(resolve));
    this.#readsAtOnce -= 1;
    return this.#objects.get(`${type.kind} ${name}`);
  }

  /** A look by an execution of that origin. `refuse` throws for claims that policy does not allow. */
  context({
    origin,
    state,
    refuse = () => {},
  }: {
    readonly origin?: Origin;
    readonly state?: Json;
    readonly refuse?: (claims: ConnectionUse['claims']) => void;
  } = {}): GateContext {
    const fake = new FakeExecution({ step: readObject, with: {}, clock: this.clock, client: this });
    if (origin !== undefined) {
      fake.execution = { ...fake.execution, request: { ...fake.execution.request, origin } };
    }
    const context = fake.context();
    return {
      ...context,
      state,
      connection: async (family, claims = {}) => {
        refuse(claims);
        return context.connection(family);
      },
    };
  }
}
