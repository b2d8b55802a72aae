import type { Execution } from '../../src/core/execution.ts';
import type { OriginEnd, Origins, ProofResult } from '../../src/core/origin.ts';

type Answer<T> = T | Error;

/** What one origin is to say of itself: read anew at each question, so that a test changes it and then raises. */
export interface OriginScript {
  proof: Answer<ProofResult>;
  /** By live read. */
  end: Answer<OriginEnd | undefined>;
  /** By the watch. */
  seen: OriginEnd | undefined;
}

export const proven: ProofResult = {
  kind: 'proven',
  proof: { uid: 'uid', declared: 'declared', provenAt: 1 },
  originStep: 'Application/uid/smoke',
};

export const unproven: ProofResult = { kind: 'unproven', message: 'waiting for KubeVela to record this step' };

/** Origins of a workflow engine that a test plays. Scripts are by session; `*` is for those that have none. */
export class ScriptedOrigins implements Origins {
  readonly scripts = new Map<string, OriginScript>([['*', { proof: proven, end: undefined, seen: undefined }]]);
  readonly #raises = new Map<string, Set<() => void>>();
  missing: Error | undefined;
  proofs = 0;
  readonly source = {
    prefix: 'origin',
    subscribe: (key: string, raise: () => void) => {
      this.#raises.set(key, (this.#raises.get(key) ?? new Set()).add(raise));
      raise();
      return () => void this.#raises.get(key)?.delete(raise);
    },
  };

  script(id: string, changes: Partial<OriginScript>): void {
    const { proof, end, seen } = this.#of(id);
    this.scripts.set(id, { proof, end, seen, ...changes });
    for (const raise of this.#raises.get(id) ?? []) raise();
  }

  /** How many follow this session. */
  followers(id: string): number {
    return this.#raises.get(id)?.size ?? 0;
  }

  signalOf({ id }: Execution): string {
    return `origin:${id}`;
  }

  async assertExists(): Promise<void> {
    if (this.missing !== undefined) throw this.missing;
  }

  async prove({ id }: Execution): Promise<ProofResult> {
    this.proofs += 1;
    return orThrow(this.#of(id).proof);
  }

  async verify({ id }: Execution): Promise<OriginEnd | undefined> {
    return orThrow(this.#of(id).end);
  }

  look({ id }: Execution): OriginEnd | undefined {
    return this.#of(id).seen;
  }

  asked(): void {}
  start(): void {}
  async close(): Promise<void> {}

  #of(id: string): OriginScript {
    const script = this.scripts.get(id) ?? this.scripts.get('*');
    if (script === undefined) throw new Error('no script');
    return script;
  }
}

function orThrow<T>(answer: Answer<T>): T {
  if (answer instanceof Error) throw answer;
  return answer;
}
