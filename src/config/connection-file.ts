import { isJsonObject } from '../core/json.ts';
import type { ConnectionSource } from './connections.ts';
import { MistakeList } from './mistake-list.ts';
import { parseYaml } from './yaml-source.ts';

/** The file that makes what lies around it a connection. */
export const connectionFileName = 'connection.yaml';

/** A connection that is a file of its own, and has its name from what lies around it: a folder or a Secret. */
export function connectionFile(file: {
  /** For messages. */
  readonly place: string;
  readonly text: string;
  readonly name: string;
  readonly namedBy: 'folder' | 'Secret';
  readonly credentialAt: ConnectionSource['credentialAt'];
}): ConnectionSource {
  const { place, text, name, namedBy, credentialAt } = file;
  const source = parseYaml(place, text);
  const mistakes = new MistakeList(source);
  if (isJsonObject(source.value) && source.value.name !== undefined && source.value.name !== name) {
    mistakes.add('/name', `expected ${name}, the name of its ${namedBy}, or no name at all`);
  }
  const value = isJsonObject(source.value) ? { ...source.value, name } : source.value;
  return { value, pointer: '', credentialAt, mistakes };
}
