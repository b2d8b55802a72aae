import { CommanderError } from 'commander';
import { CommandError, type ExitCode, exitCodes } from './exit.ts';
import { createProgram } from './program.ts';
import type { Session } from './session.ts';
import { coloured } from './terminal.ts';

/** Runs one command line; says on stderr what went wrong, and never throws. */
export async function main({
  args,
  session,
}: {
  readonly args: readonly string[];
  readonly session: Session;
}): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.succeeded;
  try {
    await createProgram(session, (code) => {
      exitCode = code;
    }).parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Help and version end so too; Commander has written all that there is to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.succeeded : exitCodes.usage;
    return explain(error, session);
  }
}

function explain(error: unknown, { stderr }: Session): ExitCode {
  const mark = coloured(stderr, 'red', 'error:');
  if (error instanceof CommandError) {
    stderr.write(`${mark} ${error.message}\n${error.advice === undefined ? '' : `${error.advice}\n`}`);
    return error.exitCode;
  }
  if (!(error instanceof Error) || isFault(error)) {
    stderr.write(`${mark} a fault of aftersync, please report it: ${error instanceof Error ? error.stack : error}\n`);
    return exitCodes.failed;
  }
  // By its name: the class would bring all that reads the configuration into every command.
  if (error.name === 'ConfigError') {
    stderr.write(
      `${error.message}\n${mark} the configuration has mistakes; docs/configuration.md describes its keys\n`,
    );
    return exitCodes.usage;
  }
  stderr.write(`${mark} ${error.message}\n`);
  return exitCodes.failed;
}

/** Errors that only a mistake in the program throws. What else comes here is meant to be read. */
function isFault(error: Error): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
}
