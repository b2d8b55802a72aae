import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { readTextFile, UnreadableFile } from '../config/read-text-file.ts';
import { isJsonObject, type JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { CommandError, exitCodes, usageError } from './exit.ts';

/** The parameters in a YAML or JSON file, or in standard input for `-`. Throws CommandError. */
export async function readParamsFile(
  path: string,
  { cwd, stdin }: { readonly cwd: string; readonly stdin: Readable },
): Promise<JsonObject> {
  const name = path === '-' ? 'standard input' : path;
  const content = path === '-' ? await text(stdin) : await contentOf(resolve(cwd, path), name);
  const { parseYaml, describeMistake } = await import('../config/yaml-source.ts');
  const { value, mistakes } = parseYaml(name, content);
  if (mistakes.length > 0) {
    throw new CommandError(exitCodes.usage, mistakes.map((mistake) => describeMistake(name, mistake)).join('\n'));
  }
  if (value === undefined) return {};
  if (!isJsonObject(value)) {
    throw usageError(
      `${name}: expected the step's parameters by name, found ${Array.isArray(value) ? 'a list' : 'a single value'}`,
    );
  }
  return value;
}

async function contentOf(path: string, name: string): Promise<string> {
  try {
    return (await readTextFile(path, limits.bodyBytes)).text;
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    throw usageError(`${name} cannot be read: ${error.message}`);
  }
}
