import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { CueError } from './cue.ts';
import { cueVersions } from './cue-program.ts';
import { evaluateTemplate } from './evaluate-template.ts';
import { evaluateTogether } from './template-evaluations.ts';

const definitionPath = join(import.meta.dirname, '../../../definitions/purge-cdn.cue');
const definition = readFileSync(definitionPath, 'utf8');
const parameter = { tags: ['a "quoted" \\(tag)'] };

function tick(index: number) {
  const context = { name: 'shop', namespace: 'prod', appName: 'shop', stepName: 'purge', stepSessionID: `id-${index}` };
  const body = JSON.stringify({ state: 'running', message: `step ${index}`, outputs: {} });
  return { context, returns: { call: { statusCode: 200, body } } };
}

for (const version of cueVersions) {
  test(`CUE ${version}: many evaluations at once are each what they are alone`, async () => {
    const ticks = Array.from({ length: 30 }, (_, index) => tick(index));
    const together = await Promise.all(
      ticks.map(({ context, returns }) =>
        evaluateTogether({
          version,
          definition,
          context,
          filling: { parameter, call: { $returns: returns.call } },
        }),
      ),
    );
    for (const index of [0, 1, 29]) {
      const { context, returns } = tick(index);
      const { fields } = await evaluateTemplate({ version, definitionPath, parameter, context, returns });
      assert.equal(JSON.stringify(together[index]), JSON.stringify(fields));
    }
  });

  test(`CUE ${version}: one that is wrong spoils no other`, async () => {
    const { context } = tick(0);
    const evaluate = (tags: string | string[]) =>
      evaluateTogether({ version, definition, context, filling: { parameter: { tags } } });
    const results = await Promise.allSettled([evaluate(['a']), evaluate(['b']), evaluate('wrong'), evaluate(['c'])]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
    );
    const [wrong] = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    assert.ok(wrong?.reason instanceof CueError);
    assert.match(wrong.reason.message, /tags: conflicting values "wrong"/);
  });
}
