import { type ExecutionState, isFinal } from '../core/execution.ts';
import { type EpochMs, formatDurationMs } from '../core/time.ts';
import type { ExecutionAnswer } from './answers.ts';
import { alignedRows } from './table.ts';
import { type Colour, coloured, fitted, type OutputStream, printable } from './terminal.ts';

const colours: Readonly<Record<ExecutionState, Colour>> = {
  pending: 'dim',
  running: 'yellow',
  succeeded: 'green',
  failed: 'red',
  cancelled: 'red',
};

export function stateText(stdout: OutputStream, { state, reason }: ExecutionAnswer): string {
  return coloured(stdout, colours[state], state) + (reason === undefined ? '' : ` (${reason})`);
}

/** `45s`, `12m`, `3h`, `9d`: how long ago something was, in its largest unit. */
export function roughly(durationMs: number): string {
  const seconds = Math.max(0, Math.round(durationMs / 1_000));
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
  ] as const) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)}${unit}`;
  }
  return `${seconds}s`;
}

/** `312ms`, `1m30s`: how long something took. */
function duration(durationMs: number): string {
  return formatDurationMs(Math.max(0, durationMs));
}

/** One execution with all that is known of it. */
export function executionLines(execution: ExecutionAnswer, stdout: OutputStream): string[] {
  const { namespace, id, step, state, message, origin, createdAt, finishedAt, deadline, attempts, effects, outputs } =
    execution;
  const took = finishedAt === undefined ? '' : ` (took ${duration(Date.parse(finishedAt) - Date.parse(createdAt))})`;
  const facts: (readonly [name: string, value: string | undefined])[] = [
    ['id', id],
    ['namespace', namespace],
    ['step', step],
    ['state', stateText(stdout, execution)],
    ['message', printable(message) || undefined],
    ['origin', origin && `${origin.kind} ${origin.namespace}/${origin.name}, step ${printable(origin.step)}`],
    ['created', createdAt],
    ['deadline', finishedAt === undefined ? deadline : undefined],
    ['finished', finishedAt && finishedAt + took],
    ['attempts', attempts > 0 ? `${attempts} failed and were tried again` : undefined],
  ];
  const lines = facts.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(11)}${value}`]));
  if (effects.length > 0) {
    const rows = effects.map((effect) => [
      `  ${printable(effect.name)}`,
      effect.sentAt ?? effect.intentAt,
      effect.doneAt ?? (isFinal(state) ? 'no' : 'not yet'),
    ]);
    lines.push(...alignedRows(['effects', 'SENT', 'DONE'], rows));
  }
  const results = outputLines(outputs);
  return results.length === 0 ? lines : [...lines, 'outputs', ...results.map((line) => `  ${line}`)];
}

/** `name: value` for each output, text as it is and all else as JSON. */
function outputLines(outputs: ExecutionAnswer['outputs']): string[] {
  return Object.entries(outputs).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return `${printable(name)}: ${printable(text ?? '')}`;
  });
}

const stateColumn = 3;

/** A table of executions, the newest first as they came. */
export function executionRows(executions: readonly ExecutionAnswer[], stdout: OutputStream, now: EpochMs): string[] {
  if (executions.length === 0) return ['there are no such executions'];
  const rows = executions.map(({ namespace, id, step, state, reason, createdAt, message }) => [
    namespace,
    id,
    step,
    reason === undefined ? state : `${state} (${reason})`,
    roughly(now - Date.parse(createdAt)),
    printable(message),
  ]);
  const [header = '', ...lines] = alignedRows(['NAMESPACE', 'ID', 'STEP', 'STATE', 'AGE', 'MESSAGE'], rows);
  return [
    header,
    ...lines.map((line, index) => {
      const { state } = executions[index] as ExecutionAnswer;
      const cell = rows[index]?.[stateColumn] ?? '';
      // Only once it is aligned and cut: escape sequences have no width, and must not be cut in two.
      return fitted(stdout, line).replace(`  ${cell}`, `  ${coloured(stdout, colours[state], cell)}`);
    }),
  ];
}

/** One line that says how an execution stands. */
export function changeLine(execution: ExecutionAnswer, stdout: OutputStream): string {
  const { namespace, id, step, message } = execution;
  return `${namespace}/${id}  ${step}  ${stateText(stdout, execution)}  ${printable(message)}`.trimEnd();
}
