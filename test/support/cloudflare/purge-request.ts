import { errorCodes, Refusal } from './answer.ts';
import { belongsTo, type Zone } from './zones.ts';

const purgeKinds = ['files', 'tags', 'hosts', 'prefixes', 'purge_everything'] as const;
export type PurgeKind = (typeof purgeKinds)[number];

export interface Purge {
  readonly id: string;
  readonly zone: string;
  readonly kind: PurgeKind;
  /**
   * As recorded: a file is its URL, followed by a space and its headers as JSON where it has some; hosts are in lower
   * case; `purge_everything` has the one item `*`.
   */
  readonly items: readonly string[];
  /** Through /invalidate_cache: make stale instead of dropping. */
  readonly soft: boolean;
  readonly atMs: number;
}

/** Source: developers.cloudflare.com/cache/how-to/purge-cache/purge_by_prefix, limitations. */
const MAX_SEPARATORS = 31;

/** Source: the API's reference; they choose between the variants of a custom cache key. */
const FILE_HEADERS = ['accept-language', 'cf-device-type', 'cf-ipcountry', 'origin'];

/** Throws the 400 for a body that the documentation does not allow. One bad item refuses the whole call. */
export function parsePurge(bodyText: string, zone: Zone): Pick<Purge, 'kind' | 'items'> {
  const body = parseJson(bodyText);
  const [kind, ...others] = Object.keys(body ?? {});
  if (body === undefined || !isPurgeKind(kind) || others.length > 0) throw notExactlyOneKind();
  const value = body[kind];
  if (kind === 'purge_everything') {
    if (value !== true) throw notExactlyOneKind();
    return { kind, items: ['*'] };
  }
  if (!Array.isArray(value) || value.length === 0) {
    throw new Refusal(400, { code: errorCodes.notAnArray, message: `"${kind}" must be an array` });
  }
  assertNotTooMany(kind, value.length, kind === 'files' ? zone.limits.urlsPerCall : zone.limits.itemsPerCall);
  return { kind, items: value.map((item: unknown) => parsers[kind](item, zone)) };
}

/** Throws the refusal of a call with more items than it may have. The words: of public threads. */
export function assertNotTooMany(kind: PurgeKind, count: number, maximum: number, status = 400): void {
  if (count <= maximum) return;
  const message = `You may only purge up to ${maximum} ${kind} per API call`;
  throw new Refusal(status, { code: errorCodes.tooManyItems, message });
}

const parsers: Readonly<Record<Exclude<PurgeKind, 'purge_everything'>, (item: unknown, zone: Zone) => string>> = {
  files: parseFile,
  tags: (item) => textOf(item, 'tag'),
  hosts: parseHost,
  prefixes: parsePrefix,
};

function parseFile(item: unknown, zone: Zone): string {
  const { url, headers } = isObject(item) ? item : { url: item, headers: undefined };
  const text = textOf(url, 'file');
  const parsed = URL.parse(text);
  if (parsed === null || !/^https?:\/\//i.test(text)) throw badItem(`${text} is not an absolute URL`);
  if (text.includes('*')) throw badItem(`${text}: wildcards are not supported`);
  assertInZone(parsed.host, zone);
  if (headers === undefined) return text;
  if (!isObject(headers)) throw badItem(`${text}: headers must be an object`);
  for (const [name, header] of Object.entries(headers)) {
    if (!FILE_HEADERS.includes(name.toLowerCase())) throw badItem(`${text}: header ${name} is not supported`);
    textOf(header, name);
  }
  const sorted = Object.entries(headers).sort(([left], [right]) => (left < right ? -1 : 1));
  return `${text} ${JSON.stringify(Object.fromEntries(sorted))}`;
}

function parseHost(item: unknown, zone: Zone): string {
  const host = textOf(item, 'host');
  if (/[/?#*\s]/.test(host)) throw badItem(`${host} is not a host name`);
  assertInZone(host, zone);
  return host.toLowerCase();
}

function parsePrefix(item: unknown, zone: Zone): string {
  const prefix = textOf(item, 'prefix');
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(prefix)) throw badItem(`${prefix}: prefixes have no scheme`);
  if (/[?#*]/.test(prefix)) throw badItem(`${prefix}: prefixes have no query, fragment or wildcard`);
  const separators = prefix.split('/').length - 1;
  if (separators > MAX_SEPARATORS) throw badItem(`${prefix} has over ${MAX_SEPARATORS} path separators`);
  assertInZone(prefix.split('/', 1)[0] ?? '', zone);
  return prefix;
}

function assertInZone(host: string, zone: Zone): void {
  if (!belongsTo(zone, host)) throw badItem(`${host} is not of the zone ${zone.name}`);
}

function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '') throw badItem(`a ${what} must be a text that is not empty`);
  return value;
}

function badItem(reason: string): Refusal {
  return new Refusal(400, { code: errorCodes.badItem, message: `Unable to purge: ${reason}` });
}

function notExactlyOneKind(): Refusal {
  const message = 'Request must contain one of "purge_everything", "files", "tags", "hosts" or "prefixes"';
  return new Refusal(400, { code: errorCodes.notExactlyOneKind, message });
}

/** Undefined: JSON, but no object. */
function parseJson(text: string): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal(400, { code: errorCodes.malformedJson, message: 'Malformed JSON in request body' });
  }
  return isObject(value) ? value : undefined;
}

function isPurgeKind(key: string | undefined): key is PurgeKind {
  return purgeKinds.some((kind) => kind === key);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
