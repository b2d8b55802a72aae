import { type Execution, isFinal } from '../../core/execution.ts';
import type { RetentionRule } from '../../core/store.ts';
import type { EpochMs } from '../../core/time.ts';
import { compareAge } from './age.ts';
import type { ExecutionCache } from './execution-cache.ts';

export function hasSucceeded({ status }: Execution): boolean {
  return status.state === 'succeeded';
}

export function hasIntent({ status }: Execution): boolean {
  return status.effects.length > 0;
}

/** By createdAt, of those that are meant. */
export function newest(
  executions: Iterable<Execution>,
  isMeant: (execution: Execution) => boolean,
): Execution | undefined {
  let found: Execution | undefined;
  for (const execution of executions) {
    if (isMeant(execution) && (found === undefined || compareAge(execution, found) > 0)) found = execution;
  }
  return found;
}

/** What the rule lets go, at most `limit`. */
export function disposable(cache: ExecutionCache, rule: RetentionRule, limit: number): Execution[] {
  const found: Execution[] = [];
  for (const execution of disposableOf(cache, rule)) {
    if (found.length === limit) break;
    found.push(execution);
  }
  return found;
}

function* disposableOf(cache: ExecutionCache, { before, surplus }: RetentionRule): Iterable<Execution> {
  for (const execution of cache.all()) {
    if (execution.status.originStep === undefined && hasEnded(execution, before)) yield execution;
  }
  for (const originStep of cache.originSteps()) {
    const all = [...cache.ofOriginStep(originStep)].sort((a, b) => compareAge(b, a));
    const kept = [all.find(hasSucceeded), all.find(hasIntent)];
    const ended = all.filter(({ status }) => isFinal(status.state));
    for (const [rank, execution] of ended.entries()) {
      const isSurplus = surplus !== undefined && rank >= surplus.perStep && hasEnded(execution, surplus.before);
      if (!kept.includes(execution) && (isSurplus || hasEnded(execution, before))) yield execution;
    }
  }
}

function hasEnded({ status }: Execution, before: EpochMs): boolean {
  return isFinal(status.state) && (status.finishedAt ?? before) < before;
}
