import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../src/core/json.ts';
import { problems } from '../../src/core/problem.ts';
import { openApiDocument } from '../../src/http/openapi.ts';
import { operations } from '../../src/http/operations.ts';
import { objectAt, schemaCompiler } from './documented-answers.ts';
import { serveApi } from './served-api.ts';

test('the document is served as it is made', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const { json, headers } = await api.call('GET', '/openapi.json');
  assert.match(String(headers['content-type']), /^application\/json/);
  assert.deepEqual(json, JSON.parse(JSON.stringify(openApiDocument(api.engine.steps))));
  const schemas = Object.keys(objectAt(json, 'components', 'schemas'));
  for (const name of ['toy.params', 'toy.outputs', 'planned.params', 'planned.outputs']) {
    assert.ok(schemas.includes(name), name);
  }
});

test('every reference leads to a schema, and every schema is one', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const document = openApiDocument(api.engine.steps);
  const compile = schemaCompiler(document);
  for (const schema of Object.values(objectAt(document, 'components', 'schemas'))) compile(objectAt(schema));
  for (const { operation } of operationsOf(document)) {
    for (const parameter of operation.parameters as JsonObject[]) compile(objectAt(parameter, 'schema'));
    for (const response of Object.values(objectAt(operation, 'responses'))) {
      for (const content of Object.values(objectAt(response).content ?? {})) {
        if ('schema' in objectAt(content)) compile(objectAt(content, 'schema'));
      }
    }
  }
  assert.doesNotMatch(JSON.stringify(document), /errorMessage|"\$id"/);
});

test('operations are told apart, and name the parameters of their paths', () => {
  const ids = new Set<unknown>();
  for (const { path, operation } of operationsOf(openApiDocument([]))) {
    ids.add(operation.operationId);
    const parameters = operation.parameters as { name: string; in: string; required?: boolean }[];
    const inPath = parameters.filter((parameter) => parameter.in === 'path');
    assert.deepEqual(
      inPath.map(({ name }) => name),
      [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
      path,
    );
    assert.ok(inPath.every(({ required }) => required === true));
    const places = parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
    assert.equal(new Set(places).size, places.length, path);
  }
  assert.equal(ids.size, Object.keys(operations).length);
});

test('every code but those of unknown methods and of what is not HTTP is documented with a call that answers it', () => {
  const documented = new Set<string>();
  for (const { operation } of operationsOf(openApiDocument([]))) {
    for (const [status, response] of Object.entries(objectAt(operation, 'responses'))) {
      if (Number(status) < 400) continue;
      const schema = objectAt(response, 'content', 'application/problem+json', 'schema');
      for (const code of objectAt(schema, 'properties', 'code').enum as string[]) {
        assert.equal(problems[code as keyof typeof problems].status, Number(status));
        documented.add(code);
      }
    }
  }
  const missing = Object.keys(problems).filter((code) => !documented.has(code));
  assert.deepEqual(missing, ['headers-too-large', 'malformed-request', 'method-not-allowed', 'request-timeout']);
});

test("the request's parameters are those of its step", async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const document = openApiDocument(api.engine.steps);
  const isRequest = schemaCompiler(document)(objectAt(document, 'components', 'schemas', 'ExecutionRequest'));
  assert.ok(isRequest({ step: 'planned', with: { tags: ['a'] } }));
  assert.ok(!isRequest({ step: 'planned', with: { tags: [] } }));
  assert.ok(isRequest({ step: 'toy', with: { tags: [] } }));
});

test('what no call can take is not documented as taken: a step that is not there, an origin without a name', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const document = openApiDocument(api.engine.steps);
  const compile = schemaCompiler(document);
  const isRequest = compile(objectAt(document, 'components', 'schemas', 'ExecutionRequest'));
  assert.ok(!isRequest({ step: 'other', with: {} }));
  const parameters = operationsOf(document).flatMap(({ operation }) => operation.parameters as JsonObject[]);
  for (const { name, place, good, bad } of [
    { name: 'step', place: 'path', good: 'toy', bad: 'other' },
    { name: 'origin', place: 'query', good: 'Application/default/web', bad: 'Application/default' },
    { name: 'continue', place: 'query', good: 'MQ', bad: '' },
  ]) {
    const described = parameters.filter((parameter) => parameter.name === name && parameter.in === place);
    assert.ok(described.length > 0, name);
    for (const parameter of described) {
      const isParameter = compile(objectAt(parameter, 'schema'));
      assert.ok(isParameter(good) && !isParameter(bad), name);
    }
  }
});

function operationsOf(document: JsonObject): { path: string; operation: JsonObject }[] {
  return Object.entries(objectAt(document, 'paths')).flatMap(([path, item]) =>
    Object.values(objectAt(item)).map((operation) => ({ path, operation: objectAt(operation) })),
  );
}
