import { isAbsolute, join } from 'node:path';
import { parse } from 'yaml';
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';

/**
 * The kubeconfig with each user's `tokenFile` in the form that client-node 2 knows: it reads the `auth-provider` anew
 * each minute, as client-go does with token files, but ignores the key itself. As in client-go it goes before `token`.
 */
export function withTokenFiles(kubeconfig: string, folder: string): string {
  const parsed: unknown = parse(kubeconfig);
  if (!isJsonObject(parsed) || !Array.isArray(parsed.users)) return kubeconfig;
  return JSON.stringify({ ...parsed, users: parsed.users.map((entry: Json) => withTokenFile(entry, folder)) });
}

function withTokenFile(entry: Json, folder: string): Json {
  if (!isJsonObject(entry) || !isJsonObject(entry.user) || typeof entry.user.tokenFile !== 'string') return entry;
  const { tokenFile, token: _, ...rest } = entry.user as JsonObject & { readonly tokenFile: string };
  const path = isAbsolute(tokenFile) ? tokenFile : join(folder, tokenFile);
  return { ...entry, user: { ...rest, 'auth-provider': { name: 'tokenFile', config: { tokenFile: path } } } };
}
