/** All that anybody could print of a value: its own and inherited parts, hidden ones too, and its causes. */
export function deepText(value: unknown, seen = new Set<unknown>()): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if (seen.has(value)) return '';
  seen.add(value);
  const parts = Object.getOwnPropertyNames(value).map((name) =>
    deepText((value as Record<string, unknown>)[name], seen),
  );
  return [String(value), ...parts].join('\n');
}
