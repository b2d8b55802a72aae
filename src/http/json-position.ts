const whiteSpace = /[ \t\n\r]*/y;
// JSON allows the control characters from 7f on, which \p{Cc} holds too.
const string = /"(?:[^"\\\p{Cc}]|[\x7f-\x9f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const scalar = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;

/**
 * Where a text that JSON.parse refused stops being JSON, counted from 1: the start of the token that does not fit, or the
 * end of the text. V8 tells the place of some mistakes only, and quotes the text for others.
 */
export function positionOfJsonError(text: string): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offsetOfJsonError(text));
  return { line: before.split('\n').length, column: before.length - before.lastIndexOf('\n') };
}

type Expected = 'value' | 'first value or ]' | 'first key or }' | 'key' | ':' | ', or end' | 'nothing';

function offsetOfJsonError(text: string): number {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  let offset = 0;

  /** Moves behind the token if it stands here. */
  function take(token: RegExp | string): boolean {
    if (typeof token === 'string') {
      if (!text.startsWith(token, offset)) return false;
      offset += token.length;
      return true;
    }
    token.lastIndex = offset;
    if (!token.test(text)) return false;
    offset = token.lastIndex;
    return true;
  }

  function afterValue(): Expected {
    return open.length === 0 ? 'nothing' : ', or end';
  }

  function afterValueToken(): Expected | undefined {
    if (take('{')) {
      open.push('{');
      return 'first key or }';
    }
    if (take('[')) {
      open.push('[');
      return 'first value or ]';
    }
    return take(string) || take(scalar) ? afterValue() : undefined;
  }

  function afterEnd(): Expected | undefined {
    if (!take(open.at(-1) === '{' ? '}' : ']')) return undefined;
    open.pop();
    return afterValue();
  }

  function next(): Expected | undefined {
    switch (expected) {
      case 'value':
        return afterValueToken();
      case 'first value or ]':
        return afterEnd() ?? afterValueToken();
      case 'first key or }':
        return afterEnd() ?? (take(string) ? ':' : undefined);
      case 'key':
        return take(string) ? ':' : undefined;
      case ':':
        return take(':') ? 'value' : undefined;
      case ', or end':
        if (take(',')) return open.at(-1) === '{' ? 'key' : 'value';
        return afterEnd();
      case 'nothing':
        return undefined;
    }
  }

  while (true) {
    take(whiteSpace);
    const following = next();
    if (following === undefined) return offset;
    expected = following;
  }
}
