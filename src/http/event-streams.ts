import type { Response } from 'express';
import { type Execution, type ExecutionKey, isFinal } from '../core/execution.ts';
import { limits } from '../core/limits.ts';
import { Problem } from '../core/problem.ts';
import type { Clock } from '../core/time.ts';
import { notFound } from './answer.ts';
import { ExecutionChange, isNewer } from './execution-changes.ts';
import { type HeldAnswerParts, type HeldAnswers, placeRetryAfterSeconds } from './held-answers.ts';
import { writeHead } from './write-head.ts';

/** A reader that is this far behind is cut off: it connects again and starts from the record as it stands then. */
const mostBufferedBytes = 1024 * 1024;

/** Server-sent events: `id` is the record's version, `event` is `execution`, `data` is the answer that a GET gives. */
export interface EventStreams extends HeldAnswers {
  /** The record, then each change, until the final state. Problems: not-found, too-many-streams. */
  followOne(key: ExecutionKey, res: Response): Promise<void>;
  /** Each change of an execution that matches, until the client goes. Problems: too-many-streams. */
  followAll(matches: (execution: Execution) => boolean, res: Response): void;
}

export function createEventStreams({ store, changes, clock, most }: HeldAnswerParts): EventStreams {
  const open = new Set<EventStream>();
  let isDraining = false;

  function admit(res: Response): EventStream {
    if (open.size >= most) {
      throw new Problem('too-many-streams', `${most} event streams are open`, {
        retryAfterSeconds: placeRetryAfterSeconds,
      });
    }
    const stream = new EventStream(res, clock);
    open.add(stream);
    stream.onClose(() => open.delete(stream));
    return stream;
  }

  async function followOne(key: ExecutionKey, res: Response): Promise<void> {
    const stream = admit(res);
    let told: Execution | undefined;
    let isDeleted = false;
    const tell = (change: ExecutionChange): void => {
      if (change.isDeletion) {
        isDeleted = true;
        if (told !== undefined) stream.end();
        return;
      }
      if (told !== undefined && !isNewer(change.execution, told)) return;
      told = change.execution;
      stream.send(change);
      if (isFinal(told.status.state)) stream.end();
    };
    // Before the read, so that no change falls between the two.
    stream.onClose(changes.followOne(key, tell));
    try {
      const first = await store.get(key);
      if (first !== undefined && !isDeleted) tell(new ExecutionChange(first));
      if (told === undefined) throw notFound(key);
      if (isDraining) stream.end();
    } catch (error) {
      stream.close();
      throw error;
    }
  }

  function followAll(matches: (execution: Execution) => boolean, res: Response): void {
    const stream = admit(res);
    stream.onClose(
      changes.followAll((change) => {
        if (!change.isDeletion && matches(change.execution)) stream.send(change);
      }),
    );
    stream.comment('connected');
    if (isDraining) stream.end();
  }

  return {
    followOne,
    followAll,
    get count() {
      return open.size;
    },
    drain() {
      isDraining = true;
      // The others have not read yet, and see to it themselves.
      for (const stream of open) if (stream.isStarted) stream.end();
    },
  };
}

class EventStream {
  readonly #res: Response;
  readonly #clock: Clock;
  readonly #releases: (() => void)[] = [];
  #cancelHeartbeat = () => {};

  constructor(res: Response, clock: Clock) {
    this.#res = res;
    this.#clock = clock;
    this.#beatLater();
    res.once('close', () => this.close());
  }

  get isStarted(): boolean {
    return this.#res.headersSent;
  }

  onClose(release: () => void): void {
    this.#releases.push(release);
  }

  send({ execution, answer }: ExecutionChange): void {
    this.#write(`id: ${execution.version}\nevent: execution\ndata: ${answer.text}\n\n`);
  }

  comment(text: string): void {
    this.#write(`: ${text}\n\n`);
  }

  /** Ends the answer as it should end; a reader that sees this need not come back. */
  end(): void {
    this.close();
    this.#res.end();
  }

  /** Follows nothing any more, and leaves the answer to the caller. */
  close(): void {
    this.#cancelHeartbeat();
    for (const release of this.#releases.splice(0)) release();
  }

  #write(text: string): void {
    // The client is gone, or the stream has ended while its record was being read.
    if (this.#res.destroyed || this.#res.writableEnded) return;
    if (!this.isStarted) {
      writeHead(this.#res, 200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
    }
    this.#res.write(text);
    // An answer to HEAD has no body to wait for.
    if (this.#res.req.method === 'HEAD') this.end();
    if (this.#res.writableLength > mostBufferedBytes) this.#res.destroy();
  }

  #beatLater(): void {
    this.#cancelHeartbeat = this.#clock.at(this.#clock.now() + limits.heartbeatMs, () => {
      this.#beatLater();
      if (this.isStarted) this.comment('still here');
    });
  }
}
