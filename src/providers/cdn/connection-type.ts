import { type TProperties, Type } from '@sinclair/typebox';
import type { ConnectionType } from '../../core/connection.ts';
import { DurationSchema } from '../../core/request.ts';
import { parseDurationMs } from '../../core/time.ts';
import { CdnClient } from './cdn-client.ts';
import { type LimitsOverride, limitsSchema, overridden } from './limits.ts';
import type { CdnProvider } from './provider.ts';

const defaultSendTimeout = '20s';

/** What every CDN connection has beside its provider's own options. */
interface CommonOptions {
  readonly sendTimeout?: string;
  readonly limits?: LimitsOverride;
}

/** The connection type that a provider's declaration makes. */
export function cdnConnectionType(provider: CdnProvider): ConnectionType<TProperties, CdnClient> {
  return {
    type: provider.type,
    family: 'cdn',
    options: Type.Object({
      ...provider.options,
      sendTimeout: Type.Optional(DurationSchema),
      limits: Type.Optional(limitsSchema(provider)),
    }),
    allow: ['hosts', 'kinds'],
    templates: [`aftersync-${provider.type}`],
    open(options, tools) {
      const { sendTimeout = defaultSendTimeout, limits } = options as CommonOptions;
      const sendTimeoutMs = parseDurationMs(sendTimeout);
      if (sendTimeoutMs === undefined) throw new Error(`sendTimeout: ${sendTimeout} is not a duration`);
      return new CdnClient({
        provider,
        sender: provider.open(options, { ...tools, sendTimeoutMs }),
        limits: overridden(provider.limits(options), limits),
        tools,
      });
    },
  };
}
