import type { InputMistake } from '../core/problem.ts';

const deepestLevel = 64;

/**
 * What JSON.parse lets through although it has no canonical form (RFC 8785 knows neither 1e999 nor half a surrogate
 * pair), becomes something else when it is copied (`__proto__`), or is too deep for recursion. Undefined: the value is fine.
 */
export function hazardOf(value: unknown, level = 1): InputMistake | undefined {
  if (typeof value === 'string') {
    return value.isWellFormed() ? undefined : { path: '', message: 'holds half of a surrogate pair' };
  }
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : { path: '', message: 'is a number beyond what a double holds' };
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (level > deepestLevel) return { path: '', message: `is nested deeper than ${deepestLevel} levels` };
  for (const [key, child] of Object.entries(value)) {
    if (!key.isWellFormed()) return hazardOf(key);
    const hazard = key === '__proto__' ? forbiddenKey : hazardOf(child, level + 1);
    // Only now: every request is looked through, and few have a hazard.
    if (hazard !== undefined) return { ...hazard, path: `/${toPointerPart(key)}${hazard.path}` };
  }
  return undefined;
}

const forbiddenKey: InputMistake = { path: '', message: 'is a key that is not allowed' };

function toPointerPart(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
