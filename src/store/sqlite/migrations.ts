import type { DatabaseSync } from 'node:sqlite';

/**
 * Each text takes a file one version further; PRAGMA user_version counts those applied. Released ones never change.
 *
 * SQLite writes a row whole at each update. The request, up to 256 KiB and never changed, is therefore a row of its own.
 * The columns of `executions` before `status` repeat what it says, so that indexes and filters need not read it.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE executions (
    row INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    step TEXT NOT NULL,
    origin TEXT, -- kind/namespace/name/step
    origin_step TEXT,
    created_at INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    state TEXT NOT NULL,
    is_final INTEGER NOT NULL,
    finished_at INTEGER,
    wake_at INTEGER,
    has_intent INTEGER NOT NULL,
    has_open_effect INTEGER NOT NULL,
    is_stopped INTEGER NOT NULL,
    signals TEXT NOT NULL,
    status TEXT NOT NULL
  ) STRICT;

  CREATE TABLE requests (
    row INTEGER PRIMARY KEY REFERENCES executions ON DELETE CASCADE,
    caller TEXT NOT NULL,
    digest TEXT NOT NULL,
    request TEXT NOT NULL
  ) STRICT;

  CREATE UNIQUE INDEX executions_key ON executions (namespace, id);

  -- step and state stand here so that filtered lists skip what they do not want without reading records
  CREATE INDEX executions_newest ON executions (created_at, namespace, id, step, state);

  CREATE INDEX executions_of_origin ON executions (origin, created_at, namespace, id) WHERE origin IS NOT NULL;

  -- holds all of an UnfinishedEntry: recovery reads this index alone
  CREATE INDEX executions_unfinished ON executions
    (created_at, namespace, id, deadline, wake_at, has_open_effect, is_stopped, signals) WHERE is_final = 0;

  CREATE INDEX executions_finished ON executions (finished_at) WHERE is_final = 1;

  CREATE INDEX executions_succeeded ON executions (origin_step, created_at, namespace, id)
    WHERE state = 'succeeded' AND origin_step IS NOT NULL;

  CREATE INDEX executions_with_intent ON executions (origin_step, created_at, namespace, id)
    WHERE has_intent = 1 AND origin_step IS NOT NULL;
  `,
  `
  CREATE INDEX executions_unfinished_of ON executions (origin_step, created_at, namespace, id)
    WHERE is_final = 0 AND origin_step IS NOT NULL;
  `,
  `
  CREATE INDEX executions_ended_of ON executions (origin_step, created_at, namespace, id)
    WHERE is_final = 1 AND origin_step IS NOT NULL;
  `,
  `
  ALTER TABLE requests DROP COLUMN digest;
  `,
];

/** The file was written by a newer release, whose changes this one cannot know. */
export class StoreTooNew extends Error {
  constructor(path: string, version: number) {
    super(
      `${path} was written by a newer aftersync: it has format ${version}, and this one knows formats up to ` +
        `${migrations.length}. Start the newer release again, or set store.path to another file.`,
    );
    this.name = 'StoreTooNew';
  }
}

/** Brings the file to this release's format, wholly or not at all. Throws StoreTooNew. */
export function migrate(database: DatabaseSync, path: string): void {
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version > migrations.length) throw new StoreTooNew(path, version);
  if (version === migrations.length) return;
  database.exec(`BEGIN; ${migrations.slice(version).join('')}; PRAGMA user_version = ${migrations.length}; COMMIT`);
}
