import { EventEmitter, on } from 'node:events';
import { type Execution, type ExecutionKey, isFinal, sameKey } from '../core/execution.ts';
import { Problem } from '../core/problem.ts';
import { isLabel } from '../core/request.ts';
import { toAnswer } from '../http/answer.ts';
import { idOfKey, randomId } from '../http/own-ids.ts';
import { createLog, type LocalEngine, openLocal } from '../main.ts';
import type { ExecutionAnswer, RunIdentity, Runner, RunRequest } from './answers.ts';
import { configuration } from './configuration.ts';
import { usageError } from './exit.ts';
import { refusalOf } from './refusal.ts';
import type { GlobalOptions, Session } from './session.ts';

/** As on a server without authentication, so that a key finds the same execution there and here. */
const caller = 'anonymous';

/** The engine on the configured store, in this process. What is unfinished in the store goes on, too. */
export async function openLocalRunner(
  options: GlobalOptions,
  session: Session,
): Promise<{ readonly runner: Runner } & AsyncDisposable> {
  const config = await configuration(options, session);
  // It would take its share of what the servers of that cluster do, with what this machine has of connections and secrets.
  if (config.store.type === 'kubernetes') {
    throw usageError(
      '--local works on a store of its own, and the configured one is shared by the servers of a cluster',
      'ask one of them with --server URL, or name a configuration with a store of type sqlite with --config',
    );
  }
  // Results have stdout to themselves.
  const log = createLog({ log: { level: 'warn' } }, session.stderr);
  const local = await openLocal(config, { log });
  local.engine.start();
  return { runner: new LocalRunner(local, config.namespace), [Symbol.asyncDispose]: () => local.close() };
}

class LocalRunner implements Runner {
  readonly #local: LocalEngine;
  readonly #ownNamespace: string;

  constructor(local: LocalEngine, ownNamespace: string) {
    this.#local = local;
    this.#ownNamespace = ownNamespace;
  }

  async submit(request: RunRequest, identity: RunIdentity): Promise<ExecutionAnswer> {
    const namespace = identity.namespace ?? this.#ownNamespace;
    if (!isLabel(namespace)) throw usageError(`a namespace is a DNS label, found ${JSON.stringify(namespace)}`);
    const { key } = identity;
    try {
      const id = identity.id ?? (key === undefined ? randomId() : idOfKey({ namespace, caller, key }));
      const { execution } = await this.#local.engine.accept({ namespace, id, body: request, caller });
      return shown(execution);
    } catch (error) {
      throw error instanceof Problem ? refusalOf(error) : error;
    }
  }

  async *follow(key: ExecutionKey, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<ExecutionAnswer> {
    const { store } = this.#local;
    const changes = new EventEmitter();
    // Before the read, so that no change falls between the two.
    const queue = on(changes, 'change', { signal });
    const release = store.watch((execution) => {
      if (sameKey(execution, key)) changes.emit('change', execution);
    });
    try {
      let told = await store.get(key);
      if (told === undefined) return;
      yield shown(told);
      if (isFinal(told.status.state)) return;
      for await (const [change] of queue as AsyncIterable<[Execution]>) {
        if (change.version <= told.version) continue;
        told = change;
        yield shown(told);
        if (isFinal(told.status.state)) return;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      release();
    }
  }
}

/** As the API would answer it: without keys that hold nothing. */
function shown(execution: Execution): ExecutionAnswer {
  return JSON.parse(JSON.stringify(toAnswer(execution))) as ExecutionAnswer;
}
