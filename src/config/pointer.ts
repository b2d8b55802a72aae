/** `/connections/0/allow` as its parts. */
export function pointerParts(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

export function toPointer(parts: readonly string[]): string {
  return parts.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** `/connections/0/allow` as people write it: `connections[0].allow`. */
export function readablePath(pointer: string): string {
  let path = '';
  for (const part of pointerParts(pointer)) {
    if (/^[0-9]+$/.test(part)) path += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) path += path === '' ? part : `.${part}`;
    else path += `[${JSON.stringify(part)}]`;
  }
  return path;
}
