import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { splitDefinition } from './definition-source.ts';
import { generatedFiles, repository } from './generated-files.ts';

for (const [path, generate] of Object.entries(generatedFiles)) {
  test(`${path} is what npm run generate makes`, () => {
    const file = join(repository, path);
    const found = existsSync(file) ? readFileSync(file, 'utf8') : '';
    assert.ok(found === generate(), `${path} differs (npm run generate)`);
  });
}

test('a definition in another order than it is taken apart in is a mistake, not half a definition', () => {
  const inOrder = 'import (\n\t"vela/http"\n)\n\nstep: {}\n\ntemplate: {\n\ta: {\n\t\tb: 1\n\t}\n}\n';
  assert.deepEqual(splitDefinition(inOrder), {
    metadata: 'step: {}\n',
    template: 'import (\n\t"vela/http"\n)\n\na: {\n\tb: 1\n}\n',
  });
  assert.throws(() => splitDefinition('template: {}\n\nstep: {}\n'), /one after the other/);
});
