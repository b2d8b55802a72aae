import assert from 'node:assert/strict';
import { after, before, it, type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Execution, Origin } from '../../../src/core/execution.ts';
import { type JsonObject, throughJson } from '../../../src/core/json.ts';
import { systemClock } from '../../../src/core/time.ts';
import { createKubevelaOrigins } from '../../../src/origins/kubevela/kubevela.ts';
import { OriginSource, originSignal } from '../../../src/origins/kubevela/origin-source.ts';
import type { KubernetesClient } from '../../../src/providers/kubernetes/kubernetes-client.ts';
import type { KubernetesObject } from '../../../src/providers/kubernetes/kubernetes-object.ts';
import { ObjectWatches } from '../../../src/providers/kubernetes/object-watches.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { apply, kubeconfigOf } from '../../providers/kubernetes/cluster-objects.ts';
import { neverAborted, openClient } from '../../providers/kubernetes/open-client.ts';
import { eventually } from '../../support/eventually.ts';
import { type Kubernetes, startKubernetes } from '../../support/kubernetes/start-kubernetes.ts';
import { Cluster } from '../../support/kubevela/cluster.ts';
import { installKubeVela, installWorkflowRuns } from '../../support/kubevela/crds.ts';
import { application, ended, execution, smoke, web } from './samples.ts';

let kubernetes: Kubernetes;
before(async () => {
  kubernetes = await startKubernetes();
  await installKubeVela(new Cluster(kubernetes), 'without-workflow-runs');
});
after(() => kubernetes.close());

/** In `default`, which a new cluster has. */
const originOf = (name: string): Origin => ({ ...web, namespace: 'default', name });
const pathOf = ({ namespace, name }: Origin) =>
  `/apis/core.oam.dev/v1beta1/namespaces/${namespace}/applications/${name}`;

async function read(path: string): Promise<KubernetesObject> {
  return (await apply(kubernetes, { method: 'GET', path })) as KubernetesObject;
}

/** As the engine leaves it while its step waits. Returns the UID. */
async function createObject(origin: Origin, { status, ...object }: JsonObject, path = pathOf(origin)): Promise<string> {
  const { metadata } = (await apply(kubernetes, {
    method: 'POST',
    path: path.slice(0, path.lastIndexOf('/')),
    body: { ...object, metadata: { name: origin.name } },
  })) as KubernetesObject;
  await writeStatus(path, status);
  return metadata.uid ?? '';
}

async function writeStatus(path: string, status: unknown): Promise<void> {
  const contentType = 'application/merge-patch+json';
  await apply(kubernetes, { method: 'PATCH', path: `${path}/status`, body: { status }, contentType });
}

async function open(test: TestContext) {
  const client = openClient(await kubeconfigOf(kubernetes));
  const store = await openSqliteStore({ path: ':memory:' });
  const origins = createKubevelaOrigins({
    client,
    store,
    definitions: [],
    authorityOf: () => [],
    authorityFromInputs: [],
    clock: systemClock,
    log: pino({ level: 'silent' }),
    registry: new Registry(),
  });
  test.after(async () => {
    await origins.close();
    await store.close();
  });
  return { client, store, origins };
}

/** A watch that does not pause between its tries, and what it says. */
function watching(test: TestContext, { api }: KubernetesClient) {
  const said: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => said.push(line) });
  const watches = new ObjectWatches({ api, clock: systemClock, log, silenceLimitMs: 90_000, random: () => 0 });
  test.after(() => watches.close());
  return { watches, source: new OriginSource(watches), said };
}

/** The sample's times were another day. */
function today(sample: Execution, uid = 'uid-1'): Execution {
  const now = Date.now();
  const { proof, finishedAt, ...status } = sample.status;
  return {
    ...sample,
    createdAt: now,
    status: {
      ...status,
      startedAt: now,
      ...(finishedAt === undefined ? {} : { finishedAt: now }),
      ...(proof === undefined ? {} : { proof: { ...proof, uid, provenAt: now } }),
    },
  };
}

/** Looks without asking anybody, once what is under way has gone on. */
const seen =
  <T>(look: () => T) =>
  () =>
    new Promise<T>((resolve) => setImmediate(() => resolve(look())));

const conditionsOf = ({ status }: JsonObject) => (status as { conditions?: readonly JsonObject[] }).conditions ?? [];
const isWoken = (object: JsonObject) => conditionsOf(object).some(({ type }) => type === 'AfterSync');

it('an end changes the Application outside status.workflow, and leaves all that the engine wrote', async (t) => {
  const { store, origins } = await open(t);
  const origin = originOf('woken');
  const uid = await createObject(origin, application());
  const earlier = await read(pathOf(origin));
  origins.start();
  origins.asked(today(execution(origin), uid));
  const { execution: stored } = await store.create(today(execution(origin), uid));
  await store.update(stored, stored.version, today(ended(origin), uid).status);

  const woken = await eventually(() => read(pathOf(origin)), isWoken);
  const workflowOf = ({ status }: JsonObject) => (status as JsonObject).workflow;
  assert.notEqual(woken.metadata.resourceVersion, earlier.metadata.resourceVersion);
  assert.deepEqual(workflowOf(woken), workflowOf(earlier));
  assert.deepEqual(conditionsOf(woken).slice(0, -1), conditionsOf(earlier));
  // While nobody asks it is said again, in the same place.
  const again = await eventually(
    () => read(pathOf(origin)),
    (object) => !isDeepStrictEqual(object, woken),
  );
  assert.equal(conditionsOf(again).length, conditionsOf(woken).length);
  assert.match(String(conditionsOf(again).at(-1)?.message), /said 2 of 5/);
});

it('while others write the status too, the condition is added once, and none is lost', async (t) => {
  const { store, origins } = await open(t);
  const origin = originOf('busy');
  const uid = await createObject(origin, application());
  origins.start();
  let isDone = false;
  const other = (async () => {
    for (let number = 0; !isDone; number++) {
      const { status } = await kubernetes.request({
        method: 'PATCH',
        path: `${pathOf(origin)}/status`,
        body: [{ op: 'add', path: '/status/observedGeneration', value: number }],
        contentType: 'application/json-patch+json',
      });
      assert.equal(status, 200);
    }
  })();
  const { execution: stored } = await store.create(today(execution(origin), uid));
  await store.update(stored, stored.version, today(ended(origin), uid).status);
  const woken = await eventually(() => read(pathOf(origin)), isWoken).finally(() => {
    isDone = true;
  });
  await other;
  assert.deepEqual(
    conditionsOf(woken).map(({ type }) => type),
    ['Parsed', 'AfterSync'],
  );
});

it('after a restart it goes on for what ended before, also where there is no condition yet', async (t) => {
  const { store, origins } = await open(t);
  const origin = originOf('restarted');
  const { status, ...object } = application();
  const { conditions: _, ...withoutConditions } = status as JsonObject;
  const uid = await createObject(origin, { ...object, status: withoutConditions });
  await store.create(today(ended(origin), uid));
  origins.start();
  await eventually(() => read(pathOf(origin)), isWoken);
});

it('the beginning and the end are an Event each, also when they are told again by the next process', async (t) => {
  const origin = originOf('told');
  const uid = await createObject(origin, application());
  for (let process = 0; process < 2; process++) {
    const { store, origins } = await open(t);
    origins.start();
    const { execution: stored } = await store.create(today(execution(origin), uid));
    await store.update(stored, stored.version, today(ended(origin), uid).status);
    await eventually(
      () => eventsOf(uid),
      (events) => events.length >= 2,
    );
    // The next one would be written after these.
    const later = { ...origin, sessionID: `later${process}` };
    await store.create(today(execution(later), uid));
    await eventually(
      () => eventsOf(uid),
      (events) => events.length >= 3 + process,
    );
  }
  const reasons = (await eventsOf(uid)).map(({ reason }) => reason).sort();
  assert.deepEqual(reasons, ['StepStarted', 'StepStarted', 'StepStarted', 'StepSucceeded']);
});

async function eventsOf(uid: string): Promise<JsonObject[]> {
  const path = `/api/v1/namespaces/default/events?fieldSelector=involvedObject.uid=${uid}`;
  const { items } = await apply(kubernetes, { method: 'GET', path });
  return throughJson(items) as unknown as JsonObject[];
}

it('what became of an origin is seen live at once, and by the watch soon', async (t) => {
  const { origins } = await open(t);
  const origin = originOf('followed');
  const uid = await createObject(origin, application());
  const running = today(execution(origin), uid);
  let raised = () => {};
  const release = origins.source.subscribe(originSignal(origin).slice('origin:'.length), () => raised());
  await new Promise<void>((resolve) => {
    raised = resolve;
  });
  assert.deepEqual([await origins.verify(running, neverAborted), origins.look(running)], [undefined, undefined]);
  const changed = new Promise<void>((resolve) => {
    raised = resolve;
  });
  await writeStatus(pathOf(origin), { workflow: { steps: [{ ...smoke, id: 'smoke00002' }] } });
  assert.equal((await origins.verify(running, neverAborted))?.reason, 'Superseded');
  await changed;
  assert.equal(origins.look(running)?.reason, 'Superseded');
  release();
});

it('one watch serves a thousand sessions, over a restart of the API server, which answers 410', async (t) => {
  const { client } = await open(t);
  const { source, watches } = watching(t, client);
  const names = Array.from({ length: 100 }, (_, index) => `many-${String(index).padStart(3, '0')}`);
  const sessions = (name: string) => Array.from({ length: 10 }, (_, index) => `session${index}`.concat(name.slice(-3)));
  await Promise.all(names.map((name) => createObject(originOf(name), application(stepsOf(sessions(name), 'pending')))));

  const raised = new Map<string, number>();
  const releases = names.flatMap((name) =>
    sessions(name).map((sessionID) => {
      const signal = originSignal({ ...originOf(name), sessionID });
      return source.subscribe(signal.slice('origin:'.length), () => raised.set(signal, (raised.get(signal) ?? 0) + 1));
    }),
  );
  const counts = () => [...new Set(raised.values())].concat(raised.size);
  await eventually(seen(counts), (counted) => isDeepStrictEqual(counted, [1, 1_000]));
  assert.equal(watches.size, 1);

  await kubernetes.restartApiServer();
  const [first = ''] = names;
  await writeStatus(pathOf(originOf(first)), application(stepsOf(sessions(first), 'running')).status);
  const concerned = sessions(first).map((sessionID) => originSignal({ ...originOf(first), sessionID }));
  await eventually(
    seen(() => concerned.map((signal) => raised.get(signal))),
    (each) => each.every((count) => count === 2),
  );
  assert.equal([...raised.values()].filter((count) => count === 1).length, 990);
  for (const release of releases) release();
  assert.equal(watches.size, 0);
});

function stepsOf(sessions: readonly string[], phase: string) {
  return { steps: sessions.map((id) => ({ ...smoke, id, phase })) };
}

it('a WorkflowRun whose kind is not installed does not exist, without noise, and is found once it is there', async (t) => {
  const { client } = await open(t);
  const { source, said } = watching(t, client);
  const run: Origin = { ...originOf('run'), kind: 'WorkflowRun' };
  let raise = () => {};
  let next = new Promise<void>((resolve) => {
    raise = resolve;
  });
  const release = source.subscribe(originSignal(run).slice('origin:'.length), () => raise());
  await next;
  assert.deepEqual(source.look(run), { object: undefined });
  next = new Promise<void>((resolve) => {
    raise = resolve;
  });
  // While the kind is being installed the API server itself says one thing and another.
  assert.ok(said.length <= 5, said.join(''));
  await installWorkflowRuns(new Cluster(kubernetes));
  const body = { apiVersion: 'core.oam.dev/v1alpha1', kind: 'WorkflowRun', spec: { workflowSpec: { steps: [] } } };
  const path = '/apis/core.oam.dev/v1alpha1/namespaces/default/workflowruns/run';
  const status = { finished: false, suspend: false, terminated: false, mode: {}, steps: [smoke] };
  await createObject(run, { ...body, status }, path);
  await next;
  await eventually(
    seen(() => source.look(run)?.object),
    (object) => object !== undefined && isDeepStrictEqual((object.status as JsonObject).steps, [smoke]),
  );
  release();

  const { store, origins } = await open(t);
  origins.start();
  await store.create(today(ended(run)));
  await eventually(() => read(path), isWoken);
});
