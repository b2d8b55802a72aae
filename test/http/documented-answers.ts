import assert from 'node:assert/strict';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { isJsonObject, type Json, type JsonObject } from '../../src/core/json.ts';

export interface ReceivedAnswer {
  readonly method: string;
  /** As it was asked, with the query. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** Holds answers to the OpenAPI document: status, content type and, for JSON, the schema. Throws AssertionError. */
export type CheckAnswer = (answer: ReceivedAnswer) => void;

const dateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Compiles schemas of the document, whose references begin at its root. */
export function schemaCompiler({ components }: JsonObject): (schema: JsonObject) => ValidateFunction {
  const formats = { 'date-time': dateTime, uri: (text: string) => URL.canParse(text) };
  const ajv = new Ajv2020({ allErrors: true, strictTypes: false, formats }).addVocabulary(['components']);
  return (schema) => ajv.compile({ ...schema, components });
}

export function createAnswerCheck(document: JsonObject): CheckAnswer {
  const compile = schemaCompiler(document);
  const compiled = new Map<JsonObject, ValidateFunction>();
  const templates = Object.keys(objectAt(document, 'paths')).map((template) => ({
    template,
    pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }));

  function assertFits(schema: JsonObject, text: string, what: string): void {
    const validate = compiled.get(schema) ?? compile(schema);
    compiled.set(schema, validate);
    assert.ok(validate(JSON.parse(text)), `${what}: ${JSON.stringify(validate.errors)}\n${text}`);
  }

  return ({ method, path, status, contentType, text }) => {
    const what = `${method} ${path} → ${status}`;
    const [pathname = ''] = path.split('?');
    const template = templates.find(({ pattern }) => pattern.test(pathname))?.template;
    const [mediaType = ''] = contentType.split(';');
    const documentedMethod = method === 'HEAD' ? 'get' : method.toLowerCase();
    const operation = template === undefined ? undefined : objectAt(document, 'paths', template)[documentedMethod];
    if (template === undefined || operation === undefined) {
      assert.ok(status >= 400, `${what}: the document does not have this call`);
      return assertFits(objectAt(document, 'components', 'schemas', 'Problem'), text, what);
    }
    const response = objectAt(operation, 'responses')[String(status)];
    assert.ok(response, `${what}: the document does not have this status for ${template}; the answer is ${text}`);
    if (objectAt(response).content === undefined) return assert.equal(text, '', what);
    const content = objectAt(response, 'content')[mediaType];
    assert.ok(isJsonObject(content), `${what}: the document does not have the content type ${mediaType}`);
    if (method !== 'HEAD' && 'schema' in content) assertFits(objectAt(content, 'schema'), text, what);
  };
}

/** The object at the end of the path; fails where there is none. */
export function objectAt(value: Json | undefined, ...path: string[]): JsonObject {
  let current = value;
  for (const part of path) current = isJsonObject(current) ? current[part] : undefined;
  assert.ok(isJsonObject(current), `no object at ${path.join(' ')}`);
  return current;
}
