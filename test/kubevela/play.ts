import type { JsonObject } from '../../src/core/json.ts';
import type { RunSummary } from '../support/github/run-summary.ts';
import type { Outcome, Turn } from './outcomes.ts';
import { create, type Stage, workflowEnded, workflowWhen } from './stage.ts';
import { declaredSteps, describeSteps, readExample, type WorkflowState } from './workflow.ts';

/** Runs an example to the end of its last turn. Returns what was not as it has to be, a sentence each. */
export async function play(outcome: Outcome, stage: Stage): Promise<readonly string[]> {
  const { example, page, conclusion = 'success', turns } = outcome;
  const { cluster, namespace, standIns } = stage;
  const object = readExample(example, namespace);
  const declared = declaredSteps(object);
  standIns?.conclude(conclusion);

  let path: string | undefined;
  let ended: WorkflowState | undefined;
  for (const turn of turns) {
    if (page !== undefined) await standIns?.publish(page.path, page.tag);
    const runsBefore = standIns?.runs.length ?? 0;
    if (path === undefined) path = await create(stage, object);
    else await cluster.patch(path, turn.change ?? []);

    const wrong = await meanwhile(outcome, stage, path);
    ended = await workflowEnded(stage, path, ended);
    wrong.push(...differences(outcome, declared, ended));
    wrong.push(...unlikeRuns(turn, standIns?.runs.slice(runsBefore) ?? []));
    if (page !== undefined && turn.page !== undefined && standIns !== undefined) {
      const became = (await standIns.wasPurged(page.path)) ? 'purged' : 'kept';
      if (became !== turn.page) wrong.push(`the page ${page.path} was ${became}, and was to be ${turn.page}`);
    }
    // What comes after would only follow from it.
    if (wrong.length > 0) return [...wrong.map((what) => `when ${turn.because}: ${what}`), describeSteps(ended)];
  }
  return [];
}

/** What another team does while a step waits for it. */
async function meanwhile({ awaitedDeployment, page }: Outcome, stage: Stage, path: string): Promise<string[]> {
  if (awaitedDeployment === undefined) return [];
  const { name, step } = awaitedDeployment;
  await workflowWhen(stage, path, ({ steps }) =>
    steps.some((state) => state.name === step && state.phase === 'running'),
  );
  const wasPurged = page !== undefined && (await stage.standIns?.wasPurged(page.path));
  const labels = { app: name };
  await stage.cluster.create(`/apis/apps/v1/namespaces/${stage.namespace}/deployments`, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name, image: 'nginx:1.29-alpine' }] } },
    },
  });
  return wasPurged ? [`${step} did not wait for Deployment ${name}`] : [];
}

function differences(outcome: Outcome, declared: readonly string[], { status, steps }: WorkflowState): string[] {
  const { ends = 'succeeded', failing = [], messages = {} } = outcome;
  const wrong = status === ends ? [] : [`the workflow ${status}, and was to have ${ends}`];
  for (const name of declared) {
    const phase = steps.find((step) => step.name === name)?.phase ?? 'not begun';
    const expected = failing.includes(name) ? 'failed' : 'succeeded';
    if (phase !== expected) wrong.push(`step ${name} is ${phase}, and was to be ${expected}`);
  }
  for (const [name, pattern] of Object.entries(messages)) {
    const message = steps.find((step) => step.name === name)?.message ?? '';
    if (!pattern.test(message)) wrong.push(`step ${name} says "${message}", and was to say ${pattern}`);
  }
  return wrong;
}

function unlikeRuns({ starts = {} }: Turn, runs: readonly RunSummary[]): string[] {
  const expected = Object.keys(starts).sort();
  const started = runs.map(({ workflow }) => workflow).sort();
  if (expected.join() !== started.join()) {
    return [`GitHub started ${listed(started)}, and was to start ${listed(expected)}`];
  }
  return runs.flatMap(({ workflow, inputs }) => {
    const wanted: JsonObject = starts[workflow as keyof typeof starts] ?? {};
    const wrong = Object.entries(wanted).filter(([name, value]) => inputs[name] !== value);
    return wrong.map(([name, value]) => `${workflow} got the input ${name}=${inputs[name]}, and was to get ${value}`);
  });
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ');
}
