import { type Execution, type ExecutionKey, isFinal, isOpen, keyText } from '../../src/core/execution.ts';
import type { ListFilter, RetentionRule, UnfinishedEntry } from '../../src/core/store.ts';

/** What a store holds, in the plainest way that the contract can be said. */
export class StoreModel {
  readonly #executions = new Map<string, Execution>();

  get(key: ExecutionKey): Execution | undefined {
    return this.#executions.get(keyText(key));
  }

  put(execution: Execution): void {
    this.#executions.set(keyText(execution), execution);
  }

  delete(key: ExecutionKey): void {
    this.#executions.delete(keyText(key));
  }

  /** Newest first. */
  list(filter: ListFilter = {}): Execution[] {
    return [...this.#executions.values()].filter((execution) => matches(execution, filter)).sort(newestFirst);
  }

  lastSucceeded(originStep: string): Execution | undefined {
    return this.#newest(originStep, ({ status }) => status.state === 'succeeded');
  }

  lastWithIntent(originStep: string): Execution | undefined {
    return this.#newest(originStep, ({ status }) => status.effects.length > 0);
  }

  /** In the order of their keys. */
  unfinished(): UnfinishedEntry[] {
    const entries = this.list()
      .filter(({ status }) => !isFinal(status.state))
      .map(({ namespace, id, deadline, status }) => ({
        namespace,
        id,
        deadline,
        ...(status.wakeAt === undefined ? {} : { wakeAt: status.wakeAt }),
        signals: status.signals,
        hasOpenEffect: status.effects.some(isOpen),
        isStopped: status.stop !== undefined,
      }));
    return inKeyOrder(entries);
  }

  /** What deleteFinished may delete; with a limit it may choose among these. */
  deletable({ before, surplus }: RetentionRule): Execution[] {
    const hasEnded = ({ status }: Execution, time: number) =>
      isFinal(status.state) && (status.finishedAt ?? time) < time;
    const isSurplus = (execution: Execution) =>
      surplus !== undefined && hasEnded(execution, surplus.before) && this.#rank(execution) >= surplus.perStep;
    return this.list().filter(
      (execution) => (hasEnded(execution, before) || isSurplus(execution)) && !this.#isKept(execution),
    );
  }

  /** How many of its recurring step have ended and are newer; none where nothing recurs. */
  #rank(execution: Execution): number {
    const { originStep } = execution.status;
    if (originStep === undefined) return 0;
    const ended = this.list().filter(({ status }) => status.originStep === originStep && isFinal(status.state));
    return ended.indexOf(execution);
  }

  unfinishedOf(originStep: string, limit: number): Execution[] {
    const isMeant = ({ status }: Execution) => status.originStep === originStep && !isFinal(status.state);
    return this.list().filter(isMeant).slice(0, limit);
  }

  #isKept(execution: Execution): boolean {
    const { originStep } = execution.status;
    if (originStep === undefined) return false;
    return execution === this.lastSucceeded(originStep) || execution === this.lastWithIntent(originStep);
  }

  #newest(originStep: string, isMeant: (execution: Execution) => boolean): Execution | undefined {
    return this.list().find((execution) => execution.status.originStep === originStep && isMeant(execution));
  }
}

export function inKeyOrder<T extends ExecutionKey>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => compareText(keyText(a), keyText(b)));
}

function matches({ namespace, request, status }: Execution, filter: ListFilter): boolean {
  const origin = request.origin && `${request.origin.kind}/${request.origin.namespace}/${request.origin.name}`;
  return (
    (filter.namespaces?.includes(namespace) ?? true) &&
    (filter.step === undefined || filter.step === request.step) &&
    (filter.states?.includes(status.state) ?? true) &&
    (filter.origin === undefined || filter.origin === origin || filter.origin === `${origin}/${request.origin?.step}`)
  );
}

function newestFirst(a: Execution, b: Execution): number {
  return b.createdAt - a.createdAt || compareText(b.namespace, a.namespace) || compareText(b.id, a.id);
}

/** By code unit, as databases compare the labels that keys consist of. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
