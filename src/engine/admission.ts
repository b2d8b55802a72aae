import type { ChangeGate } from '../core/change-gate.ts';
import { type Execution, type ExecutionKey, keyText, sameKey } from '../core/execution.ts';
import { digestOf, type Json, jsonBytes } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Origins } from '../core/origin.ts';
import type { ReadyGate } from '../core/ready-gate.ts';
import type { Reason } from '../core/reason.ts';
import type { ConnectionUse, Outcome, Step } from '../core/step.ts';
import type { ExecutionStore } from '../core/store.ts';
import type { Advance } from './advance.ts';
import type { Connections } from './connections.ts';
import { executionSignal } from './ended-executions.ts';
import { checkedOutcome } from './outcome.ts';
import { storeStop } from './stop.ts';

export interface AdmissionParts {
  readonly store: ExecutionStore;
  readonly connections: Connections;
  readonly readyGate: ReadyGate;
  readonly changeGate: ChangeGate;
  /** Absent where workflow origins are taken at their word. */
  readonly origins: Origins | undefined;
  /** Makes another execution look at what was stored of it. */
  readonly raise: (key: ExecutionKey) => void;
}

/** An outcome that ends the advance before its step; `forget`: the record itself is to go, for nothing speaks for it. */
export type NotAdmitted = Outcome | 'forget';

/**
 * What stands between an execution and its step, in this order, each of it once and then stored: the proof of its origin,
 * the policy of its connections, its turn among the executions of its origin step, what `onChange` sees, and `readyWhen`.
 * Nothing of the step was begun before it is through, so that a stop just ends it. Undefined: the step may advance.
 */
export async function admit(
  advance: Advance,
  { step, uses }: { readonly step: Step; readonly uses: readonly ConnectionUse[] },
  parts: AdmissionParts,
): Promise<NotAdmitted | undefined> {
  return (
    (await prove(advance, parts)) ??
    (await permit(advance, uses, parts)) ??
    (await waitForTurn(advance, parts)) ??
    (await seeChange(advance, step, parts)) ??
    (await waitUntilReady(advance, step, parts))
  );
}

/** The connections that the request's own gates open. */
export function gateUses(
  { request }: Pick<Execution, 'request'>,
  gates: Pick<AdmissionParts, 'readyGate' | 'changeGate'>,
) {
  const { readyWhen, onChange } = request;
  return {
    readyWhen: readyWhen === undefined ? [] : gates.readyGate.uses(readyWhen),
    onChange: onChange === undefined ? [] : gates.changeGate.uses(onChange),
  };
}

async function prove(advance: Advance, { origins }: AdmissionParts): Promise<NotAdmitted | undefined> {
  const { execution } = advance;
  if (execution.status.state !== 'pending' || execution.request.origin === undefined || origins === undefined) return;
  const result = await advance.withinLimit(origins.prove(execution, advance.readsAborted));
  if (result.kind === 'denied') return { kind: 'failed', reason: 'Denied', message: result.message };
  if (result.kind === 'unproven') {
    // Its time limit is its own choice: no record is to stay for having chosen a short one.
    const until = Math.min(execution.createdAt + limits.unprovenMs, execution.deadline);
    return advance.now() >= until ? 'forget' : { kind: 'waiting', message: result.message, until };
  }
  // One that is contested is told so only now: whoever cannot be proven leaves nothing behind.
  if (advance.stop !== undefined) return stopped(advance.stop);
  const { proof, originStep } = result;
  advance.journal.note((status) => ({ ...status, proof, originStep }));
  return undefined;
}

/** From here on it runs: policy allows what it needs. Recorded with the first thing that there is to record. */
async function permit(advance: Advance, stepUses: readonly ConnectionUse[], parts: AdmissionParts): Promise<undefined> {
  const { execution } = advance;
  if (execution.status.state !== 'pending') return;
  const gates = gateUses(execution, parts);
  for (const use of [...stepUses, ...gates.onChange, ...gates.readyWhen]) {
    await parts.connections.permit(use, execution.namespace);
  }
  const startedAt = advance.now();
  advance.journal.note((status) => ({ ...status, state: 'running', startedAt, message: 'started' }));
}

/** Those behind them are looked at when these have ended. */
const mostLookedAt = 100;

/** One execution of an origin step acts at a time: a newer one stops the older ones and waits for their end. */
async function waitForTurn(advance: Advance, { store, raise }: AdmissionParts): Promise<Outcome | undefined> {
  const { originStep, turnAt, proof } = advance.execution.status;
  if (originStep === undefined || turnAt !== undefined) return undefined;
  if (advance.stop !== undefined) return stopped(advance.stop);
  // Whoever looks after this finds us: of two that begin at once, the older one learns of the newer.
  await advance.journal.write();
  // Stored by others since this advance was begun, such as that its id is contested.
  if (advance.journal.status.stop !== undefined) return advance.goAgain().stop;
  const me = advance.execution;
  // Two runs of one Workflow are none of each other's business, though they remember together.
  const others = (await store.unfinishedOf(originStep, mostLookedAt)).filter(
    (other) => !sameKey(other, me) && other.status.proof?.uid === proof?.uid,
  );
  if (others.length > 0) {
    const refusal = await advance.originRefuses();
    if (refusal !== undefined) return refusal.stop;
  }
  // The session that stands in its workflow has no successor, whatever the clocks of the processes that recorded them said.
  const newer = proof === undefined ? others.find((other) => isAfter(other, me)) : undefined;
  if (newer !== undefined) {
    advance.noteStop(supersededBy(newer, advance));
    return stopped(supersededBy(newer, advance));
  }
  for (const older of others) {
    await storeStop(store, older, supersededBy(me, advance));
    raise(older);
  }
  const [older] = others;
  if (older === undefined) {
    const now = advance.now();
    advance.journal.note((status) => ({ ...status, turnAt: now, message: 'started' }));
    return undefined;
  }
  const message = `waiting for the end of ${older.id}, which this takes the place of`;
  return { kind: 'waiting', message, signals: others.map(executionSignal) };
}

function supersededBy(newer: Execution, advance: Advance) {
  return { reason: 'Superseded', at: advance.now(), message: `${keyText(newer)} took its place` } as const;
}

function isAfter(a: Execution, b: Execution): boolean {
  return a.createdAt === b.createdAt ? a.id > b.id : a.createdAt > b.createdAt;
}

/** Larger values say little to people, and would be kept and sent with every answer. */
const mostValueBytes = 1_024;

async function seeChange(
  advance: Advance,
  step: Step,
  { store, changeGate, ...parts }: AdmissionParts,
): Promise<Outcome | undefined> {
  const { request, status } = advance.execution;
  const { onChange } = request;
  const { originStep } = status;
  if (onChange === undefined || originStep === undefined || status.change !== undefined) return undefined;
  if (advance.stop !== undefined) return stopped(advance.stop);
  const uses = gateUses(advance.execution, { changeGate, ...parts }).onChange;
  const context = advance.context('onChange', uses, undefined);
  const look = await advance.withinLimit(changeGate.look(context, onChange));
  if (!('seen' in look)) return checkedOutcome(step, look, status.outputs);

  const declared = status.proof?.declared ?? digestOf(request.with);
  const digest = digestOf([look.seen.evidence, declared]);
  const [acted, succeeded] = [await store.lastWithIntent(originStep), await store.lastSucceeded(originStep)];
  // A step that never sends anything, such as read-object, has nothing but its last success.
  const last = acted ?? succeeded;
  const newValue = ifSmall(look.seen.value);
  const change = { digest, ...(newValue === undefined ? {} : { value: newValue.newValue }) };
  // Also of one that is unchanged, which is the last success for the next one.
  advance.journal.note((before) => ({ ...before, change }));
  if (last?.status.state === 'succeeded' && last.status.change?.digest === digest) return unchanged(last);

  const oldValue = succeeded?.status.change?.value;
  const told = { changed: true, ...(oldValue === undefined ? {} : { oldValue }), ...newValue };
  advance.journal.note((before) => ({ ...before, outputs: { ...before.outputs, ...told } }));
  return undefined;
}

/** Nothing was called. */
function unchanged(last: Execution): Outcome {
  const { oldValue: _, newValue: __, ...outputs } = last.status.outputs;
  return {
    kind: 'failed',
    reason: 'Unchanged',
    message: `unchanged since ${keyText(last)}`,
    outputs: { ...outputs, changed: false },
  };
}

function ifSmall(newValue: Json): { readonly newValue: Json } | undefined {
  return jsonBytes(newValue) <= mostValueBytes ? { newValue } : undefined;
}

/** Once it has held it is not looked at again. */
async function waitUntilReady(advance: Advance, step: Step, parts: AdmissionParts): Promise<Outcome | undefined> {
  const { request, status } = advance.execution;
  const { readiness } = status;
  if (request.readyWhen === undefined || (readiness !== undefined && 'readyAt' in readiness)) return undefined;
  if (advance.stop !== undefined) return stopped(advance.stop);
  const uses = gateUses(advance.execution, parts).readyWhen;
  const context = advance.context('readyWhen', uses, readiness?.state);
  const look = await advance.withinLimit(parts.readyGate.advance(context, request.readyWhen));
  if (look === 'ready') {
    const readyAt = advance.now();
    advance.journal.note((before) => ({ ...before, readiness: { readyAt } }));
    return undefined;
  }
  const outcome = checkedOutcome(step, look, status.outputs);
  if (outcome.kind !== 'waiting' || outcome.state === undefined) return outcome;
  const { state, ...waiting } = outcome;
  if (JSON.stringify(readiness) !== JSON.stringify({ state })) {
    advance.journal.note((before) => ({ ...before, readiness: { state } }));
  }
  return waiting;
}

/** The end of what has nothing left to undo. */
export function stopped(
  stop: { readonly reason: Reason; readonly message: string },
  more = '',
): Extract<Outcome<never>, { kind: 'failed' }> {
  return { kind: 'failed', reason: stop.reason, message: stop.message + more };
}
