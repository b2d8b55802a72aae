import { Type } from '@sinclair/typebox';
import type { Credential, HttpAnswer } from '../../core/connection.ts';
import { NotSent, Rejected } from '../../core/effect.ts';
import { matchesAnyGlob } from '../../core/glob.ts';
import { digestOf, type Json } from '../../core/json.ts';
import { LruMap } from '../../core/lru-map.ts';
import type { EpochMs } from '../../core/time.ts';
import { inShort, retryAfter } from './answer.ts';
import { type AwsCredentials, awsSignedHeaders } from './aws-signature.ts';
import { CallTooLarge, defineCdnProvider, ItemsRefused, type PurgeKind, type SentCall } from './provider.ts';
import { hostOf } from './purge-item.ts';

const apiVersion = '2020-05-31';

/**
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html (invalidations): so many may be
 * in progress for a distribution. How fast they go on is documented nowhere; these rates keep within what has been seen.
 */
const mostPaths = 3_000;
const mostWildcards = 15;
const rates = {
  paths: { capacity: mostPaths, perSecond: 150 },
  wildcards: { capacity: mostWildcards, perSecond: 1 },
};

/** https://aws.amazon.com/cloudfront/pricing/: of each path after the first 1,000 of a month; a wildcard or tag is one. */
const usdPerItem = 0.005;

/** https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-tags.html */
const longestTag = 256;

const limitedForMs = 5_000;
const pollMs = 3_000;
/** How many invalidations one look asks for. */
const mostAskedAtOnce = 16;
const rememberedInvalidations = 10_000;

export const cloudfront = defineCdnProvider({
  type: 'cloudfront',
  options: {
    distribution: Type.String({ pattern: '^[A-Z0-9]{1,64}$', description: "The distribution's id." }),
    hostNames: Type.Array(Type.String({ minLength: 1, maxLength: 253 }), {
      minItems: 1,
      maxItems: 100,
      description: 'The host names that the distribution serves, as patterns: a path is purged for all of them.',
    }),
    accessKeyIdFile: Type.String({
      minLength: 1,
      description: 'A file with the id of an access key that may create and get invalidations.',
    }),
    secretAccessKeyFile: Type.String({ minLength: 1, description: 'A file with the secret of that key.' }),
    sessionTokenFile: Type.Optional(
      Type.String({ minLength: 1, description: 'A file with the session token, where the key is a temporary one.' }),
    ),
    region: Type.Optional(
      Type.String({ pattern: '^[a-z0-9-]+$', default: 'us-east-1', description: 'That requests are signed for.' }),
    ),
    baseUrl: Type.Optional(Type.String({ pattern: '^https?://', default: 'https://cloudfront.amazonaws.com' })),
  },
  kinds: {
    urls: { soft: false, rates: ['paths'], usdPerItem },
    tags: { soft: false, rates: ['paths'], usdPerItem },
    prefixes: { soft: false, rates: ['wildcards'], usdPerItem },
    everything: { soft: false, rates: ['wildcards'], usdPerItem },
  },
  rates: { paths: { counts: 'items' }, wildcards: { counts: 'items' } },

  limits: () => ({
    maxItems: { urls: mostPaths, tags: mostPaths, prefixes: mostWildcards, everything: 1 },
    rates,
    concurrency: 1,
  }),

  open(options, tools) {
    const { distribution, hostNames, region = 'us-east-1', baseUrl = 'https://cloudfront.amazonaws.com' } = options;
    const accessKeyId = tools.credential(options.accessKeyIdFile);
    const secretAccessKey = tools.credential(options.secretAccessKeyFile);
    const sessionToken =
      options.sessionTokenFile === undefined ? undefined : tools.credential(options.sessionTokenFile);
    const invalidationsUrl = `${baseUrl.replace(/\/+$/, '')}/${apiVersion}/distribution/${distribution}/invalidation`;
    const completed = new LruMap<string, true>(rememberedInvalidations);

    async function ask(method: string, address: string, body: string): Promise<HttpAnswer> {
      const url = new URL(address);
      const credentials = await readCredentials(accessKeyId, secretAccessKey, sessionToken);
      const unsigned = { method, url, headers: body === '' ? {} : { 'content-type': 'application/xml' }, body };
      const scope = { region, service: 'cloudfront' };
      return await tools.fetch({
        method,
        url,
        headers: awsSignedHeaders(unsigned, credentials, scope, tools.clock.now()),
        ...(body === '' ? {} : { body }),
        timeoutMs: tools.sendTimeoutMs,
      });
    }

    async function isCompleted(id: string): Promise<boolean> {
      const answer = await ask('GET', `${invalidationsUrl}/${id}`, '');
      const status = answer.status === 200 ? elementText(answer, 'Status') : undefined;
      if (status === undefined) throw failureOf(answer, tools.clock.now(), `invalidation ${id} was accepted, but then`);
      if (status === 'Completed') completed.set(id, true);
      return status === 'Completed';
    }

    return {
      describe: () => [{ method: 'POST', url: invalidationsUrl }],

      refusal(kind, item) {
        const host = hostOf(kind, item);
        if (host !== undefined && !matchesAnyGlob(hostNames, host)) {
          return `the distribution serves no host ${host} (hostNames of the connection)`;
        }
        if (kind === 'urls' && item.includes('*')) return 'CloudFront takes a * in a path for a wildcard';
        if (kind !== 'tags') return undefined;
        if (item.includes('*')) return 'CloudFront takes no * in a tag';
        return item.length > longestTag ? `CloudFront takes tags of at most ${longestTag} characters` : undefined;
      },

      async send(call) {
        const answer = await ask('POST', invalidationsUrl, invalidationBatch(call));
        const id = answer.status === 201 ? elementText(answer, 'Id') : undefined;
        if (id === undefined) throw failureOf(answer, tools.clock.now(), 'CloudFront');
        return { receipt: id };
      },

      async effect(receipts) {
        const open = receipts.filter((id): id is string => typeof id === 'string' && completed.get(id) === undefined);
        const asked = await Promise.all(open.slice(0, mostAskedAtOnce).map(isCompleted));
        if (asked.every(Boolean) && open.length <= mostAskedAtOnce) return { effective: true };
        return { askAgainAt: tools.clock.now() + pollMs };
      },
    };
  },
});

async function readCredentials(
  accessKeyId: Credential,
  secretAccessKey: Credential,
  sessionToken: Credential | undefined,
): Promise<AwsCredentials> {
  const [id, secret, session] = await Promise.all([accessKeyId.read(), secretAccessKey.read(), sessionToken?.read()]);
  return { accessKeyId: id, secretAccessKey: secret, sessionToken: session };
}

/**
 * CloudFront takes the same reference and paths for the same invalidation, so that one whose answer was lost is not made
 * twice, and has its receipt after all.
 */
function invalidationBatch({ kind, items, execution: { namespace, id } }: SentCall): string {
  const paths = items.map((item) => `<Path>${escaped(pathOf(kind, item))}</Path>`);
  const reference = digestOf({ namespace, id, kind, items: items as Json });
  return [
    `<InvalidationBatch xmlns="http://cloudfront.amazonaws.com/doc/${apiVersion}/">`,
    `<Paths><Quantity>${paths.length}</Quantity><Items>${paths.join('')}</Items></Paths>`,
    `<CallerReference>aftersync-${reference}</CallerReference>`,
    '</InvalidationBatch>',
  ].join('');
}

function pathOf(kind: PurgeKind, item: string): string {
  switch (kind) {
    case 'tags':
      return `#${item}`;
    case 'prefixes':
      return `${item.slice(item.indexOf('/'))}*`;
    case 'urls':
      return item.replace(/^https?:\/\/[^/]+/, '');
    default:
      return '/*';
  }
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The text of the first element of that name, of those that CloudFront's answers have but once. */
function elementText({ text }: HttpAnswer, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]+)</${name}>`).exec(text)?.[1];
}

/** Source of the codes: the service's description, CreateInvalidation and GetInvalidation, and "Common errors". */
function failureOf(answer: HttpAnswer, now: EpochMs, subject: string): Error {
  const code = elementText(answer, 'Code');
  // Of a refused signature the lines below tell what was signed, with the session token in it.
  const [words = ''] = (elementText(answer, 'Message') ?? '').split('\n');
  const message = `${subject}: ${words} (${answer.status} ${code})`;
  if (answer.status === 429 || isLimit(code)) {
    return new NotSent(`CloudFront limits the rate (${answer.status} ${code ?? ''})`.trim(), {
      notBefore: retryAfter(answer, now) ?? now + limitedForMs,
    });
  }
  if (answer.status < 400 || answer.status >= 500 || code === undefined) {
    return new Error(`CloudFront gave no answer that can be understood (${inShort(answer)})`);
  }
  if ([401, 403, 404].includes(answer.status)) return new Rejected('ConnectionFailed', message);
  return code === 'BatchTooLarge' || answer.status === 413 ? new CallTooLarge(message) : new ItemsRefused(message);
}

function isLimit(code: string | undefined): boolean {
  return ['TooManyInvalidationsInProgress', 'Throttling', 'ThrottlingException'].some((known) => known === code);
}
