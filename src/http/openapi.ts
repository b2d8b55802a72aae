import type { TSchema } from '@sinclair/typebox';
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import { type ProblemCode, problems } from '../core/problem.ts';
import { labelPattern, ownIdPrefix } from '../core/request.ts';
import type { Step } from '../core/step.ts';
import { type ComponentName, components } from './components.ts';
import { type Operation, type OperationId, operations, problemsOf } from './operations.ts';
import { problemContentType } from './problem.ts';

/** The OpenAPI 3.1 document of the API with these steps: what /openapi.json answers and docs/openapi.json holds. */
export function openApiDocument(steps: readonly Step[]): JsonObject {
  const paths: Record<string, Record<string, JsonObject>> = {};
  const inPath = pathParameters(steps);
  for (const [operationId, operation] of Object.entries<Operation>(operations)) {
    paths[operation.path] = {
      ...paths[operation.path],
      [operation.method]: describe(operationId as OperationId, operation, inPath),
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'aftersync',
      version: '1',
      summary: 'Run what comes after a sync, for the one resource that changed: once, on time, and provably.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    // A server that is bound to loopback asks for no credential.
    security: [{ bearer: [] }, {}],
    paths,
    components: { schemas: schemasWith(steps), securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
  };
}

function describe(operationId: OperationId, operation: Operation, inPath: PathParameters): JsonObject {
  const { summary, access, body, answers, isAlwaysOk } = operation;
  const responses: Record<string, JsonObject> = isAlwaysOk ? {} : problemResponses(operation);
  for (const [status, { description, content, hasLocation }] of Object.entries(answers)) {
    responses[status] = {
      description,
      ...(hasLocation && {
        headers: { Location: { description: 'Where the execution is read.', schema: { type: 'string' } } },
      }),
      ...(content && {
        content:
          'type' in content
            ? { [content.type]: {} }
            : { 'application/json': { schema: { $ref: refTo(content.component) } } },
      }),
    };
  }
  return {
    operationId,
    summary,
    ...(access === 'everybody' && { security: [] }),
    parameters: parametersOf(operation, inPath),
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: { $ref: refTo(body) } } } },
    }),
    responses,
  };
}

/** What stands for each `{name}` in a path. */
type PathParameters = Readonly<Record<string, JsonObject>>;

function pathParameters(steps: readonly Step[]): PathParameters {
  return {
    id: {
      description: `A DNS label. Those that begin with ${ownIdPrefix} are made by the server: PUT takes none of them.`,
      schema: { type: 'string', pattern: labelPattern },
    },
    step: { description: 'The name of a step.', schema: { type: 'string', ...nameOf(steps) } },
  };
}

/** One of the steps' names; any text where there are no steps, since an enum may not be empty. */
function nameOf(steps: readonly Step[]): JsonObject {
  return steps.length > 0 ? { enum: steps.map(({ name }) => name) } : {};
}

function parametersOf({ path, query, headers = {} }: Operation, inPath: PathParameters): JsonObject[] {
  const ofPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    ...inPath[name],
  }));
  const named = (place: string, parameters: Operation['query']) =>
    Object.entries(parameters).map(([name, { description, schema }]) => ({
      name,
      in: place,
      description,
      schema: toJsonSchema(schema),
    }));
  return [...ofPath, ...named('query', query), ...named('header', headers)];
}

/** One response for each status, since OpenAPI knows no finer key; its codes are told apart by `code`. */
function problemResponses(operation: Operation): Record<string, JsonObject> {
  const codesByStatus = Map.groupBy([...problemsOf(operation)].sort(), (code) => problems[code].status);
  const responses: Record<string, JsonObject> = {};
  for (const [status, codes] of codesByStatus) {
    const schema = { $ref: refTo('Problem'), properties: { code: { enum: codes } } };
    responses[status] = {
      description: codes.map((code: ProblemCode) => `\`${code}\`: ${problems[code].title}.`).join(' '),
      content: { [problemContentType]: { schema } },
    };
  }
  return responses;
}

function schemasWith(steps: readonly Step[]): JsonObject {
  const schemas: Record<string, Json> = {};
  for (const [name, schema] of Object.entries<TSchema>(components)) schemas[name] = toJsonSchema(schema);
  for (const step of steps) {
    schemas[`${step.name}.params`] = toJsonSchema(step.params);
    schemas[`${step.name}.outputs`] = toJsonSchema(step.outputs);
  }
  const request = schemas.ExecutionRequest;
  if (isJsonObject(request) && steps.length > 0) {
    const allOf = [{ properties: { step: nameOf(steps) } }, ...steps.map(withParamsOf)];
    schemas.ExecutionRequest = { ...request, allOf };
  }
  return schemas;
}

function withParamsOf({ name }: Step): JsonObject {
  return {
    if: { properties: { step: { const: name } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema, nothing is awaited.
    then: { properties: { with: { $ref: `#/components/schemas/${name}.params` } } },
  };
}

function refTo(component: ComponentName): string {
  return `#/components/schemas/${component}`;
}

/** The schema without what is ours alone: messages, and ids, which would be a new base for its references. */
export function toJsonSchema(schema: TSchema): JsonObject {
  return JSON.parse(
    JSON.stringify(schema, (key, value) => (key === 'errorMessage' || key === '$id' ? undefined : value)),
  );
}
