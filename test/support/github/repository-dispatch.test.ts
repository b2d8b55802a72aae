import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask } from './ask.ts';
import type { StandInOptions } from './options.ts';
import { startGitHubStandIn } from './stand-in.ts';

const ELEVEN_KEYS = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`x${index}`, '1']));
const repositories: StandInOptions['repositories'] = [
  {
    fullName: 'acme/shop',
    workflows: [
      { file: 'smoke.yml' },
      { file: 'deployed.yml', on: { repository_dispatch: { types: ['deployed'] } } },
      { file: 'any-event.yml', on: { repository_dispatch: {} } },
    ],
  },
];

test('repository_dispatch starts every workflow that listens for the event, which may be none', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  await ask(standIn, 'repositoryDispatch', { body: { event_type: 'deployed', client_payload: { tag: 'v1' } } });
  assert.deepEqual(
    standIn.runs.map(({ workflow }) => workflow),
    ['deployed.yml', 'any-event.yml'],
  );
  assert.deepEqual(standIn.runs.map(({ event, displayTitle }) => [event, displayTitle])[0], [
    'repository_dispatch',
    'deployed',
  ]);
  await ask(standIn, 'repositoryDispatch', { body: { event_type: 'other' } });
  assert.equal(standIn.dispatches('acme/shop', 'deployed.yml'), 1);
});

const EVENT_REFUSALS: readonly [title: string, body: object, message: RegExp][] = [
  ['no event type', {}, /"event_type" wasn't supplied/],
  ['an empty event type', { event_type: '' }, /only 0 were supplied/],
  ['an event type of 101 characters', { event_type: 'x'.repeat(101) }, /Only 100 characters are allowed; 101 were/],
  ['another key', { event_type: 'deployed', inputs: {} }, /"inputs" is not a permitted key/],
  ['11 keys in the payload', { event_type: 'deployed', client_payload: ELEVEN_KEYS }, /No more than 10/],
  ['a payload of 64 KB', { event_type: 'deployed', client_payload: { text: 'x'.repeat(65_536) } }, /too large/],
];

for (const [title, body, message] of EVENT_REFUSALS) {
  test(`repository_dispatch is refused, and starts nothing: ${title}`, async () => {
    await using standIn = await startGitHubStandIn({ repositories });
    const reply = await ask(standIn, 'repositoryDispatch', { body });
    assert.equal(reply.status, 422);
    assert.match(reply.body.message, message);
    assert.equal(standIn.dispatches(), 0);
  });
}
