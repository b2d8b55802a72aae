import { isFinal } from '../../core/execution.ts';
import { changeLine } from '../execution-view.ts';
import { type ExitCode, exitCodeOf, exitCodes } from '../exit.ts';
import { writeItem } from '../output.ts';
import { connect, type Session } from '../session.ts';
import { type FilterOptions, filterOf } from './executions.ts';

/** Shows each change of one execution until its end, or of all until it is interrupted. */
export async function watch(id: string | undefined, options: FilterOptions, session: Session): Promise<ExitCode> {
  const client = connect(session, options);
  const following = {
    signal: session.interruption(),
    onGap: (reason: string) => session.stderr.write(`${reason}; trying again\n`),
  };
  if (id === undefined && session.stderr.isTTY) {
    session.stderr.write(`changes at ${client.server} from now on; Ctrl-C ends this\n`);
  }
  const changes =
    id === undefined
      ? client.followAll(filterOf(options), following)
      : client.follow(await client.get(id, options.namespace), following);
  for await (const execution of changes) {
    await writeItem(session.stdout, options.output, execution, (value, stdout) => [
      `${new Date().toTimeString().slice(0, 8)}  ${changeLine(value, stdout)}`,
    ]);
    if (id !== undefined && isFinal(execution.state)) return exitCodeOf(execution.state);
  }
  return exitCodes.interrupted;
}
