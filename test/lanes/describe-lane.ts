import { globSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe } from 'node:test';

/**
 * Half of the unit tests, each file a suite. Two processes instead of one for each of 150 files, whose starts would be half
 * of the time: so a test here must leave the process as it was, and its hooks are its suite's.
 */
export function describeLane(lane: 0 | 1): void {
  const files = globSync('test/**/*.test.ts').filter((file) => !file.endsWith('.real.test.ts'));
  for (const [index, file] of files.sort().entries()) {
    if (index % 2 === lane) describe(file, async () => void (await import(resolve(file))));
  }
}
