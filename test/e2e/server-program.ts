/**
 * The real server in a process of its own that kills itself at a given point, as a power cut would. Prints
 * `{"url": …}` when it serves. Product code knows nothing of this: it stands between the parts.
 *
 *   npx node test/e2e/server-program.ts '{"config": "/…/aftersync.yaml", "killAt": "after-intent"}'
 */
import { loadConfig } from '../../src/config.ts';
import type { HttpFetch } from '../../src/core/connection.ts';
import type { EffectRecord, ExecutionStatus } from '../../src/core/execution.ts';
import type { ExecutionStore } from '../../src/core/store.ts';
import { connectionTypes, serve } from '../../src/main.ts';

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

export interface ServerProgramOptions {
  /** Path of the configuration. */
  readonly config: string;
  readonly killAt?: KillPoint;
}

if (import.meta.main) {
  const options: ServerProgramOptions = JSON.parse(process.argv[2] ?? '{}');
  const config = await loadConfig({ path: options.config, cwd: process.cwd(), connectionTypes });
  const { killAt } = options;
  const server = await serve(
    config,
    killAt === undefined ? {} : { wrapStore: killingStore(killAt), wrapFetch: killingFetch(killAt) },
  );
  process.once('SIGTERM', () => void server.close());
  console.log(JSON.stringify({ url: server.url }));
}

/** Never returns: nothing after it runs in this process. */
function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
}

function killingStore(killAt: KillPoint) {
  return (store: ExecutionStore): ExecutionStore => {
    const update: ExecutionStore['update'] = async (key, version, status) => {
      const point = pointOf(status);
      if (point !== undefined && killAt === `before-${point}`) return die();
      const stored = await store.update(key, version, status);
      if (point !== undefined && killAt === `after-${point}`) return die();
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

function killingFetch(killAt: KillPoint) {
  return (fetch: HttpFetch): HttpFetch =>
    async (request) => {
      const { pathname } = new URL(request.url);
      const isDispatch = request.method === 'POST' && pathname.endsWith('/dispatches');
      const isPoll = request.method === 'GET' && /\/actions\/runs\/[0-9]+$/.test(pathname);
      try {
        return await fetch(request);
      } finally {
        if ((isDispatch && killAt === 'after-send') || (isPoll && killAt === 'while-waiting')) await die();
      }
    };
}
