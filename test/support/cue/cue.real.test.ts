import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';

import { CueError, cueExport, cueFmt, cueVet } from './cue.ts';
import { cueVersions } from './cue-program.ts';

for (const version of cueVersions) {
  describe(`CUE ${version}`, () => {
    test('export gives a concrete value as JSON, over files that see each other', async () => {
      const files = { 'a.cue': 'greeting: "hello \\(name)"\n', 'b.cue': 'package definition\n\nname: "web"\n' };
      assert.deepEqual(await cueExport({ version, files }), { greeting: 'hello web', name: 'web' });
      assert.equal(await cueExport({ version, files, expression: 'greeting' }), 'hello web');
    });

    test('an error names the line of the source as it was given', async () => {
      const exported = cueExport({ version, files: { 'a.cue': 'a: 1\nb: 2\na: 3\n' } });
      await assert.rejects(exported, (error) => error instanceof CueError && /a\.cue:3:4/.test(error.message));
    });

    test("vet finds KubeVela's packages, in either form of import, and accepts what is not concrete", async () => {
      const block = 'import (\n\t"vela/builtin"\n\tcluster "vela/kube"\n)\n';
      const uses = 'fail: builtin.#Fail\nread: cluster.#Read\n';
      await cueVet({ version, files: { 'a.cue': `${block}${uses}` } });
      const single = 'import "vela/util"\n\nimport "vela/http"\n';
      await cueVet({ version, files: { 'a.cue': `${single}log: util.#Log\ncall: http.#HTTPDo\n` } });
    });

    test('vet refuses parameters that KubeVela would refuse', async () => {
      const misspelt = 'import "vela/http"\ncall: http.#HTTPDo & {$params: {url: "http://x", methd: "PUT"}}\n';
      await assert.rejects(cueVet({ version, files: { 'a.cue': misspelt } }), /methd.*not allowed/);
    });

    test('fmt gives the canonical form', async () => {
      assert.equal(await cueFmt({ version, source: 'a: {   b:1 }' }), 'a: {b: 1}\n');
      await assert.rejects(cueFmt({ version, source: 'a: {' }), CueError);
    });

    test('the stand-ins and the sample are formatted', async () => {
      let seen = 0;
      for await (const name of glob('**/*.cue', { cwd: import.meta.dirname })) {
        const source = await readFile(`${import.meta.dirname}/${name}`, 'utf8');
        assert.equal(await cueFmt({ version, source }), source, name);
        seen++;
      }
      assert.ok(seen >= 5, `${seen} files`);
    });
  });
}
