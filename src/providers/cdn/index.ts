import { cloudflare } from './cloudflare.ts';
import { cdnConnectionType } from './connection-type.ts';
import { nginx } from './nginx.ts';
import type { CdnProvider } from './provider.ts';
import { varnish } from './varnish.ts';

/** Every CDN, in the order of the alphabet. */
export const cdnProviders: readonly CdnProvider[] = [cloudflare, nginx, varnish];

export const cdnConnectionTypes = cdnProviders.map(cdnConnectionType);
