import { type Static, Type } from '@sinclair/typebox';
import { defineConnectionType, type ProviderTools } from '../../core/connection.ts';
import { DurationSchema } from '../../core/request.ts';
import { requireDurationMs } from '../../core/time.ts';
import { appAuthentication } from './app-authentication.ts';
import { tokenAuthentication } from './authentication.ts';
import { GitHubClient } from './github-client.ts';
import { githubType, toRunPlace } from './run-signal.ts';

const AuthSchema = Type.Object(
  {
    tokenFile: Type.Optional(
      Type.String({ minLength: 1, description: 'A file that holds a token with Actions: write.' }),
    ),
    app: Type.Optional(
      Type.Object(
        {
          appId: Type.Union([Type.Integer({ minimum: 1 }), Type.String({ minLength: 1 })], {
            description: "The GitHub App's id or its client id.",
          }),
          privateKeyFile: Type.String({ minLength: 1, description: 'A file with a private key of the App, as PEM.' }),
          installationId: Type.Optional(
            Type.Integer({ minimum: 1, description: 'Default: the one that a repository belongs to.' }),
          ),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false, minProperties: 1, maxProperties: 1, errorMessage: 'either tokenFile or app' },
);

/** github.com, or a GitHub Enterprise Server at `https://HOST/api/v3`. */
export const github = defineConnectionType({
  type: githubType,
  family: 'github',
  options: Type.Object({
    baseUrl: Type.String({
      pattern: '^https?://[^?#]+$',
      default: 'https://api.github.com',
      description: 'Of the API. An Enterprise Server: https://HOST/api/v3.',
      errorMessage: 'the address of the API, such as https://api.github.com or https://HOST/api/v3',
    }),
    auth: AuthSchema,
    sendTimeout: Type.Unsafe<string>({
      ...DurationSchema,
      default: '20s',
      description: 'How long to wait for the answer to a write.',
    }),
    discoverFor: Type.Unsafe<string>({
      ...DurationSchema,
      default: '3m',
      description: 'How long to look for a run whose dispatch got no clear answer.',
    }),
    pollInterval: Type.Unsafe<string>({
      ...DurationSchema,
      default: '5s',
      description:
        'Between two looks at the runs of a repository in the first minute after the last of them began to be waited for; three times that later, nine times after ten minutes.',
    }),
    webhookSecretFile: Type.Optional(
      Type.String({ minLength: 1, description: "A file with the secret of GitHub's webhooks for these repositories." }),
    ),
  }),
  allow: ['repositories'],
  templates: ['aftersync-github', 'aftersync-github-app'],

  open({ baseUrl: address, auth, sendTimeout, discoverFor, pollInterval }, tools) {
    const baseUrl = address.replace(/\/+$/, '');
    return new GitHubClient(
      {
        connectionName: tools.connectionName,
        baseUrl,
        authentication: authenticationOf(auth, baseUrl, tools),
        sendTimeoutMs: requireDurationMs(sendTimeout),
        discoverForMs: requireDurationMs(discoverFor),
        pollIntervalMs: requireDurationMs(pollInterval),
      },
      tools,
    );
  },

  subscribe: (client, key, raise) => client.watch(toRunPlace(key), raise),
  wake: (client, key) => client.watches.wake(toRunPlace(key)),
  close: async (client) => client.watches.close(),
});

function authenticationOf({ tokenFile, app }: Static<typeof AuthSchema>, baseUrl: string, tools: ProviderTools) {
  if (tokenFile !== undefined) return tokenAuthentication(tools.credential(tokenFile));
  if (app === undefined) throw new Error('auth has neither tokenFile nor app');
  const { appId, privateKeyFile, installationId } = app;
  return appAuthentication({ appId, privateKey: tools.credential(privateKeyFile), installationId }, baseUrl, tools);
}
