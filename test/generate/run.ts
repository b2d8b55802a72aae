/** Writes what is made from other files: `npm run generate`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { generatedFiles, repository } from './generated-files.ts';

for (const [path, generate] of Object.entries(generatedFiles)) {
  writeFileSync(join(repository, path), generate());
  console.log(`wrote ${path}`);
}
