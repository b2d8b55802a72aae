/**
 * The real server in a process of its own that kills itself at a given point, as a power cut would, or stops there until it is
 * told to go on. Prints `{"url": …}` when it serves. Product code knows nothing of this: it stands between the parts.
 *
 *   npx node test/e2e/server-program.ts '{"config": "/…/aftersync.yaml", "killAt": "after-intent"}'
 */
import { loadConfig } from '../../src/config.ts';
import type { HttpFetch } from '../../src/core/connection.ts';
import type { EffectRecord, ExecutionStatus } from '../../src/core/execution.ts';
import type { ExecutionStore } from '../../src/core/store.ts';
import { connectionTypes, serve } from '../../src/main.ts';
import { steps } from '../../src/steps/index.ts';

/** The journaled points of a dispatch, in the order in which they are passed. */
export const killPoints = [
  'before-intent',
  'after-intent',
  'after-send',
  'before-result',
  'after-result',
  'while-waiting',
] as const;
export type KillPoint = (typeof killPoints)[number];
/** Between intent and send: before anything else is asked, and when the engine has handed the request over. */
export type StopPoint = 'after-intent' | 'before-send';

export interface ServerProgramOptions {
  /** Path of the configuration. */
  readonly config: string;
  readonly killAt?: KillPoint;
  readonly stopAt?: StopPoint;
}

if (import.meta.main) {
  const options: ServerProgramOptions = JSON.parse(process.argv[2] ?? '{}');
  const config = await loadConfig({ path: options.config, cwd: process.cwd(), connectionTypes, steps });
  const { killAt, stopAt } = options;
  const halt = killAt === undefined ? stopOnce() : die;
  const at = killAt ?? stopAt;
  const wiring = at === undefined ? {} : { wrapStore: haltingStore(at, halt), wrapFetch: haltingFetch(at, halt) };
  const server = await serve(config, wiring);
  process.once('SIGTERM', () => void server.close());
  console.log(JSON.stringify({ url: server.url }));
}

/** Never returns: nothing after it runs in this process. */
function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
}

/** The first time. Who goes on from there is told so by SIGCONT. */
function stopOnce(): () => Promise<void> {
  let isNew = true;
  return async () => {
    if (isNew) process.kill(process.pid, 'SIGSTOP');
    isNew = false;
  };
}

type HaltPoint = KillPoint | StopPoint;

function haltingStore(haltAt: HaltPoint, halt: () => Promise<void>) {
  return (store: ExecutionStore): ExecutionStore => {
    const update: ExecutionStore['update'] = async (key, version, status) => {
      const point = pointOf(status);
      if (point !== undefined && haltAt === `before-${point}`) await halt();
      const stored = await store.update(key, version, status);
      if (point !== undefined && haltAt === `after-${point}`) await halt();
      return stored;
    };
    return new Proxy(store, {
      get: (target, name) => {
        if (name === 'update') return update;
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  };
}

/** What a write of the dispatch's record is. */
function pointOf({ effects }: ExecutionStatus): 'intent' | 'result' | undefined {
  const dispatch: EffectRecord | undefined = effects.find(({ name }) => name === 'dispatch');
  if (dispatch === undefined) return undefined;
  return dispatch.result === undefined ? 'intent' : 'result';
}

function haltingFetch(haltAt: HaltPoint, halt: () => Promise<void>) {
  return (fetch: HttpFetch): HttpFetch =>
    async (request) => {
      const { pathname } = new URL(request.url);
      const isDispatch = request.method === 'POST' && pathname.endsWith('/dispatches');
      const isPoll = request.method === 'GET' && /\/actions\/runs\/[0-9]+$/.test(pathname);
      if (isDispatch && haltAt === 'before-send') await halt();
      try {
        return await fetch(request);
      } finally {
        if ((isDispatch && haltAt === 'after-send') || (isPoll && haltAt === 'while-waiting')) await halt();
      }
    };
}
