import { writeFile } from 'node:fs/promises';
import { loadConfig } from '../../../src/config.ts';
import { connectionTypes, serve } from '../../../src/main.ts';
import { steps } from '../../../src/steps/index.ts';
import { startClusterWithExecutions } from './cluster.ts';

const cluster = await startClusterWithExecutions(['default']);
try {
  await writeFile(
    '/tmp/smoke/c.yaml',
    `
server: { address: "127.0.0.1:0" }
store: { type: kubernetes, leaseDuration: 2s }
log: { level: info }
connections:
  - { name: cluster, type: kubernetes, kubeconfigFile: ${cluster.adminKubeconfigPath} }
`,
  );
  const config = await loadConfig({ path: '/tmp/smoke/c.yaml', cwd: '/tmp/smoke', connectionTypes, steps });
  const [a, b] = await Promise.all([serve(config), serve(config)]);
  const put = await fetch(`${a.url}/v1/executions/x1`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ step: 'read-object', with: { kind: 'Namespace', apiVersion: 'v1', name: 'default' } }),
  });
  console.log(put.status, await put.text());
  for (let i = 0; i < 6; i++) {
    const t = Date.now();
    await fetch(`${(i % 2 ? a : b).url}/v1/executions/y${i}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ step: 'read-object', with: { kind: 'Namespace', apiVersion: 'v1', name: 'default' } }),
    });
    await fetch(`${b.url}/v1/executions/y${i}?wait=10s`);
    console.log('TOOK', Date.now() - t);
  }
  const got = await fetch(`${b.url}/v1/executions/x1?wait=10s`);
  console.log(got.status, await got.text());
  await a.close();
  await b.close();
} finally {
  await cluster.close();
}
