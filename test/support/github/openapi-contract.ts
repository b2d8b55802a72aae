import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import { isJsonObject, type Json, type JsonObject } from '../../../src/core/json.ts';
import { atApiVersion, toJsonSchema } from './openapi-versions.ts';

export interface Exchange {
  readonly method: 'GET' | 'POST';
  /** As OpenAPI writes it: '/repos/{owner}/{repo}'. */
  readonly path: string;
  readonly apiVersion: string;
  readonly requestBody: string | undefined;
  readonly status: number;
  readonly body: string;
}

/** GitHub's own description, in `openapi.json`. */
export const openapi: JsonObject = JSON.parse(readFileSync(new URL('openapi.json', import.meta.url), 'utf8'));

const validators = new Map<string, Ajv>();

/** Throws where GitHub's description of that API version allows either this 2xx answer or the request it answers not. */
export function assertDescribed(exchange: Exchange): void {
  const { method, path, apiVersion, requestBody, status, body } = exchange;
  const described = atApiVersion(openapi, apiVersion);
  const operation = ['paths', path, method.toLowerCase()];
  const place = [...operation, 'responses', String(status)];
  const response = resolve(described, place);
  assert.ok(response, `${method} ${path}: GitHub ${apiVersion} describes no ${status}`);

  const schemaPlace = [...place, 'content', 'application/json', 'schema'];
  if (resolve(described, schemaPlace) === undefined) assert.equal(body, '', `${method} ${path}: ${status} has no body`);
  else assertValid({ apiVersion, place: schemaPlace, described }, body);

  const bodyPlace = [...operation, 'requestBody', 'content', 'application/json', 'schema'];
  if (resolve(described, bodyPlace) !== undefined)
    assertValid({ apiVersion, place: bodyPlace, described }, requestBody ?? '');
}

/**
 * The description leaves most refusals out, so their shape is ours: schema basic-error, whose members all stand in every
 * error answer shown on docs.github.com ("Troubleshooting the REST API") and in real ones since `status` came in 2024.
 */
export function assertRefusal(status: number, body: string): void {
  const refusal: Json = JSON.parse(body);
  assert.ok(isJsonObject(refusal));
  assert.deepEqual(Object.keys(refusal).sort(), ['documentation_url', 'message', 'status']);
  assert.equal(refusal.status, String(status));
  assert.ok(refusal.message);
  assert.match(String(refusal.documentation_url), /^https:\/\/docs\.github\.com\/rest/);
}

interface SchemaPlace {
  readonly apiVersion: string;
  readonly described: JsonObject;
  readonly place: readonly string[];
}

function assertValid(at: SchemaPlace, text: string): void {
  const validate = validatorOf(at);
  const problems = validate(JSON.parse(text)) ? [] : (validate.errors ?? []);
  const lines = problems.map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
  assert.deepEqual(lines, [], `${at.place.join(' ')}: not as described, ${lines.join('; ')} in ${text.slice(0, 2000)}`);
}

function validatorOf({ apiVersion, described, place }: SchemaPlace): ValidateFunction {
  let ajv = validators.get(apiVersion);
  if (ajv === undefined) {
    ajv = new Ajv({ strict: false, allErrors: true, formats: FORMATS });
    ajv.addSchema(toJsonSchema(described), 'github');
    validators.set(apiVersion, ajv);
  }
  const pointer = place.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).map(encodeURIComponent);
  const validate = ajv.getSchema(`github#/${pointer.join('/')}`);
  assert.ok(validate);
  return validate;
}

const FORMATS = {
  'date-time': (text: string) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text),
  email: /^\S+@\S+$/,
  int64: { type: 'number' as const, validate: Number.isSafeInteger },
  uri: (text: string) => URL.canParse(text),
};

function resolve(document: JsonObject, place: readonly string[]): Json | undefined {
  let found: Json | undefined = document;
  for (const part of place) found = isJsonObject(found) ? found[part] : undefined;
  return found;
}
