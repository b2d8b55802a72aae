import type { Credential, HttpFetch } from '../../core/connection.ts';
import { NotSent, Rejected } from '../../core/effect.ts';
import { isJsonObject, type Json } from '../../core/json.ts';
import { LruMap } from '../../core/lru-map.ts';
import {
  type ConfigSecret,
  secretPlace,
  type TeamConnection,
  type TeamConnections,
} from '../../core/team-connections.ts';
import type { Clock, EpochMs } from '../../core/time.ts';
import { AnswerTooLong, type ApiAnswer, type ClusterApi } from './cluster-api.ts';

/** KubeVela writes it on the Secret of each config (pkg/config/factory.go, ParseConfig). */
const templateLabel = 'config.oam.dev/type';

/** So long what was read counts: a rotated credential or a right that was taken away is noticed by then. */
const keptMs = 30_000;
/** Bounds on what the Secrets of teams take of our memory. */
const mostNamespaces = 250;
const mostSecrets = 20;
const mostBytes = 512 * 1024;

export interface TeamSecretsOptions {
  readonly api: Pick<ClusterApi, 'get' | 'refusal'>;
  /** Of the configs that are read; all other Secrets are not asked for. */
  readonly templates: readonly string[];
  readonly understand: (secrets: readonly ConfigSecret[], namespace: string) => readonly TeamConnection[];
  /** For addresses that users name. */
  readonly fetch: HttpFetch;
  readonly clock: Clock;
}

interface Found {
  readonly secrets: readonly ConfigSecret[];
  readonly connections: readonly TeamConnection[];
}

/** Configs in the namespaces of teams, where a team lets us list its Secrets. */
export class TeamSecrets implements TeamConnections {
  readonly #options: TeamSecretsOptions;
  readonly #kept = new LruMap<string, { readonly until: EpochMs; readonly found: Promise<Found> }>(mostNamespaces);

  constructor(options: TeamSecretsOptions) {
    this.#options = options;
  }

  async of(namespace: string): Promise<readonly TeamConnection[]> {
    return (await this.#find(namespace)).connections;
  }

  tools({ namespace, name }: TeamConnection): { readonly fetch: HttpFetch; credential(key: string): Credential } {
    return { fetch: this.#options.fetch, credential: (key) => this.#credential(namespace, name, key) };
  }

  /** Read anew each time, so that a rotated one is in use soon; of the Secret alone, so that no path leads elsewhere. */
  #credential(namespace: string, name: string, key: string): Credential {
    const path = secretPlace(namespace, name, key);
    return {
      path,
      read: async () => {
        const { secrets } = await this.#find(namespace);
        const value = secrets.find((secret) => secret.name === name)?.values.get(key);
        if (!value) throw new Rejected('ConnectionFailed', `${path} is not there any more, or may not be read`);
        return value;
      },
    };
  }

  async #find(namespace: string): Promise<Found> {
    const now = this.#options.clock.now();
    const kept = this.#kept.get(namespace);
    if (kept !== undefined && now < kept.until) return await kept.found;
    const found = this.#list(namespace);
    this.#kept.set(namespace, { until: now + keptMs, found });
    // Whoever waits for it is told; the next one asks again.
    found.catch(() => this.#kept.set(namespace, { until: now, found }));
    return await found;
  }

  async #list(namespace: string): Promise<Found> {
    const { api, understand } = this.#options;
    const answer = await this.#ask(namespace);
    // Not a fault: few teams let us.
    if (answer.status === 403) return { secrets: [], connections: [] };
    if (answer.status !== 200) {
      const act = `list secrets in namespace ${namespace}`;
      const { message } = api.refusal(answer, { act, grant: act });
      // Whatever it is, it tells nothing of the connection that a step means.
      throw new NotSent(message);
    }
    const { items } = isJsonObject(answer.body) ? answer.body : {};
    const secrets = Array.isArray(items) ? items.flatMap(configSecret) : [];
    if (secrets.length > mostSecrets) throw tooMuch(namespace, `${mostSecrets} Secrets`);
    return { secrets, connections: understand(secrets, namespace) };
  }

  async #ask(namespace: string): Promise<ApiAnswer> {
    const { api, templates } = this.#options;
    const query = new URLSearchParams({
      labelSelector: `${templateLabel} in (${templates.join(',')})`,
      // One more shows that there are too many. `continue` would not: it is set where anything is left, with the label or not.
      limit: String(mostSecrets + 1),
    });
    try {
      return await api.get(`/api/v1/namespaces/${namespace}/secrets?${query}`, { maxBytes: mostBytes });
    } catch (error) {
      const isTooLong = error instanceof NotSent && error.cause instanceof AnswerTooLong;
      throw isTooLong ? tooMuch(namespace, `${mostBytes / 1024} KiB of Secrets`) : error;
    }
  }
}

function tooMuch(namespace: string, bound: string): Rejected {
  return new Rejected('ConnectionFailed', `namespace ${namespace} has over ${bound} that are connections: delete some`);
}

function configSecret(item: Json): ConfigSecret[] {
  const { metadata, data } = isJsonObject(item) ? item : {};
  const { name, labels } = isJsonObject(metadata) ? metadata : {};
  const template = isJsonObject(labels) ? labels[templateLabel] : undefined;
  if (typeof name !== 'string' || typeof template !== 'string') return [];
  const values = Object.entries(isJsonObject(data) ? data : {}).map(
    ([key, value]) => [key, Buffer.from(String(value), 'base64').toString('utf8').trim()] as const,
  );
  return [{ name, template, values: new Map(values) }];
}
