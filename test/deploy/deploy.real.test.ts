import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';

import { loadConfig } from '../../src/config.ts';
import { connectionTypes } from '../../src/providers/index.ts';
import { steps } from '../../src/steps/index.ts';
import { addonObjects, type Role } from '../addon/enabled-addon.ts';
import { image, metadata, objectOf } from '../addon/rendered-addon.ts';
import { type Kubernetes, startKubernetes } from '../support/kubernetes/start-kubernetes.ts';
import type { KubernetesObject } from '../support/kubevela/objects.ts';
import { kustomizeBuild } from '../support/kustomize.ts';

interface Deployment extends KubernetesObject {
  readonly spec: {
    readonly template: {
      readonly metadata: object;
      readonly spec: PodSpec;
    };
  };
}

interface PodSpec {
  readonly imagePullSecrets?: readonly object[];
  readonly containers: readonly [Container];
  readonly volumes: readonly Volume[];
}

interface Container {
  readonly image: string;
  readonly volumeMounts: readonly object[];
}

interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
}

const repository = join(import.meta.dirname, '../..');
const base = join(repository, 'deploy');

let objects: readonly KubernetesObject[];
let ofAddon: readonly KubernetesObject[];
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-deploy-'));
  [objects, ofAddon] = await Promise.all([kustomizeBuild(base), addonObjects({ image })]);
});
after(() => rm(folder, { recursive: true }));

function config(built: readonly KubernetesObject[]): string {
  return objectOf<{ data: Readonly<Record<string, string>> }>(built, 'ConfigMap').data['aftersync.yaml'] ?? '';
}

function syncOptions(built: readonly KubernetesObject[], kind: string): string | undefined {
  return objectOf<KubernetesObject>(built, kind).metadata.annotations?.['argocd.argoproj.io/sync-options'];
}

/** But for what each has of its own: the image and the Secrets to pull it with, and what is mounted. */
function commonPart(built: readonly KubernetesObject[]) {
  const { spec } = objectOf<Deployment>(built, 'Deployment');
  const { volumes: _, imagePullSecrets: __, ...pod } = spec.template.spec;
  const containers = pod.containers.map(({ volumeMounts: ___, image: ____, ...container }) => container);
  return { ...spec, template: { spec: { ...pod, containers } } };
}

describe('the kustomize base', () => {
  test('holds what it takes', () => {
    assert.deepEqual(
      objects
        .map(({ kind, metadata: { name } }) => `${kind} ${name.replace(/-config-[a-z0-9]{10}$/, '-config-HASH')}`)
        .sort(),
      [
        'ClusterRole aftersync',
        'ClusterRole aftersync-connection',
        'ClusterRole aftersync-reader',
        'ClusterRoleBinding aftersync',
        'ClusterRoleBinding aftersync-reader',
        'ConfigMap aftersync-config-HASH',
        'CustomResourceDefinition stepexecutions.aftersync.dev',
        'Deployment aftersync',
        'Namespace aftersync',
        'NetworkPolicy aftersync',
        'PodDisruptionBudget aftersync',
        'Role aftersync',
        'RoleBinding aftersync',
        'Service aftersync',
        'ServiceAccount aftersync',
      ],
    );
  });

  test('runs the same pods as the addon', () => {
    assert.deepEqual(commonPart(objects), commonPart(ofAddon));
    const [container] = objectOf<Deployment>(objects, 'Deployment').spec.template.spec.containers;
    assert.equal(container.image, `registry.example.com/aftersync:${metadata.version}`);
  });

  test('has the budget and the definition of the addon', () => {
    for (const kind of ['PodDisruptionBudget', 'CustomResourceDefinition']) {
      const spec = (built: readonly KubernetesObject[]) => objectOf<{ spec: object }>(built, kind).spec;
      assert.deepEqual(spec(objects), spec(ofAddon));
    }
  });

  test('grants what the addon grants, but what is for KubeVela', () => {
    const ofKubeVela = (rule: Role['rules'][number]) =>
      rule.apiGroups.includes('core.oam.dev') || rule.resources.includes('events');
    const rules = (built: readonly KubernetesObject[], kind: string, name = 'aftersync') =>
      objectOf<Role>(built, kind, name).rules;
    assert.deepEqual(
      rules(objects, 'ClusterRole'),
      rules(ofAddon, 'ClusterRole').filter((rule) => !ofKubeVela(rule)),
    );
    assert.deepEqual(rules(objects, 'Role'), rules(ofAddon, 'Role'));
    const ofTeams = 'aftersync-connection';
    assert.deepEqual(rules(objects, 'ClusterRole', ofTeams), rules(ofAddon, 'ClusterRole', ofTeams));
    const aggregated = (built: readonly KubernetesObject[]) =>
      objectOf<{ aggregationRule: object }>(built, 'ClusterRole', 'aftersync-reader').aggregationRule;
    assert.deepEqual(aggregated(objects), aggregated(ofAddon));
  });

  test('keeps credentials and executions when Argo CD takes the rest away', () => {
    for (const kind of ['Namespace', 'CustomResourceDefinition']) {
      assert.equal(syncOptions(objects, kind), 'Prune=false,Delete=false');
    }
  });

  test('its configuration is one that the server takes', async () => {
    const path = join(folder, 'base.yaml');
    await writeFile(path, config(objects));
    const loaded = await loadConfig({ path, cwd: folder, env: {}, connectionTypes, steps });
    assert.equal(loaded.store.type, 'kubernetes');
    assert.ok(loaded.auth.kubernetes, 'accounts of the cluster may call');
    assert.equal(loaded.kubevela, undefined);
    assert.ok(loaded.teamConnections, 'teams may have connections of their own');
  });

  test('so is what it shows in comments, with the credential that it mounts', async () => {
    const source = await readFile(join(base, 'aftersync.yaml'), 'utf8');
    const text = source.replace(/^ {2}# (?=- | {2}\w)/gm, '  ').replaceAll('/etc/aftersync/connections', folder);
    await writeFile(join(folder, 'github-token'), 'ghp_example');
    const path = join(folder, 'commented.yaml');
    await writeFile(path, text);
    const loaded = await loadConfig({ path, cwd: folder, env: {}, connectionTypes, steps });
    assert.deepEqual(
      loaded.connections.map(({ name }) => name),
      ['cluster', 'github', 'edge'],
    );
  });

  test('an overlay sets image and configuration', async () => {
    await writeFile(join(folder, 'aftersync.yaml'), 'log: { level: debug }\n');
    await writeFile(
      join(folder, 'kustomization.yaml'),
      stringify({
        resources: [relative(folder, base)],
        images: [{ name: 'registry.example.com/aftersync', newName: 'registry.example.org/ours', newTag: '1' }],
        configMapGenerator: [{ name: 'aftersync-config', behavior: 'replace', files: ['aftersync.yaml'] }],
      }),
    );
    const built = await kustomizeBuild(folder);
    assert.equal(config(built), 'log: { level: debug }\n');
    assert.equal(syncOptions(built, 'ConfigMap'), 'PruneLast=true', 'Argo CD leaves the old one to the old pods');
    const { containers, volumes } = objectOf<Deployment>(built, 'Deployment').spec.template.spec;
    assert.equal(containers[0].image, 'registry.example.org/ours:1');
    const { name } = objectOf<KubernetesObject>(built, 'ConfigMap').metadata;
    assert.equal(volumes.find((volume) => volume.name === 'config')?.configMap?.name, name);
  });
});

describe('a real API server', () => {
  let kubernetes: Kubernetes;
  before(async () => {
    kubernetes = await startKubernetes();
    await kubernetes.request({
      method: 'POST',
      path: '/api/v1/namespaces',
      body: { metadata: { name: 'aftersync' } },
    });
  });
  after(() => kubernetes?.close());

  test('takes each object, and knows each of its fields', async () => {
    for (const object of objects) {
      const { apiVersion, kind, metadata: named } = object;
      const api = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
      const place = named.namespace === undefined ? '' : `/namespaces/${named.namespace}`;
      const resource = `${kind.toLowerCase()}s`.replace(/ys$/, 'ies');
      const { status, body } = await kubernetes.request({
        method: 'PATCH',
        path: `${api}${place}/${resource}/${named.name}?fieldManager=test&dryRun=All&fieldValidation=Strict`,
        body: object,
        contentType: 'application/apply-patch+yaml',
      });
      assert.ok(status < 300, `${kind} ${named.name}: ${status} ${JSON.stringify(body)}`);
    }
  });
});
