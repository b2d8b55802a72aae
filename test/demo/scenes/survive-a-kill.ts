import { counted, followUntil, requireSuccess, type Scene } from '../scene.ts';
import { repository } from '../stage.ts';

const id = 'deploy';
const request = { step: 'trigger-github-action', with: { repository, workflow: 'deploy.yml', ref: 'main' } };

export const surviveAKill: Scene = {
  title: 'Kill the server between a dispatch and its answer, and start it again',
  async play(stage) {
    const { api, timeline, server, gitHub } = stage;
    // The answer never comes, so that the server dies without knowing what became of what it has sent.
    gitHub.fault('dispatch', { kind: 'accept-then-hang', when: ({ path }) => path.includes('deploy.yml') });
    const { status } = await api.put(id, request);
    timeline.event('you', `PUT /v1/executions/${id} is answered with ${status}`);
    await timeline.waiting(
      'the dispatch',
      gitHub.waitForRequest(({ route, path }) => route === 'dispatch' && path.includes('deploy.yml')),
    );
    await server.kill();
    timeline.event('you', 'kill -9 aftersync', 'red');
    await timeline.waiting('starting aftersync again', server.start());
    timeline.event('aftersync', `serves ${server.url} again, with what SQLite holds`, 'bold');
    requireSuccess(await followUntil(stage, id));
    return [counted(gitHub.dispatches(repository, 'deploy.yml'), 1, 'run of deploy.yml, though aftersync was killed')];
  },
};
