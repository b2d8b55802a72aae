import { isFinal } from '../../core/execution.ts';
import { parseDurationMs } from '../../core/time.ts';
import type { ExecutionAnswer, Runner } from '../answers.ts';
import { executionLines } from '../execution-view.ts';
import { type ExitCode, exitCodeOf, exitCodes, usageError } from '../exit.ts';
import { writeResult } from '../output.ts';
import { type ParamsOptions, readParams } from '../params.ts';
import { Progress } from '../progress.ts';
import { connect, type GlobalOptions, type Session } from '../session.ts';
import { hintToFollow, watchCommand } from '../watch-command.ts';

export interface RunOptions extends GlobalOptions, ParamsOptions {
  readonly key?: string;
  readonly id?: string;
  readonly namespace?: string;
  readonly timeout?: string;
  readonly wait?: boolean;
  readonly waitTimeout?: string;
  readonly local?: boolean;
}

/** Starts a step, and with `--wait` or `--local` follows it to its end. */
export async function run(step: string, options: RunOptions, session: Session): Promise<ExitCode> {
  const { id, key, namespace, timeout } = options;
  if (id !== undefined && key !== undefined)
    throw usageError('--id and --key both name the execution; give one of them');
  const params = await readParams(options, session);
  const request = { step, with: params, ...(timeout !== undefined && { timeout }) };

  await using opened = await openRunner(options, session);
  const { runner } = opened;
  const submitted = await runner.submit(request, { namespace, id, key });
  const isWaiting = options.wait === true || options.waitTimeout !== undefined || options.local === true;
  if (!isWaiting) {
    await writeResult(session.stdout, options.output, submitted, executionLines);
    hintToFollow(submitted, session);
    return exitCodes.succeeded;
  }
  return await followToEnd(runner, submitted, options, session);
}

async function followToEnd(
  runner: Runner,
  submitted: ExecutionAnswer,
  options: RunOptions,
  session: Session,
): Promise<ExitCode> {
  const interrupted = session.interruption();
  const waitMs = parseDurationMs(options.waitTimeout ?? '');
  const timedOut = waitMs === undefined ? new AbortController().signal : AbortSignal.timeout(waitMs);
  const progress = new Progress(session.stderr);
  let last = submitted;
  try {
    progress.note(`${submitted.namespace}/${submitted.id}`);
    const following = runner.follow(submitted, {
      signal: AbortSignal.any([interrupted, timedOut]),
      onGap: (reason) => progress.note(`${reason}; trying again`),
    });
    for await (const execution of following) {
      last = execution;
      progress.update(execution);
    }
  } finally {
    progress.end();
  }
  await writeResult(session.stdout, options.output, last, executionLines);
  if (isFinal(last.state)) return exitCodeOf(last.state);

  const goesOn = options.local
    ? 'it goes on when aftersync is started with the same store'
    : `it goes on; follow it with \`${watchCommand(last)}\``;
  const why = interrupted.aborted ? 'interrupted' : `still ${last.state} after ${options.waitTimeout}`;
  session.stderr.write(`${why}: ${goesOn}\n`);
  return interrupted.aborted ? exitCodes.interrupted : exitCodes.timedOut;
}

async function openRunner(
  options: RunOptions,
  session: Session,
): Promise<{ readonly runner: Runner } & AsyncDisposable> {
  if (!options.local) return { runner: connect(session, options), [Symbol.asyncDispose]: async () => {} };
  if (options.server !== undefined) throw usageError('--local runs in this process, so there is no --server to name');
  const { openLocalRunner } = await import('../local-runner.ts');
  return await openLocalRunner(options, session);
}
