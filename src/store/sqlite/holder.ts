import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** The process that has a store open, as it wrote beside the file for whoever is refused. */
export interface Holder {
  readonly pid: number;
  readonly host: string;
  /** ISO 8601. */
  readonly startedAt: string;
}

/** Another process, or another store of this one, has the file open. */
export class StoreLocked extends Error {
  readonly path: string;
  readonly holder: Holder | undefined;

  constructor(path: string, holder: Holder | undefined, cause: unknown) {
    const who = holder
      ? `process ${holder.pid} on host ${holder.host}, started at ${holder.startedAt}`
      : 'another process, which did not say who it is';
    super(
      `the store ${path} is held by ${who}. A store serves one process: stop that one first, or set store.path to ` +
        'another file.',
      { cause },
    );
    this.name = 'StoreLocked';
    this.path = path;
    this.holder = holder;
  }
}

function holderFile(storePath: string): string {
  return `${storePath}.holder`;
}

/** Only for people: the lock is SQLite's, and a holder that was killed leaves its file for the next one to replace. */
export function writeHolder(storePath: string): void {
  const startedAt = new Date(Date.now() - process.uptime() * 1_000).toISOString();
  const holder: Holder = { pid: process.pid, host: hostname(), startedAt };
  writeFileSync(holderFile(storePath), `${JSON.stringify(holder)}\n`);
}

export function removeHolder(storePath: string): void {
  rmSync(holderFile(storePath), { force: true });
}

/** Undefined while the holder has not written it yet. */
export function readHolder(storePath: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(holderFile(storePath), 'utf8'));
  } catch {
    return undefined;
  }
}
