import { type LookupAddress, lookup as lookupName } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/**
 * Link-local and cloud metadata addresses: whoever answers there trusts the machine that asks, so a configured or
 * redirected name must never lead to them. IPv4-mapped IPv6 addresses are checked as IPv4 by BlockList.
 */
const neverAllowed = new BlockList();
neverAllowed.addSubnet('169.254.0.0', 16, 'ipv4');
neverAllowed.addSubnet('fe80::', 10, 'ipv6');
neverAllowed.addAddress('fd00:ec2::254', 'ipv6');
neverAllowed.addAddress('100.100.100.200', 'ipv4');

class ForbiddenAddress extends Error {
  readonly code = 'FORBIDDEN_ADDRESS';

  constructor(address: string) {
    super(`${address} is a link-local or metadata address, which is never allowed`);
    this.name = 'ForbiddenAddress';
  }
}

/** Throws for a forbidden literal address, in the form that URL.hostname has; names are left to guardedLookup. */
export function assertAllowedAddress(hostname: string): void {
  const address = hostname.replace(/^\[(.*)\]$/, '$1');
  const family = isIP(address);
  if (family !== 0 && neverAllowed.check(address, family === 6 ? 'ipv6' : 'ipv4')) throw new ForbiddenAddress(address);
}

/** dns.lookup for sockets: checking what was resolved, and connecting to just that, leaves no gap for a second answer. */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  lookupName(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '', 0);
    const refusal = refusalOf(addresses);
    if (refusal !== undefined) return callback(refusal, '', 0);
    const [first] = addresses;
    if (options.all === true) return callback(null, addresses);
    return callback(null, first?.address ?? '', first?.family ?? 0);
  });
};

function refusalOf(addresses: readonly LookupAddress[]): ForbiddenAddress | undefined {
  try {
    for (const { address } of addresses) assertAllowedAddress(address);
    return undefined;
  } catch (error) {
    if (error instanceof ForbiddenAddress) return error;
    throw error;
  }
}
