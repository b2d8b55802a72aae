import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Logger } from 'pino';
import { matchesAnyGlob } from '../core/glob.ts';
import type { Clock, EpochMs } from '../core/time.ts';
import { type Authenticate, bearerToken, type Caller, unknownToken } from './authenticate.ts';

/** A changed file is seen this late at most; asking the file system at each request would cost more than the request. */
const checkEveryMs = 1_000;
const mostKeptHeaders = 1_000;

interface TokenEntry {
  readonly digest: Buffer;
  readonly caller: Caller;
}

/**
 * Callers by the tokens of a file, `NAME TOKEN NAMESPACE-GLOB[,…]` a line. The file is read again when it changes; a
 * change that cannot be read leaves the tokens as they were, and is logged. Throws where the file cannot be read now.
 */
export async function staticTokens(options: {
  readonly file: string;
  readonly clock: Clock;
  readonly log: Logger;
}): Promise<Authenticate> {
  const { file, clock, log } = options;
  let entries: readonly TokenEntry[] = [];
  let stamp: string | undefined;
  let checkedAt: EpochMs = clock.now();
  let checking: Promise<void> | undefined;
  /** Spares the digest and its comparisons for headers that were right already. */
  const knownHeaders = new Map<string | undefined, Caller>();

  async function load(): Promise<void> {
    const current = await stampOf(file);
    if (current === stamp) return;
    // Kept before the file is read: one that cannot be used is complained about once, not once a second.
    stamp = current;
    entries = parseTokens(await readFile(file, 'utf8'), file);
    knownHeaders.clear();
  }

  async function reload(): Promise<void> {
    try {
      await load();
    } catch (error) {
      log.error({ err: error }, 'the tokens file cannot be used; the tokens read before stay valid');
    }
    checkedAt = clock.now();
    checking = undefined;
  }

  await load();
  function authenticate(authorization: string | undefined): Caller {
    const known = knownHeaders.get(authorization);
    if (known !== undefined) return known;
    const caller = callerOf(bearerToken(authorization), entries);
    if (knownHeaders.size >= mostKeptHeaders) knownHeaders.clear();
    knownHeaders.set(authorization, caller);
    return caller;
  }

  return ({ authorization }) => {
    if (clock.now() - checkedAt < checkEveryMs) return authenticate(authorization);
    checking ??= reload();
    return checking.then(() => authenticate(authorization));
  };
}

async function stampOf(file: string): Promise<string> {
  try {
    const { mtimeNs, size, ino } = await stat(file, { bigint: true });
    return `${mtimeNs}/${size}/${ino}`;
  } catch {
    return 'unreadable';
  }
}

function callerOf(token: string, entries: readonly TokenEntry[]): Caller {
  const digest = digestOfToken(token);
  let caller: Caller | undefined;
  // All are compared, so that the time tells nothing about which one was near.
  for (const entry of entries) {
    if (timingSafeEqual(entry.digest, digest)) caller = entry.caller;
  }
  if (caller === undefined) throw unknownToken();
  return caller;
}

function digestOfToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Errors name file and line and never quote it: what is misplaced may be a token. */
export function parseTokens(text: string, file: string): TokenEntry[] {
  const entries: TokenEntry[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const words = line.trim().split(/\s+/);
    if (words[0] === '' || words[0]?.startsWith('#')) continue;
    const place = `${file}:${index + 1}`;
    const [name, token, globs] = words;
    if (name === undefined || token === undefined || globs === undefined || words.length > 3) {
      throw new Error(`${place}: expected NAME TOKEN NAMESPACE-GLOB[,…], found ${words.length} words`);
    }
    if (!/^[\w.@-]{1,63}$/.test(name)) {
      throw new Error(`${place}: a name has 1 to 63 letters, digits, and any of . _ @ -`);
    }
    const namespaces = globs.split(',');
    if (!namespaces.every((glob) => /^[a-z0-9*-]+$/.test(glob))) {
      throw new Error(`${place}: a namespace pattern has lower-case letters, digits, - and * only`);
    }
    const digest = digestOfToken(token);
    if (entries.some((entry) => entry.digest.equals(digest))) {
      throw new Error(`${place}: the same token stands on an earlier line`);
    }
    entries.push({ digest, caller: callerNamed(name, namespaces) });
  }
  return entries;
}

/** A token allows everything in its namespaces. */
function callerNamed(name: string, namespaces: readonly string[]): Caller {
  return {
    name,
    may: (_verb, namespace) => matchesAnyGlob(namespaces, namespace),
    namespacesFor: () => namespaces,
  };
}
