import { homedir } from 'node:os';
import { join } from 'node:path';

/** The folder (not created) in the user's cache directory for something that is slow to make and the same for every checkout. */
export function cacheFolder(name: string): string {
  // The XDG specification: an empty variable counts as unset.
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'aftersync', name);
}
