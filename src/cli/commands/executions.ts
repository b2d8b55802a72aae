import { isFinal } from '../../core/execution.ts';
import type { ExecutionAnswer } from '../answers.ts';
import { executionLines, executionRows } from '../execution-view.ts';
import { type ExitCode, exitCodes } from '../exit.ts';
import { writeResult } from '../output.ts';
import type { Filter } from '../rest-client.ts';
import { connect, type GlobalOptions, type Session } from '../session.ts';
import { hintToFollow } from '../watch-command.ts';

export interface ExecutionOptions extends GlobalOptions {
  readonly namespace?: string;
}

export interface FilterOptions extends ExecutionOptions {
  readonly step?: string;
  readonly state: readonly string[];
}

export interface ListOptions extends FilterOptions {
  readonly limit?: string;
  readonly all?: boolean;
}

export function filterOf({ namespace, step, state }: FilterOptions): Filter {
  return { namespace, step, state: state.length === 0 ? undefined : state.join(',') };
}

/** Shows one execution as it stands. */
export async function get(id: string, options: ExecutionOptions, session: Session): Promise<ExitCode> {
  const execution = await connect(session, options).get(id, options.namespace);
  await writeResult(session.stdout, options.output, execution, executionLines);
  return exitCodes.succeeded;
}

/** Shows the newest executions, or with `--all` all of them. */
export async function list(options: ListOptions, session: Session): Promise<ExitCode> {
  const client = connect(session, options);
  const filter = filterOf(options);
  const items: ExecutionAnswer[] = [];
  let next: string | undefined;
  do {
    const page = await client.list(filter, {
      ...(options.limit !== undefined && { limit: options.limit }),
      ...(next !== undefined && { continue: next }),
    });
    items.push(...page.items);
    next = page.continue;
  } while (options.all && next !== undefined);

  await writeResult(session.stdout, options.output, items, (executions, stdout) =>
    executionRows(executions, stdout, Date.now()),
  );
  if (next !== undefined) session.stderr.write(`there are more: --all lists them, --limit makes the page longer\n`);
  return exitCodes.succeeded;
}

/** Asks an execution to end. */
export async function cancel(id: string, options: ExecutionOptions, session: Session): Promise<ExitCode> {
  return await act('cancel', id, options, session);
}

/** Runs the request of an execution that has ended again, as a new execution. */
export async function retry(id: string, options: ExecutionOptions, session: Session): Promise<ExitCode> {
  return await act('retry', id, options, session);
}

async function act(
  action: 'cancel' | 'retry',
  id: string,
  options: ExecutionOptions,
  session: Session,
): Promise<ExitCode> {
  const execution = await connect(session, options).act(action, id, options.namespace);
  await writeResult(session.stdout, options.output, execution, executionLines);
  if (action === 'cancel' && !isFinal(execution.state)) session.stderr.write('it was asked to end, and is about to\n');
  hintToFollow(execution, session);
  return exitCodes.succeeded;
}
