import { type Config, loadConfig } from '../config.ts';
import { connectionTypes } from '../providers/index.ts';
import { steps } from '../steps/index.ts';
import type { GlobalOptions, Session } from './session.ts';

/** The configuration of what runs in this process. Throws ConfigError. */
export function configuration({ config }: GlobalOptions, { cwd }: Session): Promise<Config> {
  return loadConfig({ path: config, cwd, connectionTypes, steps });
}
