import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { ensureGoProgram, type GoProgram, type Report } from '../go-program.ts';

/** The versions inside KubeVela 1.10 and 1.11. */
export const cueVersions = ['0.9.2', '0.14.1'] as const;
export type CueVersion = (typeof cueVersions)[number];

/** What the build requires above CUE's own requirements. */
const raisedRequirements: Record<CueVersion, readonly string[]> = {
  // The golang.org/x/tools that CUE 0.9.2 asks for does not compile with Go 1.25 or later (golang/go#74462).
  '0.9.2': ['golang.org/x/tools v0.29.0'],
  '0.14.1': [],
};

/** Path of the `cue` command of that version, built with the Go toolchain into the user's cache folder where absent. */
export function ensureCue(version: CueVersion, report?: Report): Promise<string> {
  return ensureGoProgram(cueProgram(version), report);
}

function cueProgram(version: CueVersion): GoProgram {
  const requirements = [`cuelang.org/go v${version}`, ...raisedRequirements[version]];
  return {
    name: 'cue',
    version: `v${version}`,
    mainPackage: 'cuelang.org/go/cmd/cue',
    ldflags: '-s -w',
    expectedDuration: 'about half a minute on two cores',
    writeModule: (folder) => {
      const lines = ['module aftersync.dev/cue', 'go 1.23.0', ...requirements.map((required) => `require ${required}`)];
      return writeFile(join(folder, 'go.mod'), `${lines.join('\n')}\n`);
    },
  };
}
