import { Type } from '@sinclair/typebox';
import { defineConnectionType } from '../../core/connection.ts';
import { DurationSchema } from '../../core/request.ts';
import { requireDurationMs } from '../../core/time.ts';
import { tokenAuthentication } from './authentication.ts';
import { GitHubClient } from './github-client.ts';

/** github.com, or a GitHub Enterprise Server at `https://HOST/api/v3`. */
export const github = defineConnectionType({
  type: 'github',
  family: 'github',
  options: Type.Object({
    baseUrl: Type.String({
      pattern: '^https?://[^?#]+$',
      default: 'https://api.github.com',
      description: 'Of the API. An Enterprise Server: https://HOST/api/v3.',
      errorMessage: 'the address of the API, such as https://api.github.com or https://HOST/api/v3',
    }),
    auth: Type.Object(
      { tokenFile: Type.String({ minLength: 1, description: 'A file that holds a token with Actions: write.' }) },
      { additionalProperties: false },
    ),
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
        'Between two looks at a run in its first minute; three times that later, nine times after ten minutes.',
    }),
  }),
  allow: ['repositories'],

  open({ baseUrl, auth, sendTimeout, discoverFor, pollInterval }, tools) {
    return new GitHubClient(
      {
        baseUrl: baseUrl.replace(/\/+$/, ''),
        authentication: tokenAuthentication(tools.credential(auth.tokenFile)),
        sendTimeoutMs: requireDurationMs(sendTimeout),
        discoverForMs: requireDurationMs(discoverFor),
        pollIntervalMs: requireDurationMs(pollInterval),
      },
      tools,
    );
  },
});
