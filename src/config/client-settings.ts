import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Credential } from '../core/connection.ts';
import { type Environment, serviceAccountFolder, variable } from './environment.ts';
import { fileCredential } from './file-credential.ts';

/** Which server the command line talks to, and as whom. */
export interface ClientSettings {
  /** Without a slash at its end. */
  readonly server: string;
  /** Absent: no token is shown. */
  readonly token?: Credential;
}

const defaultServer = 'http://127.0.0.1:8080';

/** Options win over AFTERSYNC_SERVER and AFTERSYNC_TOKEN_FILE. Throws an Error that says what was expected. */
export function clientSettings(given: {
  readonly server?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly env?: Environment;
  readonly cwd: string;
  /** Where a pod has its token; only tests have another one. */
  readonly podFolder?: string;
}): ClientSettings {
  const { env = process.env, cwd, podFolder = serviceAccountFolder } = given;
  const server = serverUrl(given.server ?? variable(env, 'AFTERSYNC_SERVER') ?? defaultServer);
  const named = given.tokenFile ?? variable(env, 'AFTERSYNC_TOKEN_FILE');
  const podToken = join(podFolder, 'token');
  const tokenFile = named === undefined && existsSync(podToken) ? podToken : named;
  return { server, ...(tokenFile !== undefined && { token: fileCredential(resolve(cwd, tokenFile)) }) };
}

function serverUrl(text: string): string {
  const url = URL.parse(text);
  if (url !== null && (url.username !== '' || url.password !== '')) {
    throw new Error('the server must be an address without user name and password; give a token with --token-file');
  }
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new Error(`the server must be an address such as ${defaultServer}, found ${JSON.stringify(text)}`);
  }
  return url.href.replace(/\/+$/, '');
}
