import type { TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import type { ConnectionTools, HttpAnswer, HttpRequest } from '../../../src/core/connection.ts';
import { withDefaults } from '../../../src/core/schema.ts';
import { github } from '../../../src/providers/github/connection.ts';
import type { GitHubClient } from '../../../src/providers/github/github-client.ts';
import { createHttpFetch } from '../../../src/providers/http-client.ts';
import type { Signals } from '../../steps/fake-context.ts';
import { STAND_IN_TOKEN, type StandInOptions } from '../../support/github/options.ts';
import { type GitHubStandIn, startGitHubStandIn } from '../../support/github/stand-in.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { providerTools } from '../provider-tools.ts';

export interface OpenOptions {
  readonly standIn?: StandInOptions;
  /** Content of the token file. */
  readonly token?: string;
  /** Instead of the token. Its key file's content is asked for with each use. */
  readonly app?: { readonly appId?: number | string; readonly installationId?: number; readonly key: () => string };
  readonly connection?: Readonly<Record<string, string>>;
  /** Answers, or fails, instead of the stand-in. */
  readonly instead?: (request: HttpRequest) => HttpAnswer | undefined;
}

export interface OpenGitHub {
  readonly standIn: GitHubStandIn;
  readonly clock: ManualClock;
  readonly client: GitHubClient;
  /** All log lines so far. */
  readonly logged: () => string;
  readonly signals: Signals;
  /** Another client of the same connection, as after a restart. */
  reopen(): GitHubClient;
}

const tokenFile = '/etc/aftersync/github/token';
const privateKeyFile = '/etc/aftersync/github/key';

/** acme/shop with smoke.yml, which takes no inputs. */
export const shop = {
  repositories: [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml' }] }],
} satisfies StandInOptions;

/** A stand-in and a client of it on one clock that the test moves. Closed with the test. */
export async function openGitHub(test: TestContext, options: OpenOptions = {}): Promise<OpenGitHub> {
  const clock = new ManualClock();
  const standIn = await startGitHubStandIn({ ...shop, clock, ...options.standIn });
  const http = createHttpFetch({ userAgent: 'aftersync-test' });
  test.after(async () => {
    await standIn.close();
    await http.close();
  });
  let underWay = 0;
  const lines: string[] = [];
  const tools: ConnectionTools = {
    ...providerTools({
      clock,
      credentials: {
        [tokenFile]: options.token ?? STAND_IN_TOKEN,
        get [privateKeyFile]() {
          return options.app?.key();
        },
      },
      fetch: async (request) => {
        underWay += 1;
        try {
          return options.instead?.(request) ?? (await http.fetch(request));
        } finally {
          underWay -= 1;
        }
      },
    }),
    log: pino({ level: 'trace' }, { write: (line) => lines.push(line) }),
  };
  const auth = options.app === undefined ? { tokenFile } : { app: appSettings(options.app) };
  const connection = { baseUrl: standIn.url, auth, ...options.connection };
  const reopen = () =>
    github.open(withDefaults(github.options, connection) as Parameters<typeof github.open>[0], tools);
  const signals: Signals = {
    subscribe: (client, signal, raise) =>
      github.subscribe?.(client as GitHubClient, signal.replace(/^github:test\//, ''), raise) ?? (() => {}),
    async settled() {
      // An answer is taken in within a few turns of the event loop.
      for (let quiet = 0; quiet < 5; quiet += 1) {
        if (underWay > 0) quiet = 0;
        await setImmediate();
      }
    },
  };
  return { standIn, clock, client: reopen(), signals, logged: () => lines.join(''), reopen };
}

function appSettings({ appId = 7, installationId }: NonNullable<OpenOptions['app']>) {
  return { appId, privateKeyFile, ...(installationId === undefined ? {} : { installationId }) };
}

export const neverAborted = new AbortController().signal;
