import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { connectionFile, connectionFileName } from './connection-file.ts';
import type { ConnectionSource } from './connections.ts';
import { readTextFile, UnreadableFile } from './read-text-file.ts';

const largestFileBytes = 64 * 1024;
const mostConnections = 1_000;

/**
 * The connections of a folder: each sub-folder that holds a `connection.yaml` is one, by its name, with its credentials
 * beside that file. So a mounted Secret is a connection. Throws UnreadableFile where the folder cannot be read.
 */
export async function connectionsIn(folder: string): Promise<readonly ConnectionSource[]> {
  const names = (await entriesOf(folder)).slice(0, mostConnections).sort();
  const sources = await Promise.all(names.map((name) => connectionIn(join(folder, name), name)));
  return sources.filter((source) => source !== undefined);
}

/** Undefined: no connection. Mounted Secrets have hidden entries of their own, and others hold credentials alone. */
async function connectionIn(folder: string, name: string): Promise<ConnectionSource | undefined> {
  const path = join(folder, connectionFileName);
  const text = await readTextFile(path, largestFileBytes).then(
    (file) => file.text,
    (error: unknown) => {
      if (error instanceof UnreadableFile && (error.isMissing || name.startsWith('.'))) return undefined;
      throw error instanceof UnreadableFile ? new UnreadableFile(`${path}: ${error.message}`, { cause: error }) : error;
    },
  );
  if (text === undefined || name.startsWith('.')) return undefined;
  const credentialAt = (credential: string) => resolve(folder, credential);
  return connectionFile({ place: path, text, name, namedBy: 'folder', credentialAt });
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new UnreadableFile(`the folder ${folder} cannot be read (${code})`, { cause: error });
  }
}
