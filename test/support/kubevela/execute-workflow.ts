import { randomInt } from 'node:crypto';
import type { Json, JsonObject } from '../../../src/core/json.ts';
import type { Clock, EpochMs } from '../../../src/core/time.ts';
import { Backoff } from './backoff.ts';
import { fillIn, lookUp, parsePath } from './data-path.ts';
import { goDurationMs } from './http-call.ts';
import type { ExecuteMode, StepPhase, StepStatus, WorkflowPhase, WorkflowState, WorkflowStep } from './objects.ts';
import { StepOutcome } from './step-outcome.ts';
import { evaluateCondition, type KubeVelaVersion } from './step-template.ts';

/** One run of a workflow, whoever owns it. */
export interface WorkflowInstance {
  readonly steps: readonly WorkflowStep[];
  readonly mode: Required<ExecuteMode>;
  /** What templates see as `context`, but for what is a step's own. */
  readonly context: JsonObject;
  /** As it was read. Absent, or without steps and start: a new run. */
  readonly state: WorkflowState | undefined;
  readonly memory: WorkflowMemory;
}

/** What the engine keeps of a run beside its status. */
export class WorkflowMemory {
  /** The outputs, by name; KubeVela keeps them in a ConfigMap. */
  vars: Record<string, Json> = {};
  backoff = new Backoff();
  /** When suspend steps began, and when those with a duration end, by id. */
  readonly suspended = new Map<string, EpochMs | undefined>();

  forget(): void {
    this.vars = {};
    this.suspended.clear();
    this.forgetCounts();
  }

  forgetCounts(): void {
    this.backoff = new Backoff();
  }
}

/** One step in one tick, as what runs it sees it. */
export interface StepRun {
  readonly step: WorkflowStep;
  readonly id: string;
  readonly parameter: JsonObject;
  readonly context: JsonObject;
  /** How the last tick left it; absent for a new one. */
  readonly phaseBefore: StepPhase | undefined;
  readonly memory: WorkflowMemory;
  readonly outcome: StepOutcome;
}

export interface WorkflowTools {
  readonly version: KubeVelaVersion;
  readonly clock: Clock;
  /** Runs a step of any type but step-group. Gives the fields that outputs are taken from. An error is one of the step. */
  readonly runStep: (run: StepRun) => Promise<JsonObject>;
}

export interface TickResult {
  readonly state: WorkflowState;
  readonly phase: WorkflowPhase;
  /** When the engine looks again by itself; absent: it does not. */
  readonly againInMs?: number;
}

/** One tick. Source, here and below: kubevela/workflow: pkg/executor/workflow.go */
export async function executeWorkflow(instance: WorkflowInstance, tools: WorkflowTools): Promise<TickResult> {
  const { memory } = instance;
  const known = instance.state;
  const isNew = known?.startTime === undefined && (known?.steps ?? []).length === 0;
  if (isNew) memory.forget();
  const state: WorkflowState = isNew
    ? { suspend: false, terminated: false, finished: false, startTime: timestamp(tools.clock) }
    : (known as WorkflowState);

  const before = progressOf(instance.steps, state);
  if (state.terminated && before.isDone) return { state, phase: terminatedPhase(state) };
  if (isSuspended(state)) return { state, phase: 'suspending', ...againAfterSuspension(instance, state, tools.clock) };
  if (before.isSuccess) return { state, phase: 'succeeded' };
  const tick = new Tick(instance, tools, state);
  await tick.runAll();
  return concluded(instance, tick.state, tools.clock);
}

function concluded(instance: WorkflowInstance, state: WorkflowState, clock: Clock): TickResult {
  const { memory } = instance;
  const { isDone, isSuccess } = progressOf(instance.steps, state);
  if (state.terminated && isDone) {
    memory.forgetCounts();
    return { state, phase: terminatedPhase(state) };
  }
  if (state.suspend) {
    memory.forgetCounts();
    return { state, phase: 'suspending', ...againAfterSuspension(instance, state, clock) };
  }
  if (isSuccess) return { state, phase: 'succeeded' };
  return { state, phase: 'executing', againInMs: memory.backoff.waitMs(clock.now()) };
}

/** A step's end: an error is tried again, every other failure is one. */
export function isFinished({
  phase,
  reason,
}: {
  readonly phase?: StepPhase;
  readonly reason?: string | undefined;
}): boolean {
  if (phase === 'failed') return reason !== undefined && reason !== 'Execute';
  return phase === 'skipped' || phase === 'succeeded';
}

function progressOf(steps: readonly WorkflowStep[], { steps: statuses = [] }: WorkflowState) {
  const ended = steps.map(({ name }) => statuses.find((status) => status.name === name && isFinished(status)));
  return {
    isDone: ended.every((status) => status !== undefined),
    isSuccess: ended.every((status) => status?.phase === 'succeeded' || status?.phase === 'skipped'),
  };
}

function terminatedPhase({ steps = [] }: WorkflowState): 'terminated' | 'failed' {
  const failed = steps.filter(({ phase }) => phase === 'failed');
  return failed.length > 0 && failed.every(({ reason }) => reason === 'Terminate') ? 'terminated' : 'failed';
}

/** By hand. A suspend step goes on being looked at. */
function isSuspended({ suspend, steps = [] }: WorkflowState): boolean {
  const isSuspendStep = ({ phase, reason }: StepStatus) => phase === 'suspending' && reason === 'Suspend';
  return suspend && !withSubSteps(steps).some(isSuspendStep);
}

function againAfterSuspension({ memory }: WorkflowInstance, { steps = [] }: WorkflowState, clock: Clock) {
  const ends = withSubSteps(steps).flatMap(({ id = '', phase }) =>
    phase === 'suspending' ? (memory.suspended.get(id) ?? []) : [],
  );
  return ends.length === 0 ? {} : { againInMs: Math.max(0, Math.min(...ends) - clock.now()) };
}

export function withSubSteps(steps: readonly StepStatus[]): readonly StepStatus[] {
  return steps.flatMap((status) => [status, ...(status.subSteps ?? [])]);
}

/** As KubeVela writes times: to the second. */
export function timestamp(clock: Clock): string {
  return new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** kubevela/pkg: util/rand: ten of these. */
const idCharacters = 'abcdefghijklmnopqrstuvwxyz0123456789';
function newId(): string {
  return Array.from({ length: 10 }, () => idCharacters[randomInt(idCharacters.length)]).join('');
}

class Tick {
  readonly #instance: WorkflowInstance;
  readonly #tools: WorkflowTools;
  readonly #start: WorkflowState;
  #steps: readonly StepStatus[];
  /** By name of the step or sub-step, and by the name or component that its properties give. */
  readonly #statusOf = new Map<string, StepStatus>();
  readonly #timeouts = new Map<string, EpochMs>();
  #suspends = false;
  #isSuspended: boolean;
  #isTerminated: boolean;
  #group: WorkflowStep | undefined;

  constructor(instance: WorkflowInstance, tools: WorkflowTools, state: WorkflowState) {
    this.#instance = instance;
    this.#tools = tools;
    this.#start = state;
    this.#steps = state.steps ?? [];
    this.#isSuspended = state.suspend;
    this.#isTerminated = state.terminated;
    for (const status of withSubSteps(this.#steps)) this.#statusOf.set(status.name, status);
    for (const step of instance.steps) this.#nameAgain(step);
  }

  get state(): WorkflowState {
    return { ...this.#start, steps: this.#steps, suspend: this.#isSuspended, terminated: this.#isTerminated };
  }

  async runAll(): Promise<void> {
    await this.#run(this.#instance.steps, this.#instance.mode.steps === 'DAG');
  }

  async #run(steps: readonly WorkflowStep[], isDag: boolean): Promise<void> {
    if (isDag) await this.#runAsDag(steps, false);
    else await this.#runInOrder(steps, false);
    this.#planNext();
  }

  async #runAsDag(steps: readonly WorkflowStep[], countsPending: boolean): Promise<void> {
    const { backoff } = this.#instance.memory;
    const unfinished = steps.filter(({ name }) => !isFinished(this.#statusOf.get(name) ?? { phase: 'running' }));
    const pending: WorkflowStep[] = [];
    const ready: WorkflowStep[] = [];
    for (const step of unfinished) {
      const why = this.#pendingOn(step);
      if (why === undefined) ready.push(step);
      else {
        pending.push(step);
        if (countsPending) this.#recordPending(step, why);
      }
    }
    for (const { name } of steps) {
      const status = this.#statusOf.get(name);
      if (status?.id !== undefined && isFinished(status)) backoff.ended(status.id);
    }
    if (ready.length === 0) return;
    await this.#runInOrder(ready, true);
    if (!this.#isSuspended && pending.length > 0) await this.#runAsDag(pending, true);
  }

  async #runInOrder(steps: readonly WorkflowStep[], isDag: boolean): Promise<void> {
    const { backoff } = this.#instance.memory;
    for (const [index, step] of steps.entries()) {
      const known = this.#statusOf.get(step.name);
      if (known !== undefined && isFinished(known)) continue;
      const why = this.#pendingOn(step);
      if (why !== undefined) {
        this.#recordPending(step, why);
        if (isDag) continue;
        return;
      }
      const status = await this.#runOne(step, this.#phaseBefore(steps, index, isDag));
      const isDone = isFinished(status);
      if (isDone || status.phase === 'suspending') backoff.ended(status.id ?? '');
      else backoff.waited(status.id ?? '', status.message);
      this.#record(status);
      if (isDag) continue;
      if ((!isDone && status.phase !== 'suspending') || this.#isSuspended) return;
    }
  }

  /** What it waits for before it can begin; undefined: nothing. */
  #pendingOn({ dependsOn = [], inputs = [] }: WorkflowStep): string | undefined {
    const unfinished = dependsOn.find((name) => !isFinished(this.#statusOf.get(name) ?? { phase: 'pending' }));
    if (unfinished !== undefined) return `Pending on DependsOn: ${unfinished}`;
    const missing = inputs.find(({ from }) => this.#inputValue(from, this.#instance.context) === undefined);
    return missing === undefined ? undefined : `Pending on Input: ${missing.from}`;
  }

  #recordPending(step: WorkflowStep, message: string): void {
    const id = this.#idOf(step);
    this.#instance.memory.backoff.pending(id);
    this.#record({ id, name: step.name, type: step.type, phase: 'pending', message });
  }

  #inputValue(from: string, context: JsonObject): Json | undefined {
    // Null is a value: what an output that is missing is handed on as.
    const output = lookUp(this.#instance.memory.vars, from.split('.'));
    return output === undefined ? lookUp({ context }, parsePath(from)) : output;
  }

  /** Kept from tick to tick by the status alone: where that is lost, a step gets another. */
  #idOf({ name }: WorkflowStep): string {
    return this.#statusOf.get(name)?.id ?? newId();
  }

  #phaseBefore(steps: readonly WorkflowStep[], index: number, isDag: boolean): StepPhase | undefined {
    const { name, dependsOn = [] } = steps[index] as WorkflowStep;
    if (isDag || dependsOn.length > 0) return this.#phaseOfDependencies(name);
    const earlier = steps.slice(0, index).map((step) => this.#statusOf.get(step.name)?.phase);
    return earlier.findLast((phase) => phase !== 'succeeded' && phase !== 'skipped') ?? earlier.at(-1) ?? 'succeeded';
  }

  #phaseOfDependencies(name: string): StepPhase | undefined {
    const all = this.#instance.steps.flatMap((step) => [step, ...(step.subSteps ?? [])]);
    for (const dependency of all.find((step) => step.name === name)?.dependsOn ?? []) {
      const phase = this.#statusOf.get(dependency)?.phase;
      if (phase !== 'succeeded') return phase;
      const earlier = this.#phaseOfDependencies(dependency);
      if (earlier !== 'succeeded') return earlier;
    }
    return 'succeeded';
  }

  async #runOne(step: WorkflowStep, phaseBefore: StepPhase | undefined): Promise<StepStatus> {
    const id = this.#idOf(step);
    const context = this.#contextOf(step, id);
    const outcome = new StepOutcome();
    await this.#check(step, context, phaseBefore, outcome);
    if (step.type === 'step-group') return this.#runGroup(step, id, outcome);

    let fields: JsonObject = {};
    if (outcome.phase !== 'skipped') fields = await this.#runTemplate(step, id, context, outcome);
    if (isFinished(outcome)) this.#handOn(step, fields, outcome);
    this.#isTerminated ||= outcome.terminates || outcome.failedAfterRetries;
    this.#suspends ||= outcome.suspends;
    this.#isSuspended = this.#suspends;
    return statusOf(step, id, outcome);
  }

  /** Whether it is to run at all, and still. */
  async #check(step: WorkflowStep, context: JsonObject, phaseBefore: StepPhase | undefined, outcome: StepOutcome) {
    const group = this.#group === undefined ? undefined : this.#statusOf.get(this.#group.name);
    try {
      if (group?.phase === 'skipped' || !(await this.#isWanted(step, context, phaseBefore))) outcome.skip(undefined);
    } catch (error) {
      outcome.skip(`pre check error: ${(error as Error).message}`);
    }
    if (outcome.phase === 'skipped') return;
    if (group?.reason === 'Timeout') outcome.timeOut();
    const { firstExecuteTime } = this.#statusOf.get(step.name) ?? {};
    if (firstExecuteTime === undefined || step.timeout === undefined) return;
    const timeout = Date.parse(firstExecuteTime) + goDurationMs(step.timeout);
    this.#timeouts.set(step.name, timeout);
    if (this.#tools.clock.now() > timeout) outcome.timeOut();
  }

  async #isWanted(step: WorkflowStep, context: JsonObject, phaseBefore: StepPhase | undefined): Promise<boolean> {
    const { if: condition = '', dependsOn = [], inputs = [], properties = {} } = step;
    if (condition === 'always') return true;
    if (condition === '') return phaseBefore === 'succeeded' || (phaseBefore === 'skipped' && dependsOn.length === 0);
    const status = Object.fromEntries([...this.#statusOf].map(([name, known]) => [name, conditionsOf(known)]));
    const given = inputs.map(({ from }) => [from, this.#inputValue(from, context) ?? null]);
    return evaluateCondition(this.#tools.version, condition, {
      status,
      inputs: Object.fromEntries(given),
      context,
      parameter: properties,
    });
  }

  async #runTemplate(step: WorkflowStep, id: string, context: JsonObject, outcome: StepOutcome): Promise<JsonObject> {
    const { memory } = this.#instance;
    const fail = (error: unknown, reason: 'Execute' | 'Input'): JsonObject => {
      outcome.error((error as Error).message, reason, memory.backoff.failed(id));
      return {};
    };
    let parameter: JsonObject;
    try {
      parameter = this.#parameterOf(step, context);
    } catch (error) {
      return fail(error, 'Input');
    }
    try {
      const phaseBefore = this.#statusOf.get(step.name)?.phase;
      return await this.#tools.runStep({ step, id, parameter, context, phaseBefore, memory, outcome });
    } catch (error) {
      return fail(error, 'Execute');
    }
  }

  #parameterOf({ inputs = [], properties = {} }: WorkflowStep, context: JsonObject): JsonObject {
    return inputs.reduce<JsonObject>((parameter, { from, parameterKey }) => {
      const value = this.#inputValue(from, context);
      if (value === undefined) throw new Error(`get input from [${from}]: it does not exist`);
      // What is no path is let pass, and feeds nothing.
      const path = parameterKey === undefined ? undefined : parsePath(`parameter.${parameterKey}`)?.slice(1);
      return path === undefined ? parameter : (fillIn(parameter, path, value) as JsonObject);
    }, properties);
  }

  /** Source: kubevela/workflow: pkg/hooks/data_passing.go */
  #handOn(step: WorkflowStep, fields: JsonObject, outcome: StepOutcome): void {
    this.#nameAgain(step, statusOf(step, '', outcome));
    const complaints: string[] = [];
    for (const { name, valueFrom } of step.outputs ?? []) {
      const older = belowReturns(valueFrom);
      const [value] = [valueFrom, older].map((path) => lookUp(fields, parsePath(path))).filter(isThere);
      if (value === undefined) {
        const why = `failed to lookup value: var(path=${older}) not exist`;
        complaints.push(`failed to get output from ${valueFrom}: ${why}\n`);
      }
      this.#instance.memory.vars[name] = value ?? null;
    }
    if (complaints.length > 0 && outcome.phase !== 'skipped') outcome.message = complaints.join('');
  }

  async #runGroup(step: WorkflowStep, id: string, outcome: StepOutcome): Promise<StepStatus> {
    const { name, subSteps = [], mode = this.#instance.mode.subSteps } = step;
    if (outcome.phase !== 'succeeded') this.#statusOf.set(name, statusOf(step, id, outcome));
    this.#group = step;
    await this.#run(subSteps, mode === 'DAG');
    this.#group = undefined;
    const known = this.#steps.find((status) => status.name === name)?.subSteps ?? [];
    const { phase, reason, message } = groupOutcome(outcome, known, subSteps.length);
    this.#isTerminated ||= reason === 'Timeout';
    return statusOf(step, id, { phase, reason, message });
  }

  #contextOf({ name }: WorkflowStep, id: string): JsonObject {
    const group = this.#group === undefined ? {} : { stepGroupName: this.#group.name };
    return { ...this.#instance.context, ...group, stepName: name, stepSessionID: id };
  }

  #record(newest: StepStatus): void {
    const { clock } = this.#tools;
    this.#instance.memory.backoff.executed(clock.now());
    const lastExecuteTime = timestamp(clock);
    const into = (statuses: readonly StepStatus[]): readonly StepStatus[] => {
      const known = statuses.find(({ name }) => name === newest.name);
      const status = {
        ...newest,
        firstExecuteTime: known?.firstExecuteTime ?? lastExecuteTime,
        lastExecuteTime,
        ...(known?.subSteps !== undefined && { subSteps: known.subSteps }),
      };
      this.#statusOf.set(newest.name, status);
      return known === undefined ? [...statuses, status] : statuses.map((other) => (other === known ? status : other));
    };
    if (this.#group === undefined) {
      this.#steps = into(this.#steps);
      return;
    }
    const { name } = this.#group;
    const group = this.#steps.find((status) => status.name === name);
    const withStatus = {
      ...(group ?? { name, firstExecuteTime: lastExecuteTime }),
      subSteps: into(group?.subSteps ?? []),
    };
    this.#steps =
      group === undefined
        ? [...this.#steps, withStatus]
        : this.#steps.map((status) => (status === group ? withStatus : status));
  }

  #planNext(): void {
    const now = this.#tools.clock.now();
    const timeouts = this.#steps
      .filter(({ phase }) => phase === 'running')
      .flatMap(({ name }) => this.#timeouts.get(name) ?? [])
      .map((time) => Math.max(1, Math.ceil((time - now) / 1_000)));
    this.#instance.memory.backoff.planNext(
      withSubSteps(this.#steps).flatMap(({ id }) => id ?? []),
      this.#steps.some(({ phase }) => phase === 'failed'),
      timeouts.length === 0 ? undefined : Math.min(...timeouts),
    );
  }

  /** Conditions may name a step by the object or component that it is about. */
  #nameAgain({ name, properties }: WorkflowStep, status = this.#statusOf.get(name)): void {
    const other = properties?.name ?? properties?.component;
    if (typeof other === 'string' && status !== undefined && !this.#statusOf.has(other))
      this.#statusOf.set(other, status);
  }
}

function statusOf(
  { name, type }: WorkflowStep,
  id: string,
  { phase, reason, message }: Pick<StepOutcome, 'phase' | 'reason' | 'message'>,
): StepStatus {
  return { id, name, type, phase, ...(reason !== undefined && { reason }), ...(message !== undefined && { message }) };
}

/** What `if` sees of a step. */
function conditionsOf(status: StepStatus): JsonObject {
  const { phase, reason } = status;
  return {
    ...(JSON.parse(JSON.stringify(status)) as JsonObject),
    failed: phase === 'failed',
    succeeded: phase === 'succeeded',
    skipped: phase === 'skipped',
    timeout: reason === 'Timeout',
    failedAfterRetries: reason === 'FailedAfterRetries',
    terminate: reason === 'Terminate',
  };
}

function isThere(value: Json | undefined): value is Json {
  return value !== undefined;
}

/** Outputs written for the older form of calls are found in the newer one. */
function belowReturns(path: string): string {
  return path.startsWith('output.') ? path.replace('output.', 'output.$returns.') : `${path}.$returns`;
}

type GroupOutcome = Pick<StepOutcome, 'phase' | 'reason' | 'message'>;

/** Source: kubevela/workflow: pkg/tasks/builtin/step_group.go */
function groupOutcome(outcome: GroupOutcome, known: readonly StepStatus[], count: number): GroupOutcome {
  if (outcome.phase === 'skipped' || outcome.reason === 'Timeout') return outcome;
  const has = (wanted: StepPhase) => known.some(({ phase }) => phase === wanted);
  const { message } = outcome;
  if (has('suspending')) return { phase: 'suspending', reason: undefined, message };
  if (known.length < count || has('running')) return { phase: 'running', reason: undefined, message };
  if (has('pending')) return { phase: 'pending', reason: undefined, message };
  if (has('failed')) {
    const reasons = ['FailedAfterRetries', 'Timeout', 'Action', 'Terminate'];
    const reason = reasons.find((wanted) => known.some((status) => status.reason === wanted));
    return { phase: 'failed', reason, message };
  }
  if (count > 0 && known.every(({ phase }) => phase === 'skipped'))
    return { phase: 'skipped', reason: 'Skip', message };
  return { phase: 'succeeded', reason: undefined, message };
}
