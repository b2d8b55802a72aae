import { type ClientSettings, clientSettings } from '../config/client-settings.ts';
import { usageError } from './exit.ts';
import type { OutputFormat } from './output.ts';
import { RestClient } from './rest-client.ts';
import type { Terminal } from './terminal.ts';

/** The options that every command takes. */
export interface GlobalOptions {
  readonly config?: string;
  readonly server?: string;
  readonly tokenFile?: string;
  readonly output: OutputFormat;
}

/** What a command works with. */
export interface Session extends Terminal {
  readonly cwd: string;
  /**
   * Aborted by the first SIGINT or SIGTERM from this call on, so that the command can end as it should; the second one
   * ends the process. Without this call the first one does.
   */
  interruption(): AbortSignal;
}

/** A client of the server that options and environment name. Throws CommandError. */
export function connect({ cwd }: Session, { server, tokenFile }: GlobalOptions): RestClient {
  let settings: ClientSettings;
  try {
    settings = clientSettings({ server, tokenFile, cwd });
  } catch (error) {
    throw usageError(error instanceof Error ? error.message : String(error));
  }
  return new RestClient(settings);
}
