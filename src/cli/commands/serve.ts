import { once } from 'node:events';
import { type ExitCode, exitCodes } from '../exit.ts';
import type { GlobalOptions, Session } from '../session.ts';

/** Serves the API until it is told to stop, and then ends what it has begun. */
export async function serve(options: GlobalOptions, session: Session): Promise<ExitCode> {
  // Before all else, so that a signal during the start ends it as it should.
  const interrupted = session.interruption();
  // Only here, so that all other commands start without them.
  const [main, { configuration }] = await Promise.all([import('../../main.ts'), import('../configuration.ts')]);
  const server = await main.serve(await configuration(options, session));
  session.stderr.write(`aftersync serves ${server.url}\n`);
  if (server.hooksUrl !== undefined) session.stderr.write(`webhooks are received at ${server.hooksUrl}\n`);
  if (!interrupted.aborted) await once(interrupted, 'abort');
  session.stderr.write('stopping as soon as what is being sent has ended; a second signal stops at once\n');
  await server.close();
  return exitCodes.succeeded;
}
