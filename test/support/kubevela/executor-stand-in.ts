import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import type { JsonObject } from '../../../src/core/json.ts';
import { type Listening, listenOnLoopback } from '../listen.ts';

/** What a step's call asked. */
export interface AskedStep {
  /** Of the path: the step's session id. */
  readonly id: string;
  /** The step's name in its workflow. */
  readonly step: string;
  readonly body: JsonObject;
}

interface StandInAnswer {
  readonly status?: number;
  /** JSON, or text as it is. */
  readonly body: JsonObject | string;
}

/** Stands in for aftersync where the workflow engine itself is under test: answers each step as it is told. */
export class ExecutorStandIn implements AsyncDisposable {
  readonly asked: AskedStep[] = [];
  readonly #answers = new Map<string, StandInAnswer>();
  readonly #server: Listening;

  private constructor(server: Listening) {
    this.#server = server;
  }

  static async start(): Promise<ExecutorStandIn> {
    const server = createServer((request, response) => {
      const answered = text(request).then((received) => {
        const { status = 200, body } = standIn.#answer(request.url ?? '', received);
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(typeof body === 'string' ? body : JSON.stringify(body));
      });
      // An engine that gives up while it sends is no mistake of ours.
      answered.catch(() => response.destroy());
    });
    const standIn = new ExecutorStandIn(await listenOnLoopback(server));
    return standIn;
  }

  get url(): string {
    return this.#server.url;
  }

  /** From now on, to the step of that name. Every step is answered that it runs until told otherwise. */
  answer(step: string, state: string, message: string, outputs: JsonObject = {}): void {
    this.#answers.set(step, { body: { state, message, outputs } });
  }

  answerWith(step: string, answer: StandInAnswer): void {
    this.#answers.set(step, answer);
  }

  askedBy(step: string): readonly AskedStep[] {
    return this.asked.filter((asked) => asked.step === step);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.close();
  }

  #answer(path: string, received: string): StandInAnswer {
    const body = JSON.parse(received || '{}') as JsonObject & { readonly origin?: { readonly step?: string } };
    const step = body.origin?.step ?? path;
    this.asked.push({ id: path.split('/').at(-1) ?? '', step, body });
    return this.#answers.get(step) ?? { body: { state: 'running', message: 'in progress', outputs: {} } };
  }
}
