import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';

import { loadConfig } from '../../src/config.ts';
import { connectionTypes } from '../../src/providers/index.ts';
import { steps } from '../../src/steps/index.ts';
import { type CueVersion, cueVersions } from '../support/cue/cue-program.ts';
import type { KubernetesObject } from '../support/kubevela/objects.ts';
import { image, objectOf, objectsOf, refusalOf, renderApplication } from './rendered-addon.ts';

interface Volume {
  readonly name: string;
  readonly secret?: object;
}

interface Deployment {
  readonly spec: {
    readonly replicas: number;
    readonly strategy: object;
    readonly template: {
      readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
      readonly spec: {
        readonly imagePullSecrets: readonly object[];
        readonly terminationGracePeriodSeconds: number;
        readonly topologySpreadConstraints?: readonly object[];
        readonly containers: readonly [
          {
            readonly ports: readonly object[];
            readonly resources: object;
            readonly lifecycle?: object;
            readonly args: readonly string[];
            readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
          },
        ];
        readonly volumes: readonly Volume[];
      };
    };
  };
}

interface ConfigMap {
  readonly data: { readonly 'aftersync.yaml': string };
}

interface Settings {
  readonly store: object;
  readonly connectionsFolder?: string;
  readonly connections: readonly Readonly<Record<string, unknown>>[];
}

const inVelaSystem = { name: 'aftersync', namespace: 'vela-system', labels: { 'app.kubernetes.io/name': 'aftersync' } };

for (const version of cueVersions) {
  describe(`CUE ${version}`, () => {
    const render = async (args: object): Promise<readonly KubernetesObject[]> =>
      objectsOf(await renderApplication({ version, args }), 'executor');
    const deployment = async (args: object) => objectOf<Deployment>(await render({ image, ...args }), 'Deployment');
    const config = async (text: string, args: object = {}): Promise<string> => {
      const objects = await render({ image, config: text, ...args });
      return objectOf<ConfigMap>(objects, 'ConfigMap').data['aftersync.yaml'];
    };

    test('an image is two replicas with a configuration, a Service, a NetworkPolicy and a disruption budget', async () => {
      const objects = await render({ image });
      assert.deepEqual(namesOf(objects), [
        'Deployment vela-system/aftersync',
        'ConfigMap vela-system/aftersync-config',
        'NetworkPolicy vela-system/aftersync',
        'PodDisruptionBudget vela-system/aftersync',
        'Service vela-system/aftersync',
      ]);
      assert.deepEqual(objectOf(objects, 'Service'), {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: inVelaSystem,
        spec: { selector: inVelaSystem.labels, ports: [{ name: 'http', port: 8080, targetPort: 'http' }] },
      });
      const { replicas, strategy } = objectOf<Deployment>(objects, 'Deployment').spec;
      const rollingUpdate = { maxUnavailable: 0, maxSurge: 1 };
      assert.deepEqual({ replicas, strategy }, { replicas: 2, strategy: { type: 'RollingUpdate', rollingUpdate } });
      assert.deepEqual(objectOf<{ spec: object }>(objects, 'PodDisruptionBudget').spec, {
        minAvailable: 1,
        selector: { matchLabels: inVelaSystem.labels },
      });
    });

    test('with sqlite it is one process with a claim, which is never two at once', async () => {
      const objects = await render({ image, store: 'sqlite' });
      assert.deepEqual(namesOf(objects), [
        'Deployment vela-system/aftersync',
        'ConfigMap vela-system/aftersync-config',
        'NetworkPolicy vela-system/aftersync',
        'PersistentVolumeClaim vela-system/aftersync-data',
        'Service vela-system/aftersync',
      ]);
      const { replicas, strategy } = objectOf<Deployment>(objects, 'Deployment').spec;
      assert.deepEqual({ replicas, strategy }, { replicas: 1, strategy: { type: 'Recreate' } });
    });

    test('a single replica can be drained', async () => {
      const objects = await render({ image, replicas: 1 });
      assert.ok(objects.every(({ kind }) => kind !== 'PodDisruptionBudget'));
    });

    test('replicas are spread over the nodes', async () => {
      const { topologySpreadConstraints } = (await deployment({})).spec.template.spec;
      assert.deepEqual(topologySpreadConstraints, [
        {
          maxSkew: 1,
          topologyKey: 'kubernetes.io/hostname',
          whenUnsatisfiable: 'ScheduleAnyway',
          labelSelector: { matchLabels: inVelaSystem.labels },
          matchLabelKeys: ['pod-template-hash'],
        },
      ]);
    });

    test('a pod that ends takes requests until nothing leads to it, and has the time to end what it sends', async () => {
      const endings = async (args: object) => {
        const { terminationGracePeriodSeconds, containers } = (await deployment(args)).spec.template.spec;
        return [terminationGracePeriodSeconds, containers[0].lifecycle];
      };
      assert.deepEqual(await endings({}), [50, { preStop: { exec: { command: ['sleep', '5'] } } }]);
      assert.deepEqual(await endings({ store: 'sqlite' }), [45, undefined]);
    });

    test('the process may do nothing but write to its claim, if it has one', async () => {
      const { template } = (await deployment({ store: 'sqlite' })).spec as unknown as Readonly<
        Record<string, Record<string, unknown>>
      >;
      const pod = template?.spec as Readonly<Record<string, unknown>>;
      const [container] = pod.containers as readonly [Readonly<Record<string, unknown>>];
      assert.deepEqual(pod.securityContext, {
        runAsNonRoot: true,
        runAsUser: 65532,
        runAsGroup: 65532,
        fsGroup: 65532,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      assert.deepEqual(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      assert.deepEqual(container.volumeMounts, [
        { name: 'data', mountPath: '/data', readOnly: false },
        { name: 'config', mountPath: '/etc/aftersync/config', readOnly: true },
      ]);
      const { containers } = (await deployment({})).spec.template.spec;
      assert.deepEqual(containers[0].volumeMounts, [
        { name: 'config', mountPath: '/etc/aftersync/config', readOnly: true },
      ]);
      assert.deepEqual(container.args, ['serve', '--config', '/etc/aftersync/config/aftersync.yaml']);
    });

    test('it is asked whether it lives, and whether it is ready', async () => {
      const [container] = (await deployment({})).spec.template.spec.containers as unknown as readonly [
        Readonly<Record<string, { readonly httpGet: object }>>,
      ];
      assert.deepEqual(container.startupProbe?.httpGet, { path: '/healthz', port: 'http' });
      assert.deepEqual(container.livenessProbe?.httpGet, { path: '/healthz', port: 'http' });
      assert.deepEqual(container.readinessProbe?.httpGet, { path: '/readyz', port: 'http' });
    });

    test('what it takes can be said', async () => {
      const args = { resources: { requests: { cpu: '1' }, limits: { cpu: '2', memory: '1Gi' } }, replicas: 0 };
      const { replicas, template } = (await deployment({ ...args, imagePullSecrets: ['registry'] })).spec;
      assert.equal(replicas, 0);
      assert.deepEqual(template.spec.imagePullSecrets, [{ name: 'registry' }]);
      assert.deepEqual(template.spec.containers[0].resources, {
        requests: { cpu: '1', memory: '128Mi' },
        limits: { cpu: '2', memory: '1Gi' },
      });
      const claimed = async (given: object) =>
        objectOf<{ spec: object }>(await render({ image, store: 'sqlite', ...given }), 'PersistentVolumeClaim').spec;
      const accessModes = ['ReadWriteOncePod'];
      assert.deepEqual(await claimed({}), { accessModes, resources: { requests: { storage: '1Gi' } } });
      assert.deepEqual(await claimed({ storage: '5Gi', storageClass: 'fast' }), {
        accessModes,
        resources: { requests: { storage: '5Gi' } },
        storageClassName: 'fast',
      });
    });

    test('Secrets are mounted by their names, and no value of one stands in any object', async () => {
      const { volumes, containers } = (await deployment({ connections: ['github', 'edge.cdn'], secrets: ['tokens'] }))
        .spec.template.spec;
      const mounted = volumes.flatMap(({ name, secret }) => {
        if (secret === undefined) return [];
        return [{ secret, at: containers[0].volumeMounts.find((mount) => mount.name === name)?.mountPath }];
      });
      const defaultMode = 0o440;
      assert.deepEqual(mounted, [
        { secret: { secretName: 'github', defaultMode }, at: '/etc/aftersync/connections/github' },
        { secret: { secretName: 'edge.cdn', defaultMode }, at: '/etc/aftersync/connections/edge.cdn' },
        { secret: { secretName: 'tokens', defaultMode }, at: '/etc/aftersync/secrets/tokens' },
      ]);
      const { spec } = await renderApplication({ version, args: { image, connections: ['github'] } });
      const kinds = spec.components.flatMap(({ properties: { objects } }) => objects.map(({ kind }) => kind));
      assert.ok(!kinds.includes('Secret'));
    });

    test('pods of vela-system may call it, and those of the namespaces that are named', async () => {
      const from = async (allowFrom: readonly string[]) => {
        const policy = objectOf<{ spec: Record<string, unknown> }>(await render({ image, allowFrom }), 'NetworkPolicy');
        const { ingress, ...others } = policy.spec;
        assert.deepEqual(others, { podSelector: { matchLabels: inVelaSystem.labels }, policyTypes: ['Ingress'] });
        const [rule] = ingress as readonly [{ readonly ports: unknown; readonly from: unknown }];
        assert.deepEqual(rule.ports, [{ port: 8080 }]);
        return rule.from;
      };
      const own = { podSelector: {} };
      assert.deepEqual(await from([]), [own]);
      assert.deepEqual(await from(['ci', '*']), [
        own,
        { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ci' } } },
        { namespaceSelector: {} },
      ]);
    });

    test('with hooks it listens for webhooks at a port of its own, which alone anybody may reach', async () => {
      const objects = await render({ image, hooks: true, config: 'server: {}' });
      const { ports } = objectOf<{ spec: { ports: readonly object[] } }>(objects, 'Service').spec;
      assert.deepEqual(ports, [
        { name: 'http', port: 8080, targetPort: 'http' },
        { name: 'hooks', port: 8081, targetPort: 'hooks' },
      ]);
      const [container] = objectOf<Deployment>(objects, 'Deployment').spec.template.spec.containers;
      assert.deepEqual(container.ports, [
        { name: 'http', containerPort: 8080 },
        { name: 'hooks', containerPort: 8081 },
      ]);
      const { ingress } = objectOf<{ spec: { ingress: readonly object[] } }>(objects, 'NetworkPolicy').spec;
      assert.deepEqual(ingress, [
        { ports: [{ port: 8080 }], from: [{ podSelector: {} }] },
        { ports: [{ port: 8081 }] },
      ]);
      const { server } = parse(await config('', { hooks: true })) as { readonly server: object };
      assert.deepEqual(server, { address: '0.0.0.0:8080', hooksAddress: '0.0.0.0:8081' });
    });

    test('an executor elsewhere is a Service that leads there', async () => {
      const objects = await render({ externalExecutor: { address: '10.0.0.7', port: 9090 } });
      assert.deepEqual(objects, [
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: inVelaSystem,
          spec: { ports: [{ name: 'http', port: 8080, targetPort: 9090 }] },
        },
        {
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: {
            ...inVelaSystem,
            name: 'aftersync-external',
            labels: { ...inVelaSystem.labels, 'kubernetes.io/service-name': 'aftersync' },
          },
          addressType: 'IPv4',
          endpoints: [{ addresses: ['10.0.0.7'] }],
          ports: [{ name: 'http', port: 9090 }],
        },
      ]);
      const slice = objectOf(await render({ externalExecutor: { address: '2001:db8::7' } }), 'EndpointSlice');
      const { addressType, ports } = slice as Readonly<Record<string, unknown>>;
      assert.deepEqual({ addressType, ports }, { addressType: 'IPv6', ports: [{ name: 'http', port: 8080 }] });
    });

    test('the configuration serves the cluster, with a connection to it', async () => {
      assert.deepEqual(parse(await config('# nothing of our own\n\n')), {
        server: { address: '0.0.0.0:8080' },
        auth: { kubernetes: true },
        kubevela: { connection: 'cluster' },
        teamConnections: true,
        store: { type: 'kubernetes', connection: 'cluster', leaseNamespace: 'aftersync-replicas' },
        connections: [
          {
            name: 'cluster',
            type: 'kubernetes',
            default: true,
            impersonate: false,
            allow: { namespaces: ['*'], clusters: [] },
          },
        ],
      });
    });

    test('what people give stands beside it, and a connection called cluster adds to ours', async () => {
      const text = `
log: { level: debug }
auth: { tokensFile: /etc/aftersync/secrets/tokens/tokens }
store: { leaseDuration: 30s, writesPerSecond: 100 }
kubevela:
  definitions: [{ type: smoke-test, step: trigger-github-action }]
network: { allow: [10.96.0.0/12] }
teamConnections: false
connections:
  - { name: edge, type: varnish, endpoints: ["http://varnish.shop:6081"], allow: { namespaces: [shop] } }
  - { name: cluster, default: false, allow: { readNamespaces: ["shared-*"] } }
`;
      assert.deepEqual(parse(await config(text, { readClusters: ['edge'], impersonate: true })), {
        server: { address: '0.0.0.0:8080' },
        log: { level: 'debug' },
        auth: { kubernetes: true, tokensFile: '/etc/aftersync/secrets/tokens/tokens' },
        kubevela: { connection: 'cluster', definitions: [{ type: 'smoke-test', step: 'trigger-github-action' }] },
        network: { allow: ['10.96.0.0/12'] },
        teamConnections: false,
        store: {
          type: 'kubernetes',
          connection: 'cluster',
          leaseNamespace: 'aftersync-replicas',
          leaseDuration: '30s',
          writesPerSecond: 100,
        },
        connections: [
          {
            name: 'cluster',
            type: 'kubernetes',
            default: false,
            impersonate: true,
            allow: { namespaces: ['*'], clusters: ['edge'], readNamespaces: ['shared-*'] },
          },
          { name: 'edge', type: 'varnish', endpoints: ['http://varnish.shop:6081'], allow: { namespaces: ['shop'] } },
        ],
      });
    });

    test('each Secret that is named may be a connection as it stands', async () => {
      const { connectionsFolder } = parse(await config('', { connections: ['github'] })) as Settings;
      assert.equal(connectionsFolder, '/etc/aftersync/connections');
    });

    test('with sqlite the store is a file on the claim', async () => {
      const { store } = parse(await config('', { store: 'sqlite' })) as Settings;
      assert.deepEqual(store, { type: 'sqlite', path: '/data/aftersync.db' });
    });

    test('another configuration is another pod', async () => {
      const stamp = async (text: string) => {
        const { annotations } = (await deployment({ config: text })).spec.template.metadata;
        return annotations['aftersync.dev/config-sha256'];
      };
      const first = await stamp('');
      assert.match(String(first), /^[0-9a-f]{64}$/);
      assert.equal(await stamp('# the same'), first);
      assert.notEqual(await stamp('log: { level: debug }'), first);
    });

    test('the executor takes the configuration', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'aftersync-addon-'));
      try {
        await mkdir(join(folder, 'connections/github'), { recursive: true });
        await writeFile(join(folder, 'connections/github/token'), 'ghp_example');
        const text = await config(`
connections:
  - { name: github, type: github, auth: { tokenFile: /etc/aftersync/connections/github/token } }
`);
        const path = join(folder, 'aftersync.yaml');
        await writeFile(path, text.replaceAll('/etc/aftersync', folder));
        const loaded = await loadConfig({ path, cwd: folder, env: {}, connectionTypes, steps });
        assert.deepEqual(
          loaded.connections.map(({ name, type, isDefault }) => ({ name, type, isDefault })),
          [
            { name: 'cluster', type: 'kubernetes', isDefault: true },
            { name: 'github', type: 'github', isDefault: false },
          ],
        );
        assert.equal(loaded.store.type, 'kubernetes');
        assert.ok(loaded.kubevela, 'a workflow proves its origin');
        assert.ok(loaded.auth.kubernetes, 'accounts of the cluster may call');
        const { connections } = parse(text) as Settings;
        assert.equal(connections.length, loaded.connections.length);
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    test('what cannot be is refused with a sentence', async () => {
      await assertRefusals(version);
    });
  });
}

function namesOf(objects: readonly KubernetesObject[]): readonly string[] {
  return objects.map(({ kind, metadata: { namespace, name } }) => `${kind} ${namespace}/${name}`);
}

async function assertRefusals(version: CueVersion): Promise<void> {
  const refused = [
    {
      args: {},
      sentence:
        /^no executor: .*image=.*externalExecutor.*docker build .*docker push.*kind load.*k3d image import.*docs\/install\.md/,
    },
    { args: { image: '' }, sentence: /^no executor: / },
    {
      args: { image, externalExecutor: { address: '10.0.0.7' } },
      sentence: /^two executors: name either image or externalExecutor/,
    },
    { args: { image, store: 'sqlite', replicas: 2 }, sentence: /^replicas=2: .*sqlite.* name 1, or store=kubernetes/ },
    { args: { image, replicas: -1 }, sentence: /^replicas=-1: / },
    {
      args: { externalExecutor: { address: 'ci.example.com' } },
      sentence: /^externalExecutor.address=ci\.example\.com: an IP address/,
    },
    { args: { image, config: 'hello' }, sentence: /^config: the text of an aftersync\.yaml/ },
    {
      args: { image, config: 'server: { address: "0.0.0.0:80" }' },
      sentence: /^config: leave out server\.address, which the addon sets/,
    },
    {
      args: { image, config: 'server: { hooksAddress: "0.0.0.0:80" }' },
      sentence: /^config: leave out server\.hooksAddress, which the addon sets by its parameter hooks/,
    },
    { args: { image, config: 'store: { path: /tmp/a.db }' }, sentence: /^config: leave out store\.path, which/ },
    { args: { image, config: 'store: { leaseNamespace: a }' }, sentence: /^config: leave out store\.leaseNamespace/ },
    {
      args: { image, store: 'sqlite', config: 'store: { writesPerSecond: 1 }' },
      sentence: /^config: leave out store\.writesPerSecond/,
    },
    { args: { image, connections: ['github', 'github'] }, sentence: /^connections: a Secret is named twice/ },
  ];
  for (const { args, sentence } of refused) assert.match(await refusalOf({ version, args }), sentence);
  await assert.rejects(renderApplication({ version, args: { image, config: 'a: b: c' } }), /yaml\.Unmarshal/);
}
