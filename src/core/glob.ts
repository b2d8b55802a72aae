/** Whether a text matches a pattern in which `*` stands for any characters, also none, and `?` for one. Case counts. */
export function matchesGlob(pattern: string, text: string): boolean {
  // Two pointers instead of a regular expression: patterns come from users, and none must take exponential time.
  let p = 0;
  let star = -1;
  let resume = 0;
  for (let t = 0; t < text.length; ) {
    if (pattern[p] === '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** Whether one of the patterns matches; none does where there are none. */
export function matchesAnyGlob(patterns: readonly string[], text: string): boolean {
  return patterns.some((pattern) => matchesGlob(pattern, text));
}
