import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

const SQLITE_BUSY = 5;
const RETRY_INTERVAL_MS = 500;

interface Waiting {
  /** Called once, when another process turns out to hold the lock. */
  readonly onWait?: () => void;
}

/**
 * Runs `work` while no other process (nor another call in this one) is inside with the same lock file.
 *
 * SQLite's lock serves as the lock: the kernel releases it when its holder dies, however it dies, so that no stale lock
 * file can ever block the next run.
 */
export async function exclusively<T>(lockFile: string, work: () => Promise<T>, waiting: Waiting = {}): Promise<T> {
  await mkdir(dirname(lockFile), { recursive: true });
  const lock = new DatabaseSync(lockFile, { timeout: 0 });
  try {
    if (!tryLock(lock)) {
      waiting.onWait?.();
      while (!tryLock(lock)) await delay(RETRY_INTERVAL_MS);
    }
    return await work();
  } finally {
    lock.close();
  }
}

function tryLock(lock: DatabaseSync): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
