/**
 * Cuts GitHub's official description down to the calls that aftersync makes, so that the stand-in can be held to it without
 * 385 MB of package. Run it again only to follow a newer description:
 *
 *   (cd "$(mktemp -d)" && npm init -y && npm install --ignore-scripts @octokit/openapi@23.0.2 && pwd)
 *   npx node test/support/github/cut-openapi.ts <that folder>/node_modules/@octokit/openapi
 *
 * The package (MIT) is octokit/openapi's copy of github/rest-api-description.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isJsonObject, type Json, type JsonObject } from '../../../src/core/json.ts';

const REPOSITORY = '/repos/{owner}/{repo}';

const USED: ReadonlyArray<readonly [path: string, method: 'get' | 'post']> = [
  ['/user', 'get'],
  ['/app', 'get'],
  ['/app/installations/{installation_id}/access_tokens', 'post'],
  ['/rate_limit', 'get'],
  [REPOSITORY, 'get'],
  [`${REPOSITORY}/installation`, 'get'],
  [`${REPOSITORY}/dispatches`, 'post'],
  [`${REPOSITORY}/actions/workflows/{workflow_id}`, 'get'],
  [`${REPOSITORY}/actions/workflows/{workflow_id}/dispatches`, 'post'],
  [`${REPOSITORY}/actions/workflows/{workflow_id}/runs`, 'get'],
  [`${REPOSITORY}/actions/runs`, 'get'],
  [`${REPOSITORY}/actions/runs/{run_id}`, 'get'],
  [`${REPOSITORY}/actions/runs/{run_id}/artifacts`, 'get'],
  [`${REPOSITORY}/actions/runs/{run_id}/cancel`, 'post'],
  [`${REPOSITORY}/actions/runs/{run_id}/force-cancel`, 'post'],
  [`${REPOSITORY}/actions/runs/{run_id}/jobs`, 'get'],
];

/** Samples and links for people: nothing that an answer can be checked against. */
const FOR_PEOPLE = new Set(['summary', 'example', 'examples', 'externalDocs', 'x-github', 'x-octokit']);

/** `namesAreFree`: the keys of this object are names that GitHub chose (properties), not words of OpenAPI. */
function withoutSamples(value: Json | undefined, namesAreFree = false): Json {
  if (Array.isArray(value)) return value.map((item: Json) => withoutSamples(item));
  if (!isJsonObject(value)) return value ?? null;
  const kept: Record<string, Json> = {};
  for (const [key, child] of Object.entries(value)) {
    if (!namesAreFree && FOR_PEOPLE.has(key)) continue;
    kept[key] = withoutSamples(child, !namesAreFree && (key === 'properties' || key === 'headers'));
  }
  return kept;
}

function resolve(document: JsonObject, reference: string): Json {
  let found: Json | undefined = document;
  for (const part of reference.slice('#/'.length).split('/')) {
    found = isJsonObject(found) ? found[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
  }
  if (found === undefined) throw new Error(`${reference} leads nowhere`);
  return found;
}

function referencesIn(value: Json | undefined): string[] {
  if (Array.isArray(value)) return value.flatMap((item: Json) => referencesIn(item));
  if (!isJsonObject(value)) return [];
  const own = typeof value.$ref === 'string' ? [value.$ref] : [];
  return [...own, ...Object.values(value).flatMap((child) => referencesIn(child))];
}

/** Sorted, so that following a newer description shows as a small difference. */
function sortedByName([kind, named]: [string, Record<string, Json>]): [string, JsonObject] {
  return [kind, Object.fromEntries(Object.entries(named).sort(([left], [right]) => (left < right ? -1 : 1)))];
}

function cut(document: JsonObject): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const [path, method] of USED) {
    const operations = resolve(document, `#/paths/${path.replaceAll('/', '~1')}`);
    const operation = isJsonObject(operations) ? operations[method] : undefined;
    if (operation === undefined) throw new Error(`the description has no ${method} ${path}`);
    paths[path] = { ...paths[path], [method]: withoutSamples(operation) };
  }

  const components: Record<string, Record<string, Json>> = {};
  const open = referencesIn(paths);
  for (let reference = open.pop(); reference !== undefined; reference = open.pop()) {
    const [kind, name] = reference.slice('#/components/'.length).split('/');
    if (kind === undefined || name === undefined) throw new Error(`${reference} is not a component`);
    components[kind] ??= {};
    if (components[kind][name] !== undefined) continue;
    const component = withoutSamples(resolve(document, reference));
    components[kind][name] = component;
    open.push(...referencesIn(component));
  }

  const { openapi, info } = document;
  return { openapi, info, paths, components: Object.fromEntries(Object.entries(components).map(sortedByName)) };
}

const [packageFolder] = process.argv.slice(2);
if (packageFolder === undefined) throw new Error('usage: cut-openapi.ts <unpacked @octokit/openapi>');
const whole: JsonObject = JSON.parse(await readFile(join(packageFolder, 'generated', 'api.github.com.json'), 'utf8'));
await writeFile(new URL('openapi.json', import.meta.url), `${JSON.stringify(cut(whole), null, 1)}\n`);
