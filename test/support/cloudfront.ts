import { type ApiAnswer, type ApiRequest, type ApiStandIn, startApiStandIn } from './api-stand-in.ts';
import { TokenBucket } from './cloudflare/token-bucket.ts';
import { type AccessKey, refusedSignature } from './cloudfront/signature.ts';
import { childOf, escapeXml, parseXml, type XmlElement } from './cloudfront/xml.ts';
import { type EdgePage, EdgePages } from './edge-pages.ts';

/** docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html: in progress for a distribution. */
const MOST_PATHS = 3_000;
const MOST_WILDCARDS = 15;
/** https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-tags.html */
const TAG = /^#[!-)+\--~]{1,256}$/;
const PATH = /^\/[!-)+-~]*\*?$/;

export interface CloudFrontOptions {
  readonly distribution?: string;
  /** The only one that is let in. */
  readonly key?: AccessKey;
  /** Default: the machine's clock. */
  readonly nowMs?: () => number;
  /** How long an invalidation is in progress. Default 0. */
  readonly completesAfterMs?: number;
  /** False: as many as are asked for. Default true. */
  readonly isLimited?: boolean;
}

interface Invalidation {
  readonly id: string;
  readonly reference: string;
  readonly paths: readonly string[];
  readonly createdAtMs: number;
}

export interface CloudFront extends ApiStandIn {
  readonly distribution: string;
  readonly key: AccessKey;
  readonly pages: EdgePages;
  /** In the order in which they were made. */
  readonly invalidations: readonly Invalidation[];
}

/** The invalidations of a CloudFront distribution with their documented limits; the sources stand beside each of them. */
export async function startCloudFront(options: CloudFrontOptions = {}): Promise<CloudFront> {
  const { distribution = 'EDFDVBD6EXAMPLE', nowMs = Date.now, completesAfterMs = 0, isLimited = true } = options;
  const { key = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'cloudfront-secret' } } = options;
  const pages = new EdgePages();
  const invalidations: Invalidation[] = [];
  // No page says how fast it goes on; these have been seen.
  const speed = {
    paths: new TokenBucket({ capacity: MOST_PATHS, perSecond: 150 }, nowMs()),
    wildcards: new TokenBucket({ capacity: MOST_WILDCARDS, perSecond: 1 }, nowMs()),
  };

  function answer(request: ApiRequest): ApiAnswer {
    const refused = refusedSignature(request, key, nowMs());
    if (refused !== undefined) return failure(403, ...refused);
    const [, given, id] = /^\/2020-05-31\/distribution\/([^/]+)\/invalidation(?:\/(.+))?$/.exec(request.path) ?? [];
    if (given !== distribution) return failure(404, 'NoSuchDistribution', 'The specified distribution does not exist.');
    return id === undefined ? create(request.body) : get(id);
  }

  function get(id: string): ApiAnswer {
    const invalidation = invalidations.find((candidate) => candidate.id === id);
    if (invalidation !== undefined) return xml(200, view(invalidation));
    return failure(404, 'NoSuchInvalidation', 'The specified invalidation does not exist.');
  }

  function create(body: string): ApiAnswer {
    if (body === '') return failure(400, 'MissingBody', 'This operation requires a body.');
    const batch = parseXml(body);
    const reference = textOf(batch, 'CallerReference');
    const paths = childOf(childOf(batch, 'Paths'), 'Items')?.children.map(({ text }) => text) ?? [];
    if (Number(textOf(childOf(batch, 'Paths'), 'Quantity')) !== paths.length) {
      return failure(400, 'InconsistentQuantities', 'The value of Quantity and the size of Items do not match.');
    }
    if (paths.length === 0 || !paths.every((path) => PATH.test(path) || TAG.test(path))) {
      return failure(400, 'InvalidArgument', 'Your request contains one or more invalid invalidation paths.');
    }
    const known = invalidations.find((candidate) => candidate.reference === reference);
    if (known !== undefined) return repeated(known, paths);
    const isWildcard = paths.some((path) => path.endsWith('*'));
    if (isLimited && isOver(paths)) {
      const words = 'Processing your request will cause you to exceed the maximum number of in-progress invalidations.';
      return failure(400, 'TooManyInvalidationsInProgress', words);
    }
    if (isLimited && speed[isWildcard ? 'wildcards' : 'paths'].take(paths.length, nowMs()) > 0) {
      return failure(400, 'Throttling', 'Rate exceeded');
    }
    const id = `I${String(invalidations.length + 1).padStart(13, '0')}`;
    const created = { id, reference, paths, createdAtMs: nowMs() };
    invalidations.push(created);
    for (const path of paths) pages.purge((page) => reaches(path, page), 'dropped');
    return xml(201, view(created));
  }

  function repeated(known: Invalidation, paths: readonly string[]): ApiAnswer {
    const isSame = known.paths.length === paths.length && known.paths.every((path, index) => path === paths[index]);
    if (isSame) return xml(201, view(known));
    return failure(400, 'InvalidationBatchAlreadyExists', 'The caller reference was used with other paths.');
  }

  function isOver(paths: readonly string[]): boolean {
    const all = [...invalidations.filter(isInProgress).flatMap((invalidation) => invalidation.paths), ...paths];
    const wildcards = all.filter((path) => path.endsWith('*')).length;
    return wildcards > MOST_WILDCARDS || all.length - wildcards > MOST_PATHS;
  }

  function isInProgress({ createdAtMs }: Invalidation): boolean {
    return nowMs() < createdAtMs + completesAfterMs;
  }

  function view(invalidation: Invalidation): string {
    const items = invalidation.paths.map((path) => `<Path>${escapeXml(path)}</Path>`).join('');
    return [
      '<Invalidation xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">',
      `<Id>${invalidation.id}</Id><Status>${isInProgress(invalidation) ? 'InProgress' : 'Completed'}</Status>`,
      `<CreateTime>${new Date(invalidation.createdAtMs).toISOString()}</CreateTime><InvalidationBatch>`,
      `<Paths><Quantity>${invalidation.paths.length}</Quantity><Items>${items}</Items></Paths>`,
      `<CallerReference>${escapeXml(invalidation.reference)}</CallerReference></InvalidationBatch></Invalidation>`,
    ].join('');
  }

  return { ...(await startApiStandIn(answer)), distribution, key, pages, invalidations };
}

/** Whatever its host: a path is one for all hosts of a distribution. */
function reaches(path: string, page: EdgePage): boolean {
  if (path.startsWith('#')) return page.tags.some((tag) => `#${tag}`.toLowerCase() === path.toLowerCase());
  return path.endsWith('*') ? page.path.startsWith(path.slice(0, -1)) : page.path === path;
}

function textOf(element: XmlElement | undefined, name: string): string {
  return childOf(element, name)?.text ?? '';
}

function failure(status: number, code: string, words: string): ApiAnswer {
  const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>${escapeXml(words)}</Message></Error>`;
  return xml(
    status,
    `<ErrorResponse xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">${error}<RequestId>1</RequestId></ErrorResponse>`,
  );
}

function xml(status: number, body: string): ApiAnswer {
  return { status, headers: { 'content-type': 'text/xml' }, body: `<?xml version="1.0"?>\n${body}` };
}
