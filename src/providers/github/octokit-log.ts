import type { Logger } from 'pino';

/**
 * What Octokit has to say, in our log. Only its sentences are taken: behind them it hands over whole requests, headers
 * included. It calls every 304 and 404 an error, so that a failed request is told where it matters and not here.
 */
export function octokitLog(log: Logger) {
  let isDeprecationTold = false;
  return {
    debug: () => {},
    info: (message: string) => log.debug(message),
    error: (message: string) => log.debug(message),
    /** Warnings are of deprecated calls, and come with every single answer. */
    warn(message: string) {
      if (isDeprecationTold) return;
      isDeprecationTold = true;
      log.warn(message);
    },
  };
}
