import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';

import type { Execution } from '../../src/core/execution.ts';
import { systemClock } from '../../src/core/time.ts';
import { assertSameRequest, toNewExecution } from '../../src/engine/accept.ts';
import { Connections } from '../../src/engine/connections.ts';
import { connectionTypes } from '../../src/providers/index.ts';
import { steps } from '../../src/steps/index.ts';
import { changeGate } from '../../src/steps/read-object/change-gate.ts';
import { readyGate } from '../../src/steps/read-object/ready-gate.ts';
import { cueExport } from '../support/cue/cue.ts';
import { cueVersions } from '../support/cue/cue-program.ts';
import { evaluateTemplate } from '../support/cue/evaluate-template.ts';
import { contexts, definitionFiles, leastParameters } from './definition-files.ts';

const readyWhen = { object: { kind: 'Deployment', name: 'web' } };
const onChange = { component: 'web' };

/** What people write, with everything that can be written somewhere in it. */
const parameterSets: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ...Object.entries(leastParameters),
  ...Object.entries(leastParameters).map(
    ([step, parameter]) =>
      [
        step,
        { ...parameter, timeout: '90s', failurePolicy: 'ignore', onChange, readyWhen, executor: 'http://other:8080' },
      ] as const,
  ),
  [
    'purge-cdn',
    { ...leastParameters['purge-cdn'], readyWhen: { ...readyWhen, waitFor: 'exists', connection: 'here' } },
  ],
  [
    'purge-cdn',
    { ...leastParameters['purge-cdn'], readyWhen: { ...readyWhen, waitFor: { jsonPath: '.status.phase', equals: 3 } } },
  ],
  [
    'purge-cdn',
    {
      ...leastParameters['purge-cdn'],
      onChange: { ...readyWhen, fields: ['.spec.replicas', '.data["a.b"]'], connection: 'here' },
    },
  ],
  ...['v1', 3, true, null, ['a'], { digest: 'sha256:1', sizes: [1, 2] }].map(
    (key) => ['purge-cdn', { ...leastParameters['purge-cdn'], onChange: { key } }] as const,
  ),
  [
    'purge-cdn',
    {
      connection: 'edge',
      urls: ['https://www.example.com/a?b=c"d\\(e)', 'http://www.example.com/ü'],
      tags: ['a-1'],
      prefixes: ['www.example.com/img/'],
      hosts: ['www.example.com'],
      soft: true,
      waitFor: 'accepted',
      failurePolicy: 'fail',
    },
  ],
  ['purge-cdn', { everything: true, soft: false, waitFor: 'effective' }],
  [
    'read-object',
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      name: 'web',
      namespace: 'prod',
      cluster: 'edge.eu-1',
      waitFor: 'rolledOut',
      select: { image: '.spec.template.spec.containers[?(@.name=="web")].image' },
      missing: 'wait',
      connection: 'here',
    },
  ],
  ['read-object', { name: 'shop' }],
  ['read-object', { apiVersion: '', kind: 'Pod', name: 'web', namespace: '', cluster: '' }],
  ['read-object', { kind: 'Pod', name: 'web', waitFor: { condition: { type: 'Ready' } }, missing: 'fail' }],
  ['read-object', { kind: 'Pod', name: 'web', waitFor: { condition: { type: 'Ready', status: 'False' } } }],
  ['read-object', { kind: 'Pod', name: 'web', waitFor: { jsonPath: '.status.phase', equals: 'Running' } }],
  ['read-object', { kind: 'Pod', name: 'web', waitFor: { jsonPath: '.status.ready', equals: true } }],
  [
    'trigger-github-action',
    {
      repository: 'acme/shop.web',
      workflow: 12345678,
      ref: 'refs/heads/main',
      inputs: { text: 'ü "quoted"', number: 1.5, flag: false },
      correlation: { input: 'mark' },
      waitFor: 'dispatched',
      expect: ['success', 'skipped'],
      onUncertain: 'resend',
      onStop: 'cancel',
      connection: 'github',
    },
  ],
  ['trigger-github-action', { ...leastParameters['trigger-github-action'], expect: 'neutral', waitFor: 'completed' }],
];

const log = pino({ level: 'silent' });
const noFetch = () => Promise.reject(new Error('no network here'));
const catalogue = {
  steps: new Map(steps.map((step) => [step.name, step])),
  readyGate,
  changeGate,
  areOriginsProven: true,
  connections: new Connections({
    settings: [
      { name: 'edge', type: 'varnish', options: {}, allow: {} },
      { name: 'here', type: 'kubernetes', options: {}, allow: {} },
      { name: 'github', type: 'github', options: {}, allow: {} },
    ].map((settings) => ({ ...settings, isDefault: false, place: 'test' })),
    types: connectionTypes,
    tools: {
      fetch: noFetch,
      clock: systemClock,
      log,
      credential: (path) => ({ path, read: () => Promise.reject(new Error('no files here')) }),
    },
  }),
};

for (const [name, parameter] of parameterSets) {
  test(`the executor takes what ${name} sends for ${JSON.stringify(parameter)}`, async () => {
    const file = definitionFiles.find((known) => known.name === name);
    assert.ok(file);
    const accepted = [];
    for (const version of cueVersions) {
      const { requests } = await evaluateTemplate({
        version,
        definitionPath: file.path,
        parameter,
        context: contexts.Application,
        returns: { call: { statusCode: 200, body: '{}' } },
      });
      const { body } = (requests.call ?? assert.fail()).request as { readonly body: string };
      const submission = { namespace: 'prod', id: 'abc0123456', caller: 'vela-core', body: JSON.parse(body) };
      accepted.push({ submission, record: toNewExecution(submission, catalogue, 0) });
    }

    const [first, second] = accepted;
    assert.ok(first && second);
    const { executor: _, timeout, failurePolicy, onChange: change, readyWhen: ready, ...own } = parameter;
    assert.deepEqual(first.record.request.with, own);
    assert.equal(first.record.request.timeout, timeout);
    assert.equal(first.record.request.failurePolicy, failurePolicy);
    assert.deepEqual(first.record.request.onChange, change);
    assert.deepEqual(first.record.request.readyWhen, ready);
    assertSameRequest(second.submission, first.record as Execution);
  });
}

for (const { name, source, step } of definitionFiles) {
  const required = (step.params.required ?? []) as readonly string[];
  for (const version of cueVersions) {
    test(`what ${name} needs and was not given is named by the executor: ${required.join(', ') || 'nothing'} (CUE ${version})`, async () => {
      const tick = [
        `context: ${JSON.stringify(contexts.Application)}`,
        'let missingAll = template & {parameter: {}}',
        'body: missingAll.call.$params.request.body',
      ].join('\n');
      const files = { 'definition.cue': source, 'tick.cue': tick };
      const body = JSON.parse(String(await cueExport({ version, files, expression: 'body' })));
      const submission = { namespace: 'prod', id: 'abc0123456', caller: 'vela-core', body };
      assert.deepEqual(body.with, {});
      assert.throws(
        () => toNewExecution(submission, catalogue, 0),
        ({ message }: Error) => required.every((field) => message.includes(`/with/${field} is missing`)),
      );
    });
  }
}
