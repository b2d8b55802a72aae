import type { Logger } from 'pino';
import { type Effect, NotSent, Rejected } from '../core/effect.ts';
import {
  type EffectRecord,
  type Execution,
  type ExecutionStatus,
  isFinal,
  isOpen,
  keyText,
  type Stop,
} from '../core/execution.ts';
import { type Holding, sendingAs } from '../core/holding.ts';
import type { Json, JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { OriginEnd } from '../core/origin.ts';
import { finalStateOf } from '../core/reason.ts';
import { withDefaults } from '../core/schema.ts';
import type { ConnectionUse, Items, Outcome, SendRange, Settled, Step, StepContext } from '../core/step.ts';
import { ExecutionMissing, ExecutionTooLarge, VersionConflict } from '../core/store.ts';
import { type Clock, type EpochMs, formatDurationMs } from '../core/time.ts';
import { mistakeIn } from './accept.ts';
import { type AdmissionParts, admit, type NotAdmitted, stopped } from './admission.ts';
import { backoffMs } from './backoff.ts';
import { runEffect } from './effects.ts';
import { AdvanceOver, ExecutionLost, HoldLost, Journal } from './journal.ts';
import type { EngineMetrics } from './metrics.ts';
import { checkedOutcome } from './outcome.ts';
import { runProgress } from './progress.ts';
import { heldOf } from './shares.ts';
import { shortText } from './short-text.ts';
import { createStop } from './stop.ts';
import type { Turn, Turns } from './turns.ts';
import { isUnproven, type Unproven } from './unproven.ts';
import { within } from './within.ts';

/** So often in a row an advance may fail to find out what became of an effect before the stop goes on without it. */
const looksInVain = 8;

export interface AdvanceParts extends AdmissionParts {
  readonly steps: ReadonlyMap<string, Step>;
  /** Absent where workflow origins are taken at their word. */
  readonly unproven: Unproven | undefined;
  /** Absent where no other process shares the store. */
  readonly holding: Holding | undefined;
  /** By key, those whose record was deleted before what they had sent came to its end. */
  readonly gone: Map<string, Execution>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: EngineMetrics;
  /** In [0, 1); for jitter. */
  readonly random: () => number;
  readonly closing: AbortSignal;
}

/** Takes one turn: reads the record, lets the step advance, and records what it came to. Never rejects. */
export async function takeTurn(turns: Turns, turn: Turn, parts: AdvanceParts): Promise<void> {
  const { store, clock, log, closing, holding, gone } = parts;
  try {
    const vanished = gone.get(keyText(turn));
    const execution = vanished ?? (await store.get(turn));
    if (execution === undefined || isFinal(execution.status.state)) return turns.forget(turn);
    const since = vanished !== undefined || holding === undefined ? 0 : holding.claim(heldOf(execution));
    if (since === undefined) return turns.forget(turn);
    if (since > clock.now()) return turns.wait(turn, since, []);
    await new Advance(execution, turn, parts).run(turns);
  } catch (error) {
    // Looked at again: it may have ended, be another one's, or be this one's in the name that this process takes next.
    if (error instanceof HoldLost || error instanceof ExecutionLost) {
      log.warn({ execution: keyText(turn), err: error }, 'the execution was lost to this advance');
      return turns.wait(turn, clock.now(), []);
    }
    if (!closing.aborted) log.error({ execution: keyText(turn), err: error }, 'an advance could not be recorded');
    turn.failures += 1;
    turns.wait(turn, clock.now() + backoffMs(turn.failures, parts.random), []);
  }
}

/** One advance of one execution: what the step's context stands on. */
export class Advance {
  readonly journal: Journal;
  readonly log: Logger;
  /** What the step is told of: set only when no effect from before it is left to be looked for, or that was in vain. */
  readonly stop: Stop | undefined;
  readonly #parts: AdvanceParts;
  readonly #turn: Turn;
  readonly #failuresBefore: number;
  readonly #reads = new AbortController();
  readonly #uninterrupted = new Set<Promise<unknown>>();
  /** By name, what the step has asked for in this advance. */
  readonly #effects = new Map<string, Promise<Settled<unknown>>>();

  constructor(execution: Execution, turn: Turn, parts: AdvanceParts) {
    this.#parts = parts;
    this.#turn = turn;
    this.#failuresBefore = turn.failures;
    this.log = parts.log.child({ namespace: execution.namespace, id: execution.id, step: execution.request.step });
    const isGone = parts.gone.get(keyText(execution)) === execution;
    this.journal = new Journal(execution, { ...parts, log: this.log, isGone });
    // After a restart too they count.
    if (isUnproven(execution)) parts.unproven?.add(execution);
    this.#noteSignal();
    this.#noteDeadline(execution);
    this.#noteOriginEnd(parts.origins?.look(execution));
    const { stop } = this.journal.status;
    const isInVain = stop?.until !== undefined || turn.failures >= looksInVain;
    this.stop = isInVain || this.#lost().length === 0 ? stop : undefined;
  }

  get execution(): Execution {
    return this.journal.execution;
  }

  get readsAborted(): AbortSignal {
    return this.#reads.signal;
  }

  now(): EpochMs {
    return this.#parts.clock.now();
  }

  async run(turns: Turns): Promise<void> {
    const startedAt = this.now();
    const outcome = await this.#outcome();
    this.journal.endAdvance();
    this.#reads.abort();
    await Promise.allSettled(this.#uninterrupted);
    this.#parts.metrics.advanced(this.execution.request.step, wordFor(outcome), this.now() - startedAt);
    if (this.#turn.failures === this.#failuresBefore) this.#turn.failures = 0;
    try {
      await this.#conclude(turns, outcome);
    } catch (error) {
      if (!(error instanceof ExecutionTooLarge)) throw error;
      this.journal.note(withoutBallast);
      await this.#conclude(turns, tooLarge(error));
    }
  }

  async #conclude(turns: Turns, outcome: NotAdmitted | undefined): Promise<void> {
    if (outcome === 'forget') {
      await this.#forget(turns);
    } else if (outcome === undefined) {
      await this.journal.write();
      turns.wait(this.#turn, this.now(), []);
    } else if (outcome.kind === 'waiting') {
      await this.#wait(turns, outcome);
    } else {
      await this.#end(outcome);
      this.#parts.gone.delete(keyText(this.#turn));
      // Another one may have its key by now.
      if (this.journal.isGone) turns.wait(this.#turn, this.now(), []);
      else turns.forget(this.#turn);
    }
    if (this.journal.isGone && outcome !== 'forget' && !isFinal(this.journal.status.state)) {
      this.#parts.gone.set(keyText(this.#turn), this.execution);
    }
  }

  /** Undefined: the process closes and nothing was decided. */
  async #outcome(): Promise<NotAdmitted | undefined> {
    const { execution, stop } = this;
    const step = this.#parts.steps.get(execution.request.step);
    if (step === undefined) {
      return { kind: 'failed', reason: 'StepBroken', message: `this version has no step ${execution.request.step}` };
    }
    const mistake = this.#mistakeInRequest();
    if (mistake !== undefined) return { kind: 'failed', reason: 'Denied', message: shortText(mistake) };
    if (stop !== undefined && this.#justEnds(stop)) return stopped(stop);
    if (stop?.until !== undefined && this.now() >= stop.until) {
      const [lost] = this.#lost();
      return lost === undefined
        ? stopped(stop, `; undoing was given up after ${formatDurationMs(limits.stopMs)}`)
        : { ...stopped(stop, `; what became of ${lost.name} could not be found out`), reason: 'Uncertain' };
    }
    try {
      const params = withDefaults(step.params, execution.request.with);
      const uses = step.uses?.(params) ?? [];
      const notAdmitted = await admit(this, { step, uses }, this.#parts);
      if (notAdmitted !== undefined) return notAdmitted;
      const context = this.context(step.name, uses, this.execution.status.stepState);
      return checkedOutcome(step, await this.withinLimit(step.advance(context, params)), this.execution.status.outputs);
    } catch (error) {
      if (error instanceof ExecutionTooLarge) return tooLarge(error);
      if (error instanceof Rejected) return { kind: 'failed', reason: error.reason, message: shortText(error.message) };
      if (error instanceof NotSent) {
        return { kind: 'waiting', message: shortText(error.message), until: this.retryTime(error) };
      }
      return this.#parts.closing.aborted ? undefined : this.tryLater(error).stop;
    }
  }

  /**
   * Whether a stop ends it as it stands. What was never proven is looked at first, for nothing of it is to stay: only who
   * cancels it was let in. Where the cluster cannot be asked it ends all the same.
   */
  #justEnds(stop: Stop): boolean {
    if (this.execution.status.state !== 'pending') return false;
    if (stop.reason === 'Cancelled' || this.#parts.origins === undefined || !isUnproven(this.execution)) return true;
    return stop.until !== undefined && this.now() >= stop.until;
  }

  /** A store that others share is one that others write to: who may create objects there has not come through our door. */
  #mistakeInRequest(): string | undefined {
    const { holding, origins } = this.#parts;
    if (holding === undefined || this.execution.status.state !== 'pending') return undefined;
    return mistakeIn(this.execution, { ...this.#parts, areOriginsProven: origins !== undefined });
  }

  /** `user`: who may open no connection but those in `uses`. */
  context(user: string, uses: readonly ConnectionUse[], state: Json | undefined): StepContext {
    const advance = this;
    return {
      // Read anew by each look: the journal goes on while the step advances.
      get execution() {
        return advance.execution;
      },
      state,
      stop: this.stop,
      log: this.log,
      readsAborted: this.readsAborted,
      now: () => this.now(),
      effect: <R extends Json, T extends JsonObject>(name: string, effect: Effect<R, T>) =>
        this.#once(name, () => runEffect(this, name, effect)),
      progress: (name: string, items: Items, sendRange: SendRange) =>
        this.#once(name, () => runProgress(this, name, items, sendRange)),
      connection: this.#parts.connections.opener({ user, uses, namespace: this.execution.namespace }),
    };
  }

  /** An effect goes one way in an advance, however often and with whatever haste the step asks for it. */
  #once<T>(name: string, settle: () => Promise<Settled<T>>): Promise<Settled<T>> {
    const asked = this.#effects.get(name);
    if (asked !== undefined) return asked as Promise<Settled<T>>;
    const settled = settle();
    this.#effects.set(name, settled);
    // A step that awaits one effect while another one throws must not end the process.
    settled.catch(() => undefined);
    return settled;
  }

  /** For whatever one look or one advance of the step takes. */
  async withinLimit<T>(advancing: Promise<T>): Promise<T> {
    const { clock, closing } = this.#parts;
    const onLimit = () => {
      // Sends under way are waited for; what the step would still begin is refused.
      this.journal.endAdvance();
      this.#reads.abort();
      return new Error(`the step did not return within ${formatDurationMs(limits.advanceMs)}`);
    };
    return await within(advancing, { clock, limitMs: limits.advanceMs, closing, onLimit });
  }

  /** For what effects do between their intent and the note of their answer. */
  uninterrupted<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    this.#uninterrupted.add(running);
    const forget = () => this.#uninterrupted.delete(running);
    running.then(forget, forget);
    return running;
  }

  /** A provider's client bounds its own time; this is for one that does not. */
  withinSendLimit<T>(send: () => Promise<T>): Promise<T> {
    const onLimit = () => new Error(`no answer within ${formatDurationMs(limits.sendMs)}`);
    const { holder } = this.journal;
    // However late it comes to its first byte, it is sent in the name of its intent or not at all.
    const sending = holder === undefined ? send() : sendingAs.run(holder, send);
    return within(sending, { clock: this.#parts.clock, limitMs: limits.sendMs, onLimit });
  }

  /** Why no effect may be begun now; undefined where it may. */
  refusesNewEffects(): (Settled<never> & { stop: Outcome<never> }) | undefined {
    if (this.journal.isOver) throw new AdvanceOver();
    if (this.stop !== undefined) return undefined;
    this.#noteOriginEnd(this.#parts.origins?.look(this.execution));
    const isStopping = this.journal.status.stop !== undefined || this.now() >= this.execution.deadline;
    return isStopping ? this.goAgain() : undefined;
  }

  /** The same by a live read of the origin, which each intent takes: a watch may lag behind. */
  async originRefuses(): Promise<{ stop: Outcome<never> } | undefined> {
    const { origins } = this.#parts;
    if (origins === undefined || this.stop !== undefined || this.execution.status.proof === undefined) return undefined;
    this.#noteOriginEnd(await origins.verify(this.execution, this.readsAborted));
    return this.refusesNewEffects();
  }

  /** The same for one that was begun before: under a stop only what undoes is sent again. */
  refusesResend(record: EffectRecord): { stop: Outcome<never> } | undefined {
    if (this.stop !== undefined && record.intentAt <= this.stop.at) return { stop: stopped(this.stop) };
    return this.refusesNewEffects();
  }

  /** Undoing effects are told from those before the stop by their time. */
  intentTime(): EpochMs {
    return this.stop === undefined ? this.now() : Math.max(this.now(), this.stop.at + 1);
  }

  /** For a step that must return and be advanced again at once. */
  goAgain(): { stop: Outcome<never> } {
    const until = this.#lost().length > 0 ? this.now() + 1_000 : this.now();
    return { stop: { kind: 'waiting', message: this.journal.status.message, until } };
  }

  /** "Could not tell": tried again later, and counted. */
  tryLater(error: unknown): { stop: Outcome<never> } {
    this.log.warn({ err: error }, 'an advance failed; it is tried again');
    this.journal.note((status) => ({ ...status, attempts: status.attempts + 1 }));
    const text = shortText(error instanceof Error ? error.message : String(error), 500);
    return { stop: { kind: 'waiting', message: `trying again after: ${text}`, until: this.backoff() } };
  }

  /** When to try again what was not sent. A time that has come already is no help: it would be asked without a rest. */
  retryTime({ notBefore }: NotSent): EpochMs {
    const backoff = this.backoff();
    return notBefore !== undefined && notBefore > this.now() ? notBefore : backoff;
  }

  backoff(): EpochMs {
    this.#turn.failures = this.#failuresBefore + 1;
    return this.now() + backoffMs(this.#turn.failures, this.#parts.random);
  }

  /** This advance is what the signal asked for. */
  #noteSignal(): void {
    if (this.journal.status.signal !== undefined) this.journal.note(({ signal: _, ...status }) => status);
  }

  #noteDeadline(execution: Execution): void {
    if (this.now() < execution.deadline) return;
    const { message, state, attempts } = execution.status;
    const during = state === 'pending' || message === '' ? '' : `; ${attempts > 0 ? 'last' : 'it was'}: ${message}`;
    const limit = formatDurationMs(execution.deadline - execution.createdAt);
    this.noteStop({ reason: 'TimedOut', at: execution.deadline, message: `not done within ${limit}${during}` });
  }

  noteStop(wish: Omit<Stop, 'until'>): void {
    this.journal.note((status) => (status.stop === undefined ? { ...status, stop: createStop(status, wish) } : status));
  }

  #noteOriginEnd(end: OriginEnd | undefined): void {
    if (end !== undefined) this.noteStop({ ...end, at: this.now() });
  }

  /** Sent or perhaps sent, and never to be repeated blindly: looked for before a stop goes on. */
  #lost(): readonly EffectRecord[] {
    const { stop, effects } = this.journal.status;
    const isFromBefore = ({ intentAt }: EffectRecord) => stop === undefined || intentAt <= stop.at;
    return effects.filter((effect) => effect.repeat === 'find' && isOpen(effect) && isFromBefore(effect));
  }

  async #wait(turns: Turns, given: Extract<Outcome, { kind: 'waiting' }>): Promise<void> {
    const now = this.now();
    const { stop } = this;
    const outcome = { ...given, signals: [...(given.signals ?? []), ...originSignals(this.execution, this.#parts)] };
    const longest = stop === undefined ? this.execution.deadline : (stop.until ?? now + limits.stopMs);
    if (stop !== undefined && stop.until === undefined) {
      this.journal.note((status) => ({ ...status, stop: { ...stop, until: longest } }));
    }
    this.journal.note((status) => waitingStatus(status, outcome));
    let at = Math.max(now, Math.min(Math.ceil(outcome.until ?? longest), longest));
    // Who asks to go on at once, and has come no further, would never come to rest.
    if (at === now && now < longest && !this.journal.hasNews) at = Math.min(this.backoff(), longest);
    if (this.journal.hasNews) this.journal.note((status) => ({ ...status, wakeAt: at }));
    await this.journal.write();
    if (this.journal.status.stop !== undefined && stop === undefined) at = this.#nextLook(outcome.until ?? now);
    turns.wait(this.#turn, at, outcome.signals);
  }

  /** Nothing was sent and nobody can ask for it but with a request that makes it anew. */
  async #forget(turns: Turns): Promise<void> {
    try {
      await this.#parts.store.delete(this.execution, this.execution.version);
      this.log.info('forgotten: its origin could not be proven');
    } catch (error) {
      // Somebody stored a stop meanwhile: it is looked at again.
      if (error instanceof VersionConflict) return turns.wait(this.#turn, this.now(), []);
      if (!(error instanceof ExecutionMissing)) throw error;
    }
    turns.forget(this.#turn);
  }

  /** Past a stop only effects of unknown fate are waited for: at their own pace where the step asks for them. */
  #nextLook(until: EpochMs): EpochMs {
    const lost = this.#lost();
    if (lost.length === 0) return this.now();
    return lost.every(({ name }) => this.#effects.has(name)) ? until : this.backoff();
  }

  async #end(outcome: Exclude<Outcome, { kind: 'waiting' }>): Promise<void> {
    const finishedAt = this.now();
    this.journal.note((status) => {
      const { wakeAt: _, stepState: __, reason: ___, ...kept } = status;
      const ended = { ...kept, signals: [], finishedAt, outputs: { ...status.outputs, ...outcome.outputs } };
      return outcome.kind === 'succeeded'
        ? { ...ended, state: 'succeeded', message: outcome.message ?? 'done' }
        : { ...ended, state: finalStateOf(outcome.reason), reason: outcome.reason, message: outcome.message };
    });
    await this.journal.write();
    this.#parts.metrics.ended(this.execution);
    this.log.info(
      { state: this.journal.status.state, reason: this.journal.status.reason },
      this.journal.status.message,
    );
  }
}

function tooLarge({ message }: ExecutionTooLarge): Extract<Outcome<never>, { kind: 'failed' }> {
  return { kind: 'failed', reason: 'TooLarge', message };
}

/** What an execution can end without. Of its effects stays what tells whether they happened. */
function withoutBallast(status: ExecutionStatus): ExecutionStatus {
  const { stepState: _, readiness: __, ...kept } = status;
  const effects = status.effects.map(({ evidence: _, progress: __, ...effect }) => ({ ...effect, request: null }));
  return { ...kept, outputs: {}, effects };
}

/** What tells of the origin's proof and of its end. One that is stopped goes on whatever becomes of it. */
function originSignals(execution: Execution, { origins }: Pick<AdvanceParts, 'origins'>): readonly string[] {
  const { request, status } = execution;
  if (request.origin === undefined || origins === undefined) return [];
  return status.state === 'pending' || status.stop === undefined ? [origins.signalOf(execution)] : [];
}

/** For the metrics. */
function wordFor(outcome: NotAdmitted | undefined) {
  if (outcome === undefined || outcome === 'forget') return 'interrupted';
  return outcome.kind === 'failed' && finalStateOf(outcome.reason) === 'succeeded' ? 'succeeded' : outcome.kind;
}

/** The same object where nothing differs: the wake time alone is not worth a write. */
function waitingStatus(status: ExecutionStatus, outcome: Extract<Outcome, { kind: 'waiting' }>): ExecutionStatus {
  const { message, signals = [], state: stepState = status.stepState } = outcome;
  const outputs: JsonObject = { ...status.outputs, ...outcome.outputs };
  const said = { message, signals, outputs, ...(stepState === undefined ? {} : { stepState }) };
  const isSame = Object.entries(said).every(
    ([key, value]) => JSON.stringify(value) === JSON.stringify(status[key as keyof ExecutionStatus]),
  );
  return isSame ? status : { ...status, ...said };
}
