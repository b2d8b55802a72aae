import assert from 'node:assert/strict';
import { type Intent, NotSent, Rejected } from '../../../src/core/effect.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { EpochMs } from '../../../src/core/time.ts';
import type { ManualClock } from '../../support/manual-clock.ts';
import type { SeededRandom } from '../../support/seeded-random.ts';

/** How long after a send the provider may still act on it, and how long what it did may then stay hidden. */
export const latestArrivalMs = 10_000;
export const longestHiddenMs = 10_000;

interface Deed {
  readonly visibleAt: EpochMs;
  readonly result: JsonObject;
}

const never = new Promise<never>(() => {});

/** A provider in memory that answers as badly as it can, and knows what it has really done. */
export class ChaosProvider {
  readonly #clock: ManualClock;
  readonly #random: SeededRandom;
  readonly #deeds = new Map<string, Deed[]>();
  readonly #underWay = new Map<string, number>();

  constructor(clock: ManualClock, random: SeededRandom) {
    this.#clock = clock;
    this.#random = random;
  }

  /** How often it was really done. */
  count(mark: string): number {
    return this.#deeds.get(mark)?.length ?? 0;
  }

  /** `keyed`: done once for a mark, however often it is sent. */
  async send(
    { mark }: Pick<Intent<JsonObject>, 'mark'>,
    { isKeyed }: { readonly isKeyed: boolean },
  ): Promise<JsonObject> {
    const random = this.#random;
    const act = () => this.#act(mark, isKeyed);
    switch (random.below(10)) {
      case 0:
        act();
        throw new Error('502 after it was done');
      case 1:
        throw new Error('502 before anything was done');
      case 2:
        throw new NotSent('429', random.chance(0.5) ? { notBefore: this.#clock.now() + random.below(5_000) } : {});
      case 3:
        if (random.chance(0.2)) throw new Rejected('EffectFailed', 'no');
        return act();
      case 4:
        return random.chance(0.5) ? await this.#later(mark, act) : await this.#later(mark, act, never);
      case 5:
        if (random.chance(0.5)) act();
        return await never;
      default:
        return act();
    }
  }

  async find({ mark }: Pick<Intent<JsonObject>, 'mark'>): Promise<JsonObject | 'absent' | 'unknown'> {
    if (this.#random.chance(0.2)) throw new Error('the list cannot be read');
    if (this.#random.chance(0.05)) await never;
    const deeds = this.#deeds.get(mark) ?? [];
    const visible = deeds.find(({ visibleAt }) => visibleAt <= this.#clock.now());
    if (visible !== undefined) return visible.result;
    const canArrive = (this.#underWay.get(mark) ?? 0) > 0;
    return deeds.length === 0 && !canArrive && this.#random.chance(0.3) ? 'absent' : 'unknown';
  }

  /** It was received, and whatever becomes of the sender: it is done. */
  async #later(mark: string, act: () => JsonObject, answer?: Promise<never>): Promise<JsonObject> {
    this.#underWay.set(mark, (this.#underWay.get(mark) ?? 0) + 1);
    const { promise, resolve } = Promise.withResolvers<JsonObject>();
    this.#clock.at(this.#clock.now() + this.#random.below(latestArrivalMs), () => {
      this.#underWay.set(mark, (this.#underWay.get(mark) ?? 0) - 1);
      resolve(act());
    });
    return await (answer ?? promise);
  }

  #act(mark: string, isKeyed: boolean): JsonObject {
    const deeds = this.#deeds.get(mark) ?? [];
    const [first] = deeds;
    if (isKeyed && first !== undefined) return first.result;
    const hiddenMs = this.#random.pick([
      0,
      this.#random.below(longestHiddenMs),
      this.#random.below(longestHiddenMs),
      Number.POSITIVE_INFINITY,
    ]);
    const deed = { visibleAt: this.#clock.now() + hiddenMs, result: { deed: deeds.length } };
    this.#deeds.set(mark, [...deeds, deed]);
    assert.ok(!isKeyed || deeds.length === 0);
    return deed.result;
  }
}
