import { domainToASCII } from 'node:url';
import type { PurgeKind } from './provider.ts';

/** Longest item, in characters, before and after normalisation. */
export const maxItemLength = 2_048;

/** An item that cannot be purged as it is written; the message says what was expected. */
export class InvalidItem extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvalidItem';
  }
}

const normalisers: Readonly<Record<PurgeKind, (item: string) => string>> = {
  urls: normaliseUrl,
  tags: normaliseTag,
  prefixes: normalisePrefix,
  hosts: normaliseHost,
  everything: (item) => item,
};

/** The one form that an item is sent in and compared by. Throws InvalidItem. */
export function normaliseItem(kind: PurgeKind, item: string): string {
  const normalised = normalisers[kind](item);
  if (normalised.length > maxItemLength) throw new InvalidItem(`is over ${maxItemLength} characters once encoded`);
  return normalised;
}

/** The host names that a purge of this reaches, for policy; undefined where that cannot be told from the item. */
export function hostOf(kind: PurgeKind, normalised: string): string | undefined {
  switch (kind) {
    case 'urls':
      return new URL(normalised).hostname;
    case 'prefixes':
    case 'hosts':
      return new URL(`http://${normalised}`).hostname;
    default:
      return undefined;
  }
}

/** `https://host/path?query`: host in lower case, no default port, no fragment, encoded once. */
function normaliseUrl(item: string): string {
  const url = parse(item, 'an absolute http or https URL');
  return `${url.origin}${encodeOnce(url.pathname + url.search)}`;
}

/** `host/path`, for http and https alike; everything whose address begins so is purged. */
function normalisePrefix(item: string): string {
  const text = item.replace(/^https?:\/\//i, '');
  const [host = ''] = text.split('/', 1);
  if (item.includes('?')) throw new InvalidItem('has a query, which prefixes cannot have');
  if (item.includes('*')) throw new InvalidItem('has a *: everything that begins with a prefix is purged anyway');
  const url = parse(
    `https://${normaliseHost(host)}${text.slice(host.length)}`,
    'a prefix such as www.example.com/img/',
  );
  return `${url.host}${encodeOnce(url.pathname)}`;
}

function normaliseHost(item: string): string {
  if (!/^[^\s/?#@:*]+(:[0-9]+)?$/.test(item)) {
    throw new InvalidItem('expected a host name such as www.example.com, without scheme, path or *');
  }
  const [name = '', port] = item.split(':');
  const ascii = domainToASCII(name);
  if (ascii === '') throw new InvalidItem('is not a host name');
  return port === undefined ? ascii : `${ascii}:${port}`;
}

/** Printable ASCII without space and comma, since both separate tags where they are sent in a header. */
function normaliseTag(item: string): string {
  if (!/^[!-+\--~]+$/.test(item)) throw new InvalidItem('expected printable ASCII without spaces and commas');
  return item;
}

function parse(text: string, expected: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '')
    throw new InvalidItem(`expected ${expected}`);
  if (url.username !== '' || url.password !== '') throw new InvalidItem('has a user name or password in it');
  return url;
}

/**
 * What RFC 3986 does not allow in a path or query, encoded; what is encoded already stays as it is. The URL parser did most
 * of it, but leaves these. `*` is allowed, and must stay: on CloudFront `%2A` succeeds and invalidates nothing.
 */
function encodeOnce(pathAndQuery: string): string {
  return pathAndQuery
    .replace(/%(?![0-9A-Fa-f]{2})/g, '%25')
    .replace(/[[\]\\^`{|}]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
