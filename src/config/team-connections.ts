import type { AnyConnectionType } from '../core/connection.ts';
import { isJsonObject } from '../core/json.ts';
import { type ConfigSecret, secretPlace, type TeamConnection } from '../core/team-connections.ts';
import { connectionFile, connectionFileName } from './connection-file.ts';
import { type ConnectionSource, readConnections } from './connections.ts';

/** They bound what a connection takes of the executor, which all share. */
const operatorsOptions = ['limits', 'pollInterval', 'sendTimeout'];
const mostCharacters = 16 * 1024;
/** Of all that is wrong so much is told. */
const mostMistakes = 5;

/**
 * The connections among the configs of a namespace: those with a key `connection.yaml`, whose credentials are keys beside
 * it and nothing else. Whatever it says, such a connection serves its namespace alone.
 */
export function readTeamConnections(
  secrets: readonly ConfigSecret[],
  { namespace, types }: { readonly namespace: string; readonly types: readonly AnyConnectionType[] },
): TeamConnection[] {
  const ownTypes = types.filter(({ templates }) => templates !== undefined);
  const files = new Map(
    secrets
      .filter(({ values }) => (values.get(connectionFileName)?.length ?? Number.POSITIVE_INFINITY) <= mostCharacters)
      .map((secret) => [secret, fileIn(secret, namespace)] as const),
  );
  const readable = [...files.values()].filter(({ mistakes }) => !mistakes.source.isBroken);
  const { connections, credentialPaths } = readConnections(readable, { types: ownTypes, ownNamespace: namespace });
  for (const [{ values }, { value, mistakes }] of files) {
    for (const { pointer, path } of credentialPaths.filter((credential) => credential.mistakes === mistakes)) {
      // What stands there is not quoted: people write the credential itself in its place.
      if (!values.get(path))
        mistakes.add(pointer, 'expected the name of a key of the same Secret, with a credential in it');
    }
    for (const option of operatorsOptions.filter((name) => isJsonObject(value) && name in value)) {
      mistakes.add(`/${option}`, 'expected nothing here: only connections of the operator have it');
    }
  }
  const withFile = secrets.filter(({ values }) => values.has(connectionFileName));
  return withFile.map((secret): TeamConnection => {
    const { name, template } = secret;
    const place = secretPlace(namespace, name, connectionFileName);
    const mistakes = files.get(secret)?.mistakes.lines() ?? [`${place}: expected at most ${mostCharacters} characters`];
    const settings = connections.find((connection) => connection.name === name);
    if (mistakes.length === 0 && settings !== undefined) {
      return { ...settings, namespace, allow: { ...settings.allow, namespaces: [namespace] } };
    }
    const type = ownTypes.find(({ templates }) => templates?.includes(template))?.type ?? template;
    const mistake = mistakes.slice(0, mostMistakes).join('; ');
    return { name, namespace, type, place, mistake, isDefault: false, allow: {}, options: {} };
  });
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
