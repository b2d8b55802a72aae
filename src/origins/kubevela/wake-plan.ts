import { isDeepStrictEqual } from 'node:util';
import { type Execution, isFinal, keyText } from '../../core/execution.ts';
import type { EpochMs } from '../../core/time.ts';
import { type KubernetesObject, part } from '../../providers/kubernetes/kubernetes-object.ts';
import { EngineTicks } from './engine-ticks.ts';
import { hasEnded, isTicking } from './following.ts';
import type { OriginName } from './origin-source.ts';
import { type StepStatus, stepWithId, workflowStatusOf } from './workflow-status.ts';

const mostPatches = 5;
/**
 * Twice as long after each. An engine with much to do comes seconds late, and a second patch would only get into the way of the
 * write that follows.
 */
const firstPauseMs = 8_000;
/** After one that did not get through. */
const failedPauseMs = 2_000;
const leastGapMs = 1_000;
/** How long the status write that follows a tick is waited for. Built-in steps of the same tick may take 3 s for a call. */
const longestHoldMs = 4_000;
/** Who knows the name of an object can have ticks answered without end, by requests that are none of its engine's. */
const longestHoldsMs = 12_000;

interface Untold {
  readonly execution: Execution;
  readonly endedAt: EpochMs;
  patches: number;
  dueAt: EpochMs;
}

/**
 * When the object of one Application or WorkflowRun is to be patched, so that its engine looks at the steps whose executions
 * have ended: while such a step stands open and the engine has not asked about it, again and again, but a few times only.
 */
export class WakePlan {
  readonly #kind: OriginName['kind'];
  readonly #untold = new Map<string, Untold>();
  readonly #ticks = new EngineTicks();
  #patchedAt: EpochMs = 0;
  /** A tick that was answered and whose status write was not seen, with what was seen before it. */
  #tick: { readonly answeredAt: EpochMs; readonly before: unknown } | undefined;

  constructor(kind: OriginName['kind']) {
    this.#kind = kind;
  }

  get isEmpty(): boolean {
    return this.#untold.size === 0;
  }

  ended(execution: Execution, now: EpochMs): void {
    this.#untold.set(keyText(execution), { execution, endedAt: now, patches: 0, dueAt: now });
  }

  /** A tick is answered with this. `object`: as it was seen last; undefined where it was not. */
  asked(execution: Execution, object: KubernetesObject | undefined, now: EpochMs): void {
    this.#tick = { answeredAt: now, before: object && this.#progressOf(object) };
    if (isFinal(execution.status.state)) this.#untold.delete(keyText(execution));
  }

  /** The watch shows this; it may lag behind, and not yet show a session that stands. */
  saw(object: KubernetesObject): void {
    this.#ticks.saw(workflowStatusOf(this.#kind, object));
    this.#noteProgress(object);
    this.#keepWhere((untold) => {
      const step = this.#stepOf(untold, object);
      return step === undefined || !hasEnded(step);
    });
  }

  /** This was read live; undefined: it is gone. */
  read(object: KubernetesObject | undefined): void {
    this.#keepWhere((untold) => object !== undefined && this.#isAwaitedBy(untold, object));
  }

  /** Whether the object as it was seen shows that its engine waits for one of them. */
  isAwaited(object: KubernetesObject): boolean {
    return [...this.#untold.values()].some((untold) => this.#isAwaitedBy(untold, object));
  }

  /** When the next patch may be sent at the earliest, from now on; undefined where there is nothing to be told. */
  dueAt(now: EpochMs): EpochMs | undefined {
    if (this.isEmpty) return undefined;
    const firstAt = Math.min(...[...this.#untold.values()].map(({ dueAt }) => dueAt));
    return this.#ticks.clearTime(Math.max(now, firstAt, this.#patchedAt + leastGapMs, this.#heldUntil));
  }

  /** A patch that is tried now serves all. Returns its text, which differs each time. */
  begin(now: EpochMs): string {
    this.#patchedAt = now;
    this.#tick = undefined;
    const all = [...this.#untold.values()];
    for (const each of all) {
      each.dueAt = now + firstPauseMs * 2 ** each.patches;
      each.patches += 1;
    }
    return textOf(all);
  }

  /** A tick was answered since it began. */
  isHeld(now: EpochMs): boolean {
    return this.#heldUntil > now;
  }

  /** What began was not sent after all. */
  putOff(now: EpochMs): void {
    for (const untold of this.#untold.values()) {
      untold.patches = Math.max(0, untold.patches - 1);
      untold.dueAt = now;
    }
  }

  /** What began failed. */
  hurry(now: EpochMs): void {
    for (const untold of this.#untold.values()) untold.dueAt = Math.min(untold.dueAt, now + failedPauseMs);
  }

  finish(): void {
    for (const [key, { patches }] of this.#untold) if (patches >= mostPatches) this.#untold.delete(key);
  }

  giveUp(): void {
    this.#untold.clear();
  }

  /** Zero where no status write is waited for. */
  get #heldUntil(): EpochMs {
    if (this.#tick === undefined) return 0;
    const firstEndedAt = Math.min(...[...this.#untold.values()].map(({ endedAt }) => endedAt));
    return Math.min(this.#tick.answeredAt + longestHoldMs, firstEndedAt + longestHoldsMs);
  }

  #noteProgress(object: KubernetesObject): void {
    if (this.#tick === undefined) return;
    const { answeredAt, before } = this.#tick;
    const progress = this.#progressOf(object);
    // What is seen for the first time may be from before the tick.
    if (before === undefined) this.#tick = { answeredAt, before: progress };
    else if (!isDeepStrictEqual(before, progress)) this.#tick = undefined;
  }

  #keepWhere(isKept: (untold: Untold) => boolean): void {
    for (const [key, untold] of this.#untold) if (!isKept(untold)) this.#untold.delete(key);
  }

  #isAwaitedBy(untold: Untold, object: KubernetesObject): boolean {
    const step = this.#stepOf(untold, object);
    return step !== undefined && isTicking(step);
  }

  #stepOf({ execution }: Untold, object: KubernetesObject): StepStatus | undefined {
    return stepWithId(workflowStatusOf(this.#kind, object), execution.request.origin?.sessionID ?? '');
  }

  /** What the engine writes after a tick, unlike anybody else. */
  #progressOf(object: KubernetesObject): unknown {
    const status = part(object, 'status');
    return this.#kind === 'Application' ? part(status, 'workflow') : (status.steps ?? []);
  }
}

function textOf(all: readonly Untold[]): string {
  const [first] = all;
  if (first === undefined) return '';
  const { request, status } = first.execution;
  const { step = '', sessionID = '' } = request.origin ?? {};
  const others = all.length === 1 ? '' : ` with ${all.length - 1} more`;
  return `step ${step} (${sessionID}) has ${status.state}${others}; said ${first.patches} of ${mostPatches} times`;
}
