import type { ExecutionAnswer } from '../../src/cli/answers.ts';
import { newsOf } from '../../src/cli/progress.ts';
import type { Stage } from './stage.ts';

/** One thing that the demo shows. Scenes are played in the order of scenes/index.ts. */
export interface Scene {
  readonly title: string;
  /** Throws a SceneFailed where what it shows is not so. */
  play(stage: Stage): Promise<readonly Finding[]>;
}

/** A line of the summary. */
export interface Finding {
  readonly count: number;
  readonly what: string;
}

/** The software did not do what the demo says that it does. */
export class SceneFailed extends Error {}

/** A count that must come out as promised. */
export function counted(count: number, expected: number, what: string): Finding {
  if (count !== expected) throw new SceneFailed(`expected ${expected}, found ${count}: ${what}`);
  return { count, what };
}

/** Shows each change of an execution as the server tells it, until `isEnough` or its end. */
export async function followUntil(
  { api, timeline }: Stage,
  id: string,
  isEnough: (execution: ExecutionAnswer) => boolean = () => false,
): Promise<ExecutionAnswer> {
  const following = async (): Promise<ExecutionAnswer> => {
    let last: ExecutionAnswer | undefined;
    for await (const execution of api.follow(id)) {
      for (const line of newsOf(last, execution, timeline.stream)) timeline.event('aftersync', line);
      last = execution;
      if (isEnough(execution)) break;
    }
    if (last === undefined) throw new SceneFailed(`the server told nothing of execution ${id}`);
    return last;
  };
  return await timeline.waiting(`execution ${id}`, following());
}

export function requireSuccess({ id, state, reason, message }: ExecutionAnswer): void {
  if (state !== 'succeeded') throw new SceneFailed(`execution ${id} ${state} (${reason ?? 'no reason'}): ${message}`);
}
