import { counted, followUntil, requireSuccess, type Scene } from '../scene.ts';
import { repository } from '../stage.ts';

export const smokeId = 'smoke';
export const smokeRequest = {
  step: 'trigger-github-action',
  with: { repository, workflow: 'smoke.yml', ref: 'main', inputs: { env: 'prod' } },
};

export const startAWorkflow: Scene = {
  title: 'Start a GitHub Actions workflow, and wait until it has ended',
  async play(stage) {
    const { api, timeline, gitHub } = stage;
    const { status } = await api.put(smokeId, smokeRequest);
    timeline.event('you', `PUT /v1/executions/${smokeId} (${smokeRequest.step}) is answered with ${status}`);
    requireSuccess(await followUntil(stage, smokeId));
    return [counted(gitHub.dispatches(repository, 'smoke.yml'), 1, 'run of smoke.yml started at GitHub')];
  },
};
