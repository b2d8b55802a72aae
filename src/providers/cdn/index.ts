import { cloudflare } from './cloudflare.ts';
import { cloudfront } from './cloudfront.ts';
import { cdnConnectionType } from './connection-type.ts';
import { fastly } from './fastly.ts';
import { nginx } from './nginx.ts';
import type { CdnProvider } from './provider.ts';
import { varnish } from './varnish.ts';

/** Every CDN, in the order of the alphabet. */
export const cdnProviders: readonly CdnProvider[] = [cloudflare, cloudfront, fastly, nginx, varnish];

export const cdnConnectionTypes = cdnProviders.map(cdnConnectionType);
