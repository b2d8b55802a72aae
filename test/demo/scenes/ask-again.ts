import { counted, type Scene, SceneFailed } from '../scene.ts';
import { repository } from '../stage.ts';
import { smokeId, smokeRequest } from './start-a-workflow.ts';

const repeats = 10;

/** What KubeVela does: it asks again at every tick. */
export const askAgain: Scene = {
  title: `Ask for the same workflow ${repeats} times more`,
  async play({ api, timeline, gitHub }) {
    const states = new Set<string>();
    for (let repeat = 0; repeat < repeats; repeat++) {
      const { status, execution } = await api.put(smokeId, smokeRequest);
      states.add(`${status}, ${execution.state}`);
    }
    timeline.event('you', `${repeats} times the same PUT /v1/executions/${smokeId}: each answered with ${[...states]}`);
    if (states.size !== 1 || !states.has('200, succeeded')) throw new SceneFailed(`answers differ: ${[...states]}`);
    const dispatches = gitHub.requests.filter(({ route }) => route === 'dispatch').length;
    timeline.event('github', `has got ${dispatches} dispatch in all`);
    const runs = gitHub.dispatches(repository, 'smoke.yml');
    return [counted(runs, 1, `run of smoke.yml after ${repeats} repeats of the request`)];
  },
};
