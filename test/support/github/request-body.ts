import { isJsonObject, type Json, type JsonObject } from '../../../src/core/json.ts';
import { invalidRequest, Refusal } from './answer.ts';

/** Throws the 400 that GitHub gives for text that is no JSON object (docs: "Troubleshooting the REST API"). */
export function parseBody(text: string): JsonObject {
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal(400, 'Problems parsing JSON');
  }
  if (!isJsonObject(value)) throw new Refusal(400, 'Body should be a JSON object');
  return value;
}

export function requireText(body: JsonObject, key: string): string {
  const value = body[key];
  if (value === undefined) throw invalidRequest(`"${key}" wasn't supplied.`);
  if (typeof value !== 'string')
    throw invalidRequest(`For 'properties/${key}', ${JSON.stringify(value)} is not a string.`);
  return value;
}

/** Absent and null count as empty. */
export function optionalObject(body: JsonObject, key: string, maximumKeys: number): JsonObject {
  const value = body[key] ?? {};
  if (!isJsonObject(value)) throw invalidRequest(`For 'properties/${key}', ${JSON.stringify(value)} is not an object.`);
  const count = Object.keys(value).length;
  if (count > maximumKeys) {
    throw invalidRequest(`No more than ${maximumKeys} properties are allowed; ${count} were supplied.`);
  }
  return value;
}

export function refuseOtherKeys(body: JsonObject, permitted: readonly string[]): void {
  const other = Object.keys(body).find((key) => !permitted.includes(key));
  if (other !== undefined) throw invalidRequest(`"${other}" is not a permitted key.`);
}
