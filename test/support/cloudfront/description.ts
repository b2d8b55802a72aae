import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { childOf, parseXml, type XmlElement } from './xml.ts';

interface Shape {
  readonly type: string;
  readonly required?: readonly string[];
  readonly members?: Readonly<Record<string, { readonly shape: string; readonly location?: string }>>;
  readonly member?: { readonly shape: string; readonly locationName: string };
  readonly payload?: string;
  readonly error?: { readonly httpStatusCode: number };
}

interface Operation {
  readonly http: { readonly method: string; readonly requestUri: string; readonly responseCode: number };
  readonly input: { readonly shape: string };
  readonly output: { readonly shape: string };
  readonly errors: readonly { readonly shape: string }[];
}

interface Service {
  readonly operations: Readonly<Record<string, Operation>>;
  readonly shapes: Readonly<Record<string, Shape>>;
}

/** AWS's own description, in `service.json`. */
const service = JSON.parse(readFileSync(new URL('service.json', import.meta.url), 'utf8')) as Service;

/** Of many operations' requests, and so in no list: the signature (docs.aws.amazon.com, "Common errors") and throttling. */
const COMMON_ERRORS = ['ExpiredToken', 'InvalidClientTokenId', 'SignatureDoesNotMatch', 'Throttling'];
/** Named by the documentation of CallerReference. */
const REFERENCE_ERRORS = ['InvalidationBatchAlreadyExists'];

export interface CloudFrontExchange {
  readonly method: string;
  readonly path: string;
  readonly requestBody: string;
  readonly status: number;
  readonly body: string;
}

/** Throws where AWS's description allows either this answer or the request that it answers not. */
export function assertDescribed({ method, path, requestBody, status, body }: CloudFrontExchange): void {
  const operation = Object.values(service.operations).find(
    ({ http }) => http.method === method && patternOf(http.requestUri).test(path),
  );
  assert.ok(operation, `AWS describes no ${method} ${path}`);
  if (status >= 400) {
    assertError(operation, status, body);
    return;
  }
  assert.equal(status, operation.http.responseCode);
  assertPayload(operation.output.shape, body);
  if (shapeOf(operation.input.shape).payload !== undefined) assertPayload(operation.input.shape, requestBody);
  else assert.equal(requestBody, '');
}

function assertError(operation: Operation, status: number, body: string): void {
  const error = childOf(parseXml(body), 'Error');
  const code = childOf(error, 'Code')?.text ?? '';
  assert.ok(childOf(error, 'Message')?.text, 'an error without words');
  if ([...COMMON_ERRORS, ...REFERENCE_ERRORS].includes(code)) return;
  assert.ok(
    operation.errors.some(({ shape }) => shape === code),
    `AWS describes no ${code} here`,
  );
  assert.equal(status, shapeOf(code).error?.httpStatusCode);
}

function assertPayload(shapeName: string, text: string): void {
  const { payload = '', members } = shapeOf(shapeName);
  const element = parseXml(text);
  assert.equal(element.name, payload);
  assertElement(element, members?.[payload]?.shape ?? '');
}

function assertElement(element: XmlElement, shapeName: string): void {
  const { type, required = [], members = {}, member } = shapeOf(shapeName);
  if (type === 'structure') {
    for (const name of required) assert.ok(childOf(element, name), `${element.name} lacks ${name}`);
    for (const child of element.children) {
      const { shape } = members[child.name] ?? assert.fail(`${element.name} has no ${child.name}`);
      assertElement(child, shape);
    }
  } else if (type === 'list') {
    for (const child of element.children) {
      assert.equal(child.name, member?.locationName);
      assertElement(child, member?.shape ?? '');
    }
  } else {
    assert.deepEqual(element.children, [], `${element.name} is no text`);
    if (type === 'integer') assert.match(element.text, /^\d+$/);
    if (type === 'timestamp') assert.match(element.text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  }
}

function shapeOf(name: string): Shape {
  return service.shapes[name] ?? assert.fail(`AWS describes no ${name}`);
}

function patternOf(uri: string): RegExp {
  return new RegExp(`^${uri.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
}
