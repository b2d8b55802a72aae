import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { ExecutionAnswer } from '../../src/cli/answers.ts';
import { executionLines, executionRows, roughly } from '../../src/cli/execution-view.ts';
import { elapsed, newsOf, Progress } from '../../src/cli/progress.ts';
import { printable } from '../../src/cli/terminal.ts';
import { CapturedOutput } from './command-line.ts';

const createdAt = '2026-01-01T00:00:00.000Z';
const now = Date.parse('2026-01-01T00:05:00Z');

function execution(changes: Partial<ExecutionAnswer> = {}): ExecutionAnswer {
  return {
    namespace: 'default',
    id: 'smoke',
    step: 'toy',
    state: 'running',
    message: 'started',
    outputs: {},
    createdAt,
    deadline: '2026-01-01T01:00:00.000Z',
    attempts: 0,
    effects: [],
    ...changes,
  };
}

const pipe = () => new CapturedOutput();

test('durations are said in their largest unit', () => {
  const cases: [number, string][] = [
    [-5, '0s'],
    [0, '0s'],
    [119_000, '119s'],
    [120_000, '2m'],
    [7_199_000, '119m'],
    [7_200_000, '2h'],
    [172_800_000, '2d'],
  ];
  for (const [durationMs, text] of cases) assert.equal(roughly(durationMs), text);
});

test('elapsed time counts up as a clock does', () => {
  const cases: [number, string][] = [
    [-1, '0:00'],
    [7_900, '0:07'],
    [750_000, '12:30'],
    [3_723_000, '1:02:03'],
  ];
  for (const [durationMs, text] of cases) assert.equal(elapsed(durationMs), text);
});

test('text from elsewhere cannot act on the terminal', () => {
  assert.equal(printable('a\u001b]0;title\u0007b\r\nc\u009b2Jd\u202ee'), 'a ]0;title b c 2Jd e');
  const [, row = ''] = executionRows([execution({ message: 'one\ntwo\u001b[2J' })], pipe(), now);
  assert(row.endsWith('one two [2J'), row);
});

describe('a table of executions', () => {
  const executions = [
    execution({ message: 'a message that is longer than what is left of the line' }),
    execution({ id: 'a-longer-id', state: 'failed', reason: 'TimedOut', message: '' }),
  ];

  test('is aligned, and whole in a pipe', () => {
    assert.deepEqual(executionRows(executions, pipe(), now), [
      'NAMESPACE  ID           STEP  STATE              AGE  MESSAGE',
      'default    smoke        toy   running            5m   a message that is longer than what is left of the line',
      'default    a-longer-id  toy   failed (TimedOut)  5m',
    ]);
  });

  test('fits the width of a terminal', () => {
    const [, row = ''] = executionRows(executions, new CapturedOutput(70), now);
    assert.equal(stripVTControlCharacters(row).length, 70);
    assert(row.endsWith('…'), row);
  });
});

test('one execution is shown with what happened, effect by effect', () => {
  const done = execution({
    state: 'failed',
    reason: 'PartlyFailed',
    message: '1 of 2 refused',
    finishedAt: '2026-01-01T00:00:42.000Z',
    attempts: 2,
    origin: { kind: 'Application', namespace: 'shop', name: 'web', step: 'purge', sessionID: 's' },
    effects: [
      { name: 'purge-urls', intentAt: createdAt, sentAt: createdAt, doneAt: '2026-01-01T00:00:02.000Z' },
      { name: 'purge-tags', intentAt: createdAt },
    ],
    outputs: { url: 'https://x.example', count: 2, failed: [{ index: 1 }] },
  });
  assert.deepEqual(executionLines(done, pipe()), [
    'id         smoke',
    'namespace  default',
    'step       toy',
    'state      failed (PartlyFailed)',
    'message    1 of 2 refused',
    'origin     Application shop/web, step purge',
    `created    ${createdAt}`,
    'finished   2026-01-01T00:00:42.000Z (took 42s)',
    'attempts   2 failed and were tried again',
    'effects       SENT                      DONE',
    `  purge-urls  ${createdAt}  2026-01-01T00:00:02.000Z`,
    `  purge-tags  ${createdAt}  no`,
    'outputs',
    '  url: https://x.example',
    '  count: 2',
    '  failed: [{"index":1}]',
  ]);
});

test('how long it took is told to the millisecond where that is all it took', () => {
  const [finished] = executionLines(
    execution({ state: 'succeeded', finishedAt: '2026-01-01T00:00:00.312Z' }),
    pipe(),
  ).filter((line) => line.startsWith('finished'));
  assert.equal(finished, 'finished   2026-01-01T00:00:00.312Z (took 312ms)');
});

describe('news between two records', () => {
  const effect = { name: 'dispatch', intentAt: createdAt };
  const table: readonly (readonly [
    title: string,
    before: ExecutionAnswer | undefined,
    after: ExecutionAnswer,
    news: string[],
  ])[] = [
    ['at first, how it stands', undefined, execution(), ['running  started']],
    ['nothing', execution(), execution({ attempts: 1 }), []],
    ['a new state', execution(), execution({ state: 'succeeded', message: 'done' }), ['succeeded  done']],
    ['an effect that begins', execution(), execution({ effects: [effect] }), ['effect dispatch is being sent']],
    [
      'an effect that is repeated',
      execution({ effects: [{ ...effect, sentAt: createdAt }] }),
      execution({ effects: [{ ...effect, intentAt: '2026-01-01T00:00:05.000Z' }] }),
      ['effect dispatch is being sent again'],
    ],
    [
      'an effect that is done, and an output to follow',
      execution({ effects: [effect] }),
      execution({
        effects: [{ ...effect, doneAt: createdAt }],
        outputs: { runUrl: 'https://x.example/1', n: 1, empty: '' },
      }),
      ['effect dispatch is done', 'runUrl: https://x.example/1'],
    ],
  ];
  for (const [title, before, after, news] of table) {
    test(title, () => assert.deepEqual(newsOf(before, after, pipe()), news));
  }
});

describe('progress', () => {
  test('in a pipe is plain lines', () => {
    const stream = pipe();
    const progress = new Progress(stream, () => now);
    progress.update(execution());
    progress.update(execution({ state: 'succeeded', message: 'done' }));
    progress.end();
    assert.match(stream.text, /^\d\d:\d\d:\d\d {2}running {2}started\n\d\d:\d\d:\d\d {2}succeeded {2}done\n$/);
  });

  test('on a terminal is the same lines above one that counts the time, which goes away at the end', (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const stream = new CapturedOutput(40);
    let time = Date.parse(createdAt);
    const progress = new Progress(stream, () => time);
    progress.update(execution());
    time += 7_000;
    t.mock.timers.tick(1_000);
    assert.deepEqual(screenOf(stream.text).at(-1), '0:07  toy is running');
    progress.update(execution({ message: 'half way' }));
    progress.end();
    const lines = screenOf(stream.text).map((line) => line.replace(/^\d\d:\d\d:\d\d {2}/, ''));
    assert.deepEqual(lines, ['running  started', 'running  half way', '']);
  });
});

/** The lines that a terminal shows after this text. */
function screenOf(text: string): string[] {
  return text.split('\n').map((line) => stripVTControlCharacters(line.split('\r\u001b[K').at(-1) ?? ''));
}
