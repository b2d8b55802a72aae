import { isFinal } from '../core/execution.ts';
import type { EpochMs } from '../core/time.ts';
import type { ExecutionAnswer } from './answers.ts';
import { stateText } from './execution-view.ts';
import { fitted, type OutputStream, printable } from './terminal.ts';

const redrawMs = 1_000;

/** What became known between two records of one execution, a line for each. */
export function newsOf(before: ExecutionAnswer | undefined, after: ExecutionAnswer, stream: OutputStream): string[] {
  const effects = after.effects.flatMap((effect) => {
    const known = before?.effects.find(({ name }) => name === effect.name);
    const name = printable(effect.name);
    if (effect.doneAt !== known?.doneAt) return [`effect ${name} is done`];
    if (known === undefined) return [`effect ${name} is being sent`];
    return effect.intentAt === known.intentAt ? [] : [`effect ${name} is being sent again`];
  });
  // What a person follows, such as the run's URL; all else is in the result.
  const outputs = Object.entries(after.outputs).flatMap(([name, value]) =>
    typeof value === 'string' && value !== '' && value !== before?.outputs[name]
      ? [`${printable(name)}: ${printable(value)}`]
      : [],
  );
  const hasMoved = before?.state !== after.state || before.message !== after.message;
  const state = `${stateText(stream, after)}  ${printable(after.message)}`.trimEnd();
  return [...effects, ...outputs, ...(hasMoved ? [state] : [])];
}

/** Tells a person how one execution goes: a line for each news, and on a terminal below them one that counts the time. */
export class Progress {
  readonly #stream: OutputStream;
  readonly #now: () => EpochMs;
  #known: ExecutionAnswer | undefined;
  #redraw: NodeJS.Timeout | undefined;

  constructor(stream: OutputStream, now: () => EpochMs = Date.now) {
    this.#stream = stream;
    this.#now = now;
    if (stream.isTTY) this.#redraw = setInterval(() => this.#drawLive(), redrawMs).unref();
  }

  update(execution: ExecutionAnswer): void {
    const news = newsOf(this.#known, execution, this.#stream);
    this.#known = execution;
    for (const line of news) this.note(line);
  }

  /** A line of its own, beside those about the execution. */
  note(line: string): void {
    this.#clearLive();
    const time = new Date(this.#now()).toTimeString().slice(0, 8);
    this.#stream.write(`${time}  ${line}\n`);
    this.#drawLive();
  }

  /** Leaves the lines, takes away the live one. */
  end(): void {
    clearInterval(this.#redraw);
    this.#clearLive();
    this.#redraw = undefined;
  }

  #drawLive(): void {
    if (this.#redraw === undefined || this.#known === undefined || isFinal(this.#known.state)) return;
    const { step, state, createdAt } = this.#known;
    const text = `${elapsed(this.#now() - Date.parse(createdAt))}  ${step} is ${state}`;
    this.#stream.write(`\r\u001b[K${fitted(this.#stream, text)}`);
  }

  #clearLive(): void {
    if (this.#redraw !== undefined) this.#stream.write('\r\u001b[K');
  }
}

/** `0:07`, `12:30`, `1:02:03`. */
export function elapsed(durationMs: number): string {
  const total = Math.max(0, Math.floor(durationMs / 1_000));
  const [hours, minutes, seconds] = [Math.floor(total / 3_600), Math.floor(total / 60) % 60, total % 60];
  const padded = (part: number) => String(part).padStart(2, '0');
  return hours > 0 ? `${hours}:${padded(minutes)}:${padded(seconds)}` : `${minutes}:${padded(seconds)}`;
}
