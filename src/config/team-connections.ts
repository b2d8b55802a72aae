import type { AnyConnectionType } from '../core/connection.ts';
import { isJsonObject } from '../core/json.ts';
import { type ConfigSecret, secretPlace, type TeamConnection } from '../core/team-connections.ts';
import { connectionFile, connectionFileName } from './connection-file.ts';
import { type ConnectionSource, type CredentialPath, readConnections } from './connections.ts';

/** They bound what a connection takes of the executor, which all share, or need what a team has no part in: its webhooks. */
const operatorsOptions = ['limits', 'pollInterval', 'sendTimeout', 'webhookSecretFile'];
const mostCharacters = 16 * 1024;
/** Of all that is wrong so much is told. */
const mostMistakes = 5;

interface Surroundings {
  readonly namespace: string;
  readonly types: readonly AnyConnectionType[];
}

/**
 * The connections among the configs of a namespace: those with a key `connection.yaml`, whose credentials are keys beside
 * it and nothing else. Whatever it says, such a connection serves its namespace alone.
 */
export function readTeamConnections(secrets: readonly ConfigSecret[], surroundings: Surroundings): TeamConnection[] {
  const { namespace } = surroundings;
  const types = surroundings.types.filter(({ templates }) => templates !== undefined);
  const found = secrets.filter(({ values }) => values.has(connectionFileName));
  const files = new Map(found.filter(isShort).map((secret) => [secret, fileIn(secret, namespace)]));
  const readable = [...files.values()].filter(({ mistakes }) => !mistakes.source.isBroken);
  const { connections, credentialPaths } = readConnections(readable, { types, ownNamespace: namespace });
  for (const [secret, file] of files) {
    checkCredentials(
      secret,
      credentialPaths.filter(({ mistakes }) => mistakes === file.mistakes),
    );
    checkOptions(file);
  }
  return found.map((secret) => {
    const { name, template } = secret;
    const place = secretPlace(namespace, name, connectionFileName);
    const lines = files.get(secret)?.mistakes.lines();
    const mistakes = lines?.map(withoutValue) ?? [`${place}: expected at most ${mostCharacters} characters`];
    const settings = connections.find((connection) => connection.name === name);
    if (mistakes.length === 0 && settings !== undefined) {
      return { ...settings, namespace, allow: { ...settings.allow, namespaces: [namespace] } };
    }
    const type = types.find(({ templates }) => templates?.includes(template))?.type ?? template;
    const mistake = mistakes.slice(0, mostMistakes).join('; ');
    return { name, namespace, type, place, mistake, isDefault: false, allow: {}, options: {} };
  });
}

function isShort({ values }: ConfigSecret): boolean {
  return (values.get(connectionFileName) ?? '').length <= mostCharacters;
}

function fileIn({ name, values }: ConfigSecret, namespace: string): ConnectionSource {
  return connectionFile({
    place: secretPlace(namespace, name, connectionFileName),
    text: values.get(connectionFileName) ?? '',
    name,
    namedBy: 'Secret',
    credentialAt: (key) => key,
  });
}

/** What stands there is not quoted: people write the credential itself in its place. */
function checkCredentials({ values }: ConfigSecret, paths: readonly CredentialPath[]): void {
  for (const { pointer, path, mistakes } of paths) {
    if (values.get(path)) continue;
    mistakes.add(pointer, 'expected the name of a key of the same Secret, with a credential in it');
  }
}

/** Stored with an execution for all to see, where what was found may be the credential. */
function withoutValue(mistake: string): string {
  return mistake.replace(/, found ["*\d].*$/s, '');
}

function checkOptions({ value, mistakes }: ConnectionSource): void {
  for (const option of operatorsOptions.filter((name) => isJsonObject(value) && name in value)) {
    mistakes.add(`/${option}`, 'expected nothing here: only connections of the operator have it');
  }
}
