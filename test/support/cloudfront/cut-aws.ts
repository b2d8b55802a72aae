/**
 * Cuts what AWS publishes down to what aftersync uses: the description of CloudFront's invalidations, which the stand-in is
 * held to, and the test vectors of Signature Version 4. Run it again only to follow a newer one:
 *
 *   pip download botocore==1.44.5 --no-deps --no-binary :all: && tar xzf botocore-1.44.5.tar.gz
 *   npx node test/support/cloudfront/cut-aws.ts <that folder>/botocore-1.44.5 && npm run format
 *
 * botocore and its test suite are Amazon's, under the Apache License 2.0.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isJsonObject, type Json, type JsonObject } from '../../../src/core/json.ts';

const OPERATIONS = ['CreateInvalidation', 'GetInvalidation'];

/** Those without a query, doubled headers and characters that no path of ours has. */
const VECTORS = [
  'get-header-value-trim',
  'get-unreserved',
  'get-vanilla',
  'get-vanilla-with-session-token',
  'post-header-key-case',
  'post-header-key-sort',
  'post-header-value-case',
  'post-sts-token/post-sts-header-before',
  'post-vanilla',
  'post-x-www-form-urlencoded',
  'post-x-www-form-urlencoded-parameters',
];

function withoutDocumentation(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map((item: Json) => withoutDocumentation(item));
  if (!isJsonObject(value)) return value ?? null;
  const kept = Object.entries(value).filter(([key]) => key !== 'documentation' && key !== 'documentationUrl');
  return Object.fromEntries(kept.map(([key, child]) => [key, withoutDocumentation(child)]));
}

function shapesIn(value: Json | undefined): string[] {
  if (Array.isArray(value)) return value.flatMap((item: Json) => shapesIn(item));
  if (!isJsonObject(value)) return [];
  const own = typeof value.shape === 'string' ? [value.shape] : [];
  return [...own, ...Object.values(value).flatMap((child) => shapesIn(child))];
}

function requireObject(value: Json | undefined): JsonObject {
  if (!isJsonObject(value)) throw new Error('the description is not as it was');
  return value;
}

function cutDescription(document: JsonObject): JsonObject {
  const all = requireObject(document.operations);
  const operations = Object.fromEntries(OPERATIONS.map((name) => [name, withoutDocumentation(all[name])]));
  const shapes: Record<string, Json> = {};
  const open = shapesIn(operations);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (shapes[name] !== undefined) continue;
    shapes[name] = withoutDocumentation(requireObject(document.shapes)[name]);
    open.push(...shapesIn(shapes[name]));
  }
  const sorted = Object.entries(shapes).sort(([left], [right]) => (left < right ? -1 : 1));
  return { metadata: requireObject(document.metadata), operations, shapes: Object.fromEntries(sorted) };
}

async function readVector(folder: string, path: string): Promise<JsonObject> {
  const name = path.split('/').at(-1) ?? path;
  const read = async (kind: string) => await readFile(join(folder, path, `${name}.${kind}`), 'utf8');
  // As it is sent, since only there does a session token stand.
  const [head = '', body = ''] = (await read('sreq')).replaceAll('\r', '').split('\n\n');
  const [requestLine = '', ...lines] = head.trimEnd().split('\n');
  const [method = '', target = ''] = requestLine.split(' ');
  const { Authorization: _, ...headers } = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)] as const),
  );
  return { name, method, path: target, headers, body, authorization: (await read('authz')).trim() };
}

async function write(name: string, content: Json): Promise<void> {
  await writeFile(new URL(name, import.meta.url), `${JSON.stringify(content, null, 2)}\n`);
}

const [botocore] = process.argv.slice(2);
if (botocore === undefined) throw new Error('usage: cut-aws.ts <unpacked botocore>');
const service = join(botocore, 'botocore/data/cloudfront/2020-05-31/service-2.json');
await write('service.json', cutDescription(JSON.parse(await readFile(service, 'utf8'))));
const suite = join(botocore, 'tests/unit/auth/aws4_testsuite');
const vectors: JsonObject[] = [];
for (const path of VECTORS) vectors.push(await readVector(suite, path));
await write('signature-vectors.json', vectors);
