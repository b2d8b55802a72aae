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
    readonly template: {
      readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
      readonly spec: {
        readonly imagePullSecrets: readonly object[];
        readonly containers: readonly [
          {
            readonly resources: object;
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

    test('an image is one process with a claim, a configuration, a Service and a NetworkPolicy', async () => {
      const objects = await render({ image });
      assert.deepEqual(
        objects.map(({ kind, metadata: { namespace, name } }) => `${kind} ${namespace}/${name}`),
        [
          'Deployment vela-system/aftersync',
          'PersistentVolumeClaim vela-system/aftersync-data',
          'ConfigMap vela-system/aftersync-config',
          'NetworkPolicy vela-system/aftersync',
          'Service vela-system/aftersync',
        ],
      );
      assert.deepEqual(objectOf(objects, 'Service'), {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: inVelaSystem,
        spec: { selector: inVelaSystem.labels, ports: [{ name: 'http', port: 8080, targetPort: 'http' }] },
      });
      const { spec } = objectOf<{ spec: Record<string, unknown> }>(objects, 'Deployment');
      assert.deepEqual(
        { replicas: spec.replicas, strategy: spec.strategy },
        { replicas: 1, strategy: { type: 'Recreate' } },
      );
    });

    test('the process may do nothing but write to its claim', async () => {
      const { template } = (await deployment({})).spec as unknown as Readonly<Record<string, Record<string, unknown>>>;
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
        objectOf<{ spec: object }>(await render({ image, ...given }), 'PersistentVolumeClaim').spec;
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
        store: { type: 'sqlite', path: '/data/aftersync.db' },
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
kubevela:
  definitions: [{ type: smoke-test, step: trigger-github-action }]
connections:
  - { name: edge, type: varnish, endpoints: ["http://varnish.shop:6081"], allow: { namespaces: [shop] } }
  - { name: cluster, default: false, allow: { readNamespaces: ["shared-*"] } }
`;
      assert.deepEqual(parse(await config(text, { readClusters: ['edge'], impersonate: true })), {
        server: { address: '0.0.0.0:8080' },
        log: { level: 'debug' },
        auth: { kubernetes: true, tokensFile: '/etc/aftersync/secrets/tokens/tokens' },
        kubevela: { connection: 'cluster', definitions: [{ type: 'smoke-test', step: 'trigger-github-action' }] },
        store: { type: 'sqlite', path: '/data/aftersync.db' },
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
    { args: { image, replicas: 2 }, sentence: /^replicas=2: .*sqlite.* name 1, or 0/ },
    { args: { image, replicas: -1 }, sentence: /^replicas=-1: / },
    {
      args: { externalExecutor: { address: 'ci.example.com' } },
      sentence: /^externalExecutor.address=ci\.example\.com: an IP address/,
    },
    { args: { image, config: 'hello' }, sentence: /^config: the text of an aftersync\.yaml/ },
    {
      args: { image, config: 'server: { address: "0.0.0.0:80" }' },
      sentence: /^config: leave out server\.address and store/,
    },
    { args: { image, config: 'store: { path: /tmp/a.db }' }, sentence: /^config: leave out server\.address and store/ },
    { args: { image, connections: ['github', 'github'] }, sentence: /^connections: a Secret is named twice/ },
  ];
  for (const { args, sentence } of refused) assert.match(await refusalOf({ version, args }), sentence);
  await assert.rejects(renderApplication({ version, args: { image, config: 'a: b: c' } }), /yaml\.Unmarshal/);
}
