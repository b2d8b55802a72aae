import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Application, WorkflowRun } from '../support/kubevela/objects.ts';
import { examplesFolder, phasesOf, readExample, stepOf, WorkflowStage, workflowOf } from './stage.ts';

let stage: WorkflowStage;
before(async () => {
  stage = await WorkflowStage.set();
});
after(async () => {
  await stage.close();
  assert.deepEqual(stage.engine.errors, []);
});

/** Every example is one of these. */
const plays: Readonly<Record<string, () => Promise<void>>> = {
  '01-read-object': async () => {
    const catalog = await stage.apply(readExample<Application>('01-read-object'));
    const ended = await catalog.ended();
    assert.deepEqual(phasesOf(ended), { apply: 'succeeded', 'rolled-out': 'succeeded', report: 'succeeded' });
    assert.equal(stepOf(ended, 'report').message, 'nginx:1.29-alpine');
  },

  '02-smoke-test': async () => {
    const before = stage.runsOf('smoke.yml').length;
    const shop = await stage.apply(readExample<Application>('02-smoke-test'));
    const ended = await shop.ended();
    assert.deepEqual(phasesOf(ended), { apply: 'succeeded', smoke: 'succeeded', report: 'succeeded' });
    const [run, ...more] = stage.runsOf('smoke.yml').slice(before);
    assert.deepEqual(more, []);
    assert.match(run?.displayTitle ?? '', /^smoke\.yml \S{8,}$/, 'the run bears our mark');
    assert.match(stepOf(ended, 'report').message ?? '', new RegExp(`/acme/shop/actions/runs/${run?.id}$`));
  },

  '03-purge-on-change': async () => {
    const page = '/landing';
    await stage.publish(page, 'landing');
    const landing = await stage.apply(readExample<Application>('03-purge-on-change'));
    await landing.ended('landing-v1');
    assert.equal(await stage.visit(page), 'miss', 'the first revision purges');

    const { spec } = readExample<Application>('03-purge-on-change');
    const withImage = (name: string, image: string) => ({
      spec: {
        components: spec.components.map((part) => (part.name === name ? { ...part, properties: { image } } : part)),
      },
    });
    await stage.cluster.mergePatch(landing.name, withImage('landing-api', 'nginx:1.30-alpine'));
    assert.equal(stepOf(await landing.ended('landing-v2'), 'purge').phase, 'succeeded');
    assert.equal(await stage.visit(page), 'hit', 'another component is no reason');

    await stage.cluster.mergePatch(landing.name, withImage('landing-web', 'nginx:1.30-alpine'));
    await landing.ended('landing-v3');
    assert.equal(await stage.visit(page), 'miss', 'its own component is');
  },

  '04-deploy-test-purge': async () => {
    const page = '/checkout';
    await stage.publish(page, 'checkout');
    stage.controller.hold('checkout');
    const checkout = await stage.apply(readExample<Application>('04-deploy-test-purge'));
    const waiting = await checkout.until((object) => phasesOf(object)['rolled-out'] === 'running');
    assert.deepEqual(phasesOf(waiting), { apply: 'succeeded', 'rolled-out': 'running' });
    assert.deepEqual(stage.runsOf('acceptance.yml'), []);
    await stage.controller.release('checkout');
    const ended = await checkout.ended();
    assert.deepEqual(new Set(Object.values(phasesOf(ended))), new Set(['succeeded']));
    const [run, ...more] = stage.runsOf('acceptance.yml');
    assert.deepEqual(more, []);
    assert.deepEqual(run?.inputs, { image: 'nginx:1.29-alpine', generation: '1' });
    assert.equal(await stage.visit(page), 'miss');
    assert.match(stepOf(ended, 'report').message ?? '', new RegExp(`/${run?.id}$`));
  },

  '05-failure': async () => {
    const smoke = stage.gitHub.workflow('acme/shop', 'smoke.yml');
    const { plan } = smoke;
    smoke.plan = [{ status: 'completed', conclusion: 'failure' }];
    const news = await stage.apply(readExample<Application>('05-failure'));
    const ended = await news.ended();
    smoke.plan = plan;
    assert.deepEqual(phasesOf(ended), {
      apply: 'succeeded',
      purge: 'succeeded',
      smoke: 'failed',
      'roll-back': 'succeeded',
      report: 'succeeded',
    });
    assert.equal(workflowOf(ended).status, 'failed');
    assert.equal(stage.runsOf('roll-back.yml').length, 1);
    assert.match(stepOf(ended, 'report').message ?? '', /\/acme\/shop\/actions\/runs\/\d+$/);
  },

  '06-in-parallel': async () => {
    await stage.publish('/docs/a', 'none');
    const docs = await stage.apply(readExample<Application>('06-in-parallel'));
    const ended = await docs.ended();
    assert.deepEqual(phasesOf(ended), {
      apply: 'succeeded',
      after: 'succeeded',
      purge: 'succeeded',
      smoke: 'succeeded',
      report: 'succeeded',
    });
    assert.equal(await stage.visit('/docs/a'), 'miss');
    assert.equal(stepOf(ended, 'report').message, 'purged and tested');
  },

  '07-ready-when': async () => {
    const page = '/search';
    await stage.publish(page, 'search');
    const search = await stage.apply(readExample<Application>('07-ready-when'));
    await search.until((object) => phasesOf(object).purge === 'running');
    assert.equal(await stage.visit(page), 'hit', 'nothing is purged before the other Deployment is there');
    const labels = { app: 'search-index' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'index', image: 'index:1' }] } };
    const metadata = { name: 'search-index', namespace: 'default' };
    const index = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: { selector: { matchLabels: labels }, template },
    };
    await stage.cluster.create(index);
    assert.deepEqual(phasesOf(await search.ended()), { apply: 'succeeded', purge: 'succeeded' });
    assert.equal(await stage.visit(page), 'miss');
  },

  '08-read-object-everywhere': async () => {
    const settings = await stage.apply(readExample<Application>('08-read-object-everywhere'));
    assert.equal(stepOf(await settings.ended(), 'report').message, 'EUR');
  },

  '09-publish-version': async () => {
    const store = await stage.apply(readExample<Application>('09-publish-version'));
    await store.ended('v1.4.0');
    const annotations = { 'app.oam.dev/publishVersion': 'v1.5.0' };
    await stage.cluster.mergePatch(store.name, { metadata: { annotations } });
    await store.ended('v1.5.0');
    assert.deepEqual(
      stage.runsOf('release.yml').map((run) => run.inputs),
      [{ version: 'v1.4.0' }, { version: 'v1.5.0' }],
    );
  },

  '10-workflow-run': async () => {
    await stage.publish('/any', 'none');
    const nightly = await stage.apply(readExample<WorkflowRun>('10-workflow-run'));
    assert.deepEqual(phasesOf(await nightly.ended()), { nightly: 'succeeded', purge: 'succeeded' });
    assert.equal(stage.runsOf('nightly.yml').length, 1);
    assert.equal(await stage.visit('/any'), 'miss');
  },
};

const names = readdirSync(examplesFolder)
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => basename(file, '.yaml'));

describe('examples', () => {
  for (const [name, play] of Object.entries(plays)) test(name, play);
});

test('each example is run here, is in the list of examples, and says what it is, when to use it and what it needs', () => {
  assert.deepEqual(names, Object.keys(plays));
  const list = readFileSync(join(examplesFolder, 'README.md'), 'utf8');
  for (const name of names) {
    assert.ok(list.includes(`| [${name}](${name}.yaml) |`), `examples/README.md has a row for ${name}`);
    const source = readFileSync(join(examplesFolder, `${name}.yaml`), 'utf8');
    assert.match(
      source,
      /^# What: {2}.+\n(?:#.+\n)*# When: {2}.+\n(?:#.+\n)*# Needs: .+\n(?:#.+\n)*apiVersion: /,
      name,
    );
  }
});
