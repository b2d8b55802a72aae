import type { JsonObject } from '../../src/core/json.ts';
import type { PatchOperation } from './cluster.ts';
import type { WorkflowFile } from './stand-ins.ts';

/** What an example needs beside the addon and an executor. */
export type Need = 'stand-ins' | 'WorkflowRuns';

/** One run of the example's workflow, and what it has to do. */
export interface Turn {
  /** Why it runs. */
  readonly because: string;
  /** Of the Application; absent: it is created. */
  readonly change?: readonly PatchOperation[];
  /** Runs that GitHub has to have started, each once, and their inputs (further ones do not matter). Default: none. */
  readonly starts?: Partial<Readonly<Record<WorkflowFile, JsonObject>>>;
  /** What becomes of the example's page. */
  readonly page?: 'purged' | 'kept';
}

export interface Outcome {
  /** File in examples/, without its ending. */
  readonly example: string;
  readonly needs?: readonly Need[];
  /** Marked by the origin as the example's own text says. */
  readonly page?: { readonly path: string; readonly tag: string };
  /** Of the runs at GitHub. Default success. */
  readonly conclusion?: string;
  /** Another team's Deployment, which comes once this step waits; the page is held until then. */
  readonly awaitedDeployment?: { readonly name: string; readonly step: string };
  /** Of the workflow. Default succeeded. */
  readonly ends?: 'failed';
  /** Steps that do not succeed. */
  readonly failing?: readonly string[];
  readonly messages?: Readonly<Record<string, RegExp>>;
  readonly turns: readonly Turn[];
}

const created = 'it is created';
const runUrl = /\/acme\/shop\/actions\/runs\/\d+$/;

function newImage(component: number): readonly PatchOperation[] {
  return [{ op: 'replace', path: `/spec/components/${component}/properties/image`, value: 'nginx:1.28-alpine' }];
}

/** The outcome that each example has to have on a real KubeVela. */
export const outcomes: readonly Outcome[] = [
  {
    example: '01-read-object',
    messages: { report: /^nginx:1\.29-alpine$/ },
    turns: [{ because: created }],
  },
  {
    example: '02-smoke-test',
    needs: ['stand-ins'],
    messages: { report: runUrl },
    turns: [{ because: created, starts: { 'smoke.yml': {} } }],
  },
  {
    example: '03-purge-on-change',
    needs: ['stand-ins'],
    page: { path: '/landing', tag: 'landing' },
    turns: [
      { because: created, page: 'purged' },
      { because: 'the component landing-api changed', change: newImage(1), page: 'kept' },
      { because: 'the component landing-web changed', change: newImage(0), page: 'purged' },
    ],
  },
  {
    example: '04-deploy-test-purge',
    needs: ['stand-ins'],
    page: { path: '/checkout', tag: 'checkout' },
    messages: { report: runUrl },
    turns: [
      {
        because: created,
        starts: { 'acceptance.yml': { image: 'nginx:1.29-alpine', generation: '1' } },
        page: 'purged',
      },
      {
        because: 'the image changed',
        change: newImage(0),
        starts: { 'acceptance.yml': { image: 'nginx:1.28-alpine', generation: '2' } },
        page: 'purged',
      },
    ],
  },
  {
    example: '05-failure',
    needs: ['stand-ins'],
    page: { path: '/news', tag: 'news' },
    conclusion: 'failure',
    ends: 'failed',
    failing: ['smoke'],
    messages: { report: runUrl },
    turns: [{ because: created, starts: { 'smoke.yml': {}, 'roll-back.yml': {} }, page: 'purged' }],
  },
  {
    example: '06-in-parallel',
    needs: ['stand-ins'],
    page: { path: '/docs/start', tag: 'any' },
    messages: { report: /^purged and tested$/ },
    turns: [{ because: created, starts: { 'smoke.yml': {} }, page: 'purged' }],
  },
  {
    example: '07-ready-when',
    needs: ['stand-ins'],
    page: { path: '/search', tag: 'search' },
    awaitedDeployment: { name: 'search-index', step: 'purge' },
    turns: [{ because: created, page: 'purged' }],
  },
  {
    example: '08-read-object-everywhere',
    messages: { report: /^EUR$/ },
    turns: [{ because: created }],
  },
  {
    example: '09-publish-version',
    needs: ['stand-ins'],
    turns: [
      { because: created, starts: { 'release.yml': { version: 'v1.4.0' } } },
      {
        because: 'v1.5.0 was published',
        change: [{ op: 'replace', path: '/metadata/annotations/app.oam.dev~1publishVersion', value: 'v1.5.0' }],
        starts: { 'release.yml': { version: 'v1.5.0' } },
      },
    ],
  },
  {
    example: '10-workflow-run',
    needs: ['stand-ins', 'WorkflowRuns'],
    page: { path: '/any', tag: 'any' },
    turns: [{ because: created, starts: { 'nightly.yml': {} }, page: 'purged' }],
  },
];
