import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** sha256 (hex) of the RFC 8785 canonical form: the same for the same JSON however its keys were ordered or spaced. */
export function digestOf(value: Json): string {
  return hash('sha256', canonical(value), 'hex');
}

/** By the RFC 8785 canonical form. CUE 0.9 and 0.14 order keys differently, so requests are never compared by their text. */
export function isSameJson(one: Json, other: Json): boolean {
  return canonical(one) === canonical(other);
}

function canonical(value: Json): string {
  return canonicalize(value) ?? 'null';
}

/** The value as its JSON text gives it back; undefined where it has none. Throws where a part of it cannot be JSON. */
export function throughJson(value: unknown): Json | undefined {
  const text: string | undefined = JSON.stringify(value);
  return text === undefined ? undefined : JSON.parse(text);
}

/** Bytes of the value's JSON text in UTF-8; what limits are measured in. */
export function jsonBytes(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}
