import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { createEngineMetrics } from '../../src/engine/metrics.ts';
import { createHttpMetrics } from '../../src/http/metrics.ts';
import { createOriginMetrics } from '../../src/origins/kubevela/metrics.ts';

const documentation = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');

/** Labels that a metric declares; prom-client tells them to nobody. */
function labelsOf(metric: object): string {
  const { labelNames = [] } = metric as { readonly labelNames?: readonly string[] };
  return labelNames.map((name) => `\`${name}\``).join(', ');
}

test('docs/operations.md lists every metric with type, labels and meaning, and no others', async () => {
  const registry = new Registry();
  createEngineMetrics(registry, () => ({ unfinished: 0, queued: 0, advancing: 0 }));
  const none = { count: 0, drain() {} };
  createHttpMetrics({ registry, longPolls: none, eventStreams: none });
  createOriginMetrics(registry);
  const own = (await registry.getMetricsAsJSON()).filter(({ name }) => name.startsWith('aftersync_'));
  const rows = own.map(({ name, type, help }) => {
    const labels = labelsOf(registry.getSingleMetric(name) ?? {});
    return `| \`${name}\` | ${type} | ${labels === '' ? '' : `${labels} `}| ${help} |`;
  });
  assert.ok(rows.length > 0);
  const documented = documentation.split('\n').filter((line) => line.startsWith('| `aftersync_'));
  assert.deepEqual(documented, rows.toSorted());
});
