import { isIP } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import { type ConnectionList, clusterConnection } from './config/cluster-connection.ts';
import { type ConnectionSource, type CredentialPath, readConnections } from './config/connections.ts';
import { connectionsIn } from './config/connections-folder.ts';
import { type Environment, serviceAccountFolder, variable } from './config/environment.ts';
import { CredentialError, fileCredential } from './config/file-credential.ts';
import { type KubeVelaSettings, readKubeVela, type StepNames } from './config/kubevela.ts';
import { MistakeList } from './config/mistake-list.ts';
import { readTextFile, UnreadableFile } from './config/read-text-file.ts';
import {
  ClusterUseSchema,
  KubeVelaSchema,
  type logLevels,
  SettingsSchema,
  StoreSchema,
} from './config/settings-schema.ts';
import { readStore, type StoreSettings } from './config/store.ts';
import { parseYaml } from './config/yaml-source.ts';
import type { AnyConnectionType, ConnectionSettings } from './core/connection.ts';
import { isJsonObject } from './core/json.ts';
import { isLoopbackHost, type ListenAddress, parseListenAddress } from './core/listen-address.ts';
import { fits } from './core/schema.ts';
import { parseDurationMs } from './core/time.ts';

export { fileCredential } from './config/file-credential.ts';
export { readTeamConnections } from './config/team-connections.ts';

/** Absent: the cluster of the default kubeconfig, which is a pod's own. */
export interface ClusterUse {
  readonly connection?: string;
}

/** Everything that can be set, checked, with its defaults. Paths are absolute. */
export interface Config {
  /** As people named it; absent where there is none and all is default. */
  readonly file?: string;
  /** The executor's own: the pod's, or `default` outside a cluster. */
  readonly namespace: string;
  readonly server: ListenAddress;
  /** Where webhooks are received, and nothing else is served. Absent: at the server's own address only. */
  readonly hooks?: ListenAddress;
  /** None of them: whoever reaches the server may do all. */
  readonly auth: {
    readonly tokensFile?: string;
    /** Tokens of this cluster. */
    readonly kubernetes?: ClusterUse;
  };
  /** Absent: nothing here can prove the origin of a request. */
  readonly kubevela?: KubeVelaSettings;
  readonly store: StoreSettings;
  /** `perStep`: of each recurring step so many are kept at most; absent: any number. */
  readonly retention: { readonly finishedMs: number; readonly perStep?: number };
  readonly log: { readonly level: (typeof logLevels)[number] };
  readonly connections: readonly ConnectionSettings[];
  /** Of the private addresses that users name, the ranges that they may: `10.96.0.0/12`. */
  readonly network: { readonly allow: readonly string[] };
  /** The cluster in whose namespaces teams keep connections of their own; absent: there are none. */
  readonly teamConnections?: ClusterUse;
}

export interface ConfigSources {
  /** As `--config` gives it, relative to `cwd`. */
  readonly path?: string | undefined;
  readonly env?: Environment;
  readonly cwd: string;
  readonly connectionTypes: readonly AnyConnectionType[];
  readonly steps: StepNames;
  /** Where a pod's namespace and token are; only tests have another one. */
  readonly podFolder?: string;
}

/** The configuration does not hold. The message has a line `file:line:column: path: …` for each mistake. */
export class ConfigError extends Error {
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[], options: { cause?: unknown } = {}) {
    super(mistakes.join('\n'), options);
    this.name = 'ConfigError';
    this.mistakes = mistakes;
  }
}

const defaultAddress = '127.0.0.1:8080';
const defaultRetention = '7d';
const defaultFile = 'aftersync.yaml';
const largestFileBytes = 1024 * 1024;
/** Nothing is deleted earlier, so that a late repeat of a request still finds what became of it. */
const shortestRetentionMs = 24 * 3_600_000;

/** Reads `--config`, AFTERSYNC_CONFIG or `./aftersync.yaml`; with none of them all is default. Throws ConfigError. */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const { env = process.env, cwd, connectionTypes, steps, podFolder = serviceAccountFolder } = sources;
  const file = await findFile(sources.path ?? variable(env, 'AFTERSYNC_CONFIG'), cwd);
  const source = parseYaml(file?.name ?? defaultFile, file?.text ?? '');
  const mistakes = new MistakeList(source);
  if (source.isBroken) throw new ConfigError(mistakes.lines());

  const folder = file === undefined ? cwd : dirname(resolve(cwd, file.name));
  const namespace = await ownNamespace(podFolder);
  const settings = source.value ?? {};
  mistakes.check(SettingsSchema, settings, '');
  const listed = listOfConnections(settings).map((value, index) => {
    return { value, pointer: `/connections/${index}`, credentialAt: (path: string) => resolve(folder, path), mistakes };
  });
  const found = await connectionsBeside(settings, folder, mistakes);
  const { connections, credentialPaths } = readConnections([...listed, ...found], {
    types: connectionTypes,
    ownNamespace: namespace,
  });
  const tokensFile = textAt(settings, 'auth', 'tokensFile');
  const tokens =
    tokensFile === undefined ? [] : [{ pointer: '/auth/tokensFile', path: resolve(folder, tokensFile), mistakes }];
  const list = { connections, types: connectionTypes, mistakes };
  const kubernetes = checkedClusterUse(valueAt(settings, 'auth', 'kubernetes'), '/auth/kubernetes', list);
  const teamConnections = checkedClusterUse(valueAt(settings, 'teamConnections'), '/teamConnections', list);
  const kubevela = checkedKubeVela(settings, steps, list);
  const store = checkedStore(settings, { folder, cwd }, list);
  const server = checkedAddress(settings, tokens.length > 0 || kubernetes !== undefined, mistakes);
  const hooks = checkedHooksAddress(settings, server, mistakes);
  const finishedMs = checkedRetention(settings, mistakes);
  checkRanges(settings, mistakes);
  await checkCredentials([...tokens, ...credentialPaths]);
  const everyMistake = [mistakes, ...found.map((source) => source.mistakes)].flatMap((each) => each.lines());
  if (
    !fits(SettingsSchema, settings) ||
    store === undefined ||
    server === undefined ||
    finishedMs === undefined ||
    everyMistake.length > 0
  ) {
    throw new ConfigError(everyMistake);
  }
  const { perStep } = settings.retention ?? {};
  return {
    ...(file !== undefined && { file: file.name }),
    namespace,
    server,
    ...(hooks !== undefined && { hooks }),
    auth: {
      ...(tokens[0] !== undefined && { tokensFile: tokens[0].path }),
      ...(kubernetes !== undefined && { kubernetes }),
    },
    ...(kubevela !== undefined && { kubevela }),
    store,
    retention: { finishedMs, ...(perStep !== undefined && { perStep }) },
    log: { level: settings.log?.level ?? 'info' },
    connections,
    network: { allow: settings.network?.allow ?? [] },
    ...(teamConnections !== undefined && { teamConnections }),
  };
}

/** The file that was named, or else the default one if it is there. */
async function findFile(
  named: string | undefined,
  cwd: string,
): Promise<{ readonly name: string; readonly text: string } | undefined> {
  const name = named ?? defaultFile;
  try {
    const { text } = await readTextFile(resolve(cwd, name), largestFileBytes);
    return { name, text };
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    if (named === undefined && error.isMissing) return undefined;
    throw new ConfigError([`${name}: the configuration cannot be read: ${error.message}`], { cause: error });
  }
}

async function ownNamespace(podFolder: string): Promise<string> {
  try {
    return (await readTextFile(join(podFolder, 'namespace'), 1024)).text.trim();
  } catch (error) {
    if (error instanceof UnreadableFile && error.isMissing) return 'default';
    throw error;
  }
}

/** Those of the folder that the configuration names. */
async function connectionsBeside(
  settings: unknown,
  folder: string,
  mistakes: MistakeList,
): Promise<readonly ConnectionSource[]> {
  const named = valueAt(settings, 'connectionsFolder');
  if (typeof named !== 'string' || named === '') return [];
  try {
    return await connectionsIn(resolve(folder, named));
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    mistakes.add('/connectionsFolder', `expected a folder of connections, but ${error.message}`);
    return [];
  }
}

function listOfConnections(settings: unknown): readonly unknown[] {
  const listed = valueAt(settings, 'connections');
  return Array.isArray(listed) ? listed : [];
}

function checkedClusterUse(given: unknown, pointer: string, list: ConnectionList): ClusterUse | undefined {
  if (given === undefined || !fits(ClusterUseSchema, given) || given === false) return undefined;
  const named = given === true ? undefined : given.connection;
  const connection = clusterConnection({ named, pointer, isRequired: false }, list);
  return connection === undefined ? {} : { connection };
}

function checkedKubeVela(settings: unknown, steps: StepNames, list: ConnectionList): KubeVelaSettings | undefined {
  const section = valueAt(settings, 'kubevela');
  return section === undefined || !fits(KubeVelaSchema, section) ? undefined : readKubeVela(section, steps, list);
}

function checkedStore(
  settings: unknown,
  folders: Parameters<typeof readStore>[1],
  list: ConnectionList,
): StoreSettings | undefined {
  const section = valueAt(settings, 'store') ?? {};
  return fits(StoreSchema, section) ? readStore(section, folders, list) : undefined;
}

function checkedAddress(settings: unknown, hasCallers: boolean, mistakes: MistakeList): ListenAddress | undefined {
  const text = textAt(settings, 'server', 'address') ?? defaultAddress;
  const address = parsedAddress(text, '/server/address', mistakes);
  if (address !== undefined && !isLoopbackHost(address.host) && !hasCallers) {
    mistakes.add(
      '/server/address',
      `expected a loopback address as long as callers need no credential, found ${JSON.stringify(text)}; ` +
        'set auth.kubernetes or auth.tokensFile to serve others',
    );
  }
  return address;
}

/** Whoever reaches it shows his signature, so that any address will do. */
function checkedHooksAddress(
  settings: unknown,
  server: ListenAddress | undefined,
  mistakes: MistakeList,
): ListenAddress | undefined {
  const pointer = '/server/hooksAddress';
  const text = textAt(settings, 'server', 'hooksAddress');
  if (text === undefined) return undefined;
  const address = parsedAddress(text, pointer, mistakes);
  if (address !== undefined && address.port !== 0 && address.port === server?.port) {
    mistakes.add(pointer, `expected another port than that of server.address, found ${JSON.stringify(text)}`);
  }
  return address;
}

function parsedAddress(text: string, pointer: string, mistakes: MistakeList): ListenAddress | undefined {
  const address = parseListenAddress(text);
  if (address === undefined) {
    mistakes.add(pointer, `expected an address such as 127.0.0.1:8080 or [::1]:8080, found ${JSON.stringify(text)}`);
  }
  return address;
}

function checkedRetention(settings: unknown, mistakes: MistakeList): number | undefined {
  const text = textAt(settings, 'retention', 'finished') ?? defaultRetention;
  const finishedMs = parseDurationMs(text);
  if (finishedMs === undefined || finishedMs < shortestRetentionMs) {
    mistakes.add(
      '/retention/finished',
      `expected a duration of at least 24h, such as 7d, found ${JSON.stringify(text)}`,
    );
  }
  return finishedMs;
}

function checkRanges(settings: unknown, mistakes: MistakeList): void {
  const ranges = valueAt(settings, 'network', 'allow');
  for (const [index, range] of Array.isArray(ranges) ? ranges.entries() : []) {
    if (typeof range !== 'string' || isAddressRange(range)) continue;
    const message = `expected a range of addresses such as 10.96.0.0/12, found ${JSON.stringify(range)}`;
    mistakes.add(`/network/allow/${index}`, message);
  }
}

function isAddressRange(text: string): boolean {
  const [, address = '', prefix] = /^(.+)\/([0-9]{1,3})$/.exec(text) ?? [];
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return !address.includes('%') && Number(prefix) <= bits;
}

/** Their content is not kept: who needs it reads it then, so that a rotated secret is in use at once. */
async function checkCredentials(paths: readonly CredentialPath[]): Promise<void> {
  await Promise.all(
    paths.map(async ({ pointer, path, mistakes }) => {
      try {
        await fileCredential(path).read();
      } catch (error) {
        if (!(error instanceof CredentialError)) throw error;
        const place = looksLikeCredential(basename(path))
          ? 'the place given (it is not shown: put the credential itself into a file)'
          : path;
        mistakes.add(pointer, `expected a file with a credential at ${place}, but ${error.reason}`);
      }
    }),
  );
}

/** People write the credential where the path of its file belongs, and a log must not have it. */
function looksLikeCredential(fileName: string): boolean {
  const digits = fileName.match(/[0-9]/g) ?? [];
  return digits.length >= 3 && /^[\w.+=~-]{20,}$/.test(fileName);
}

/** The text at this place, even where other parts of the settings have mistakes. */
function textAt(settings: unknown, section: string, key: string): string | undefined {
  const found = valueAt(settings, section, key);
  return typeof found === 'string' ? found : undefined;
}

/** Before it is known whether the settings fit their schema. */
function valueAt(settings: unknown, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>((value, key) => (isJsonObject(value) ? value[key] : undefined), settings);
}
