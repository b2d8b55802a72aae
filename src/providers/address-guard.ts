import { type LookupAddress, lookup as lookupName } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Which addresses a client may connect to. */
export interface AddressGuard {
  /** Throws for a forbidden literal address, in the form that URL.hostname has; names are left to `lookup`. */
  assertAllowed(hostname: string): void;
  /** dns.lookup for sockets: checking what was resolved, and connecting to just that, leaves no gap for a second answer. */
  readonly lookup: LookupFunction;
}

/** How IPv6 addresses hold one of IPv4: what stands before it, and how many bits that is. */
type Disguise = readonly [before: string, bits: 16 | 96];

/** They lead to the IPv4 address itself (RFC 6052), as mapped ones do, which BlockList knows. */
const nat64: Disguise = ['64:ff9b::', 96];
/** They may lead there by a gateway of one's own: NAT64 (RFC 8215), translated, of old, and 6to4. */
const otherDisguises: readonly Disguise[] = [
  ['64:ff9b:1::', 96],
  ['::ffff:0:', 96],
  ['::', 96],
  ['2002:', 16],
];

/**
 * Link-local and cloud metadata addresses: whoever answers there trusts the machine that asks, so a configured or
 * redirected name must never lead to them.
 */
const neverAllowed = addressesIn(
  [
    '169.254.0.0/16',
    'fe80::/10',
    // AWS, Alibaba, Azure, Oracle, Google.
    'fd00:ec2::254/128',
    '100.100.100.200/32',
    '168.63.129.16/32',
    '192.0.0.192/32',
    'fd20:ce::254/128',
  ],
  [nat64, ...otherDisguises],
);

/** What is no place in the internet (https://www.iana.org/assignments/iana-ipv4-special-registry, and the one for IPv6). */
const privateAddresses = addressesIn([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  // Documentation, and relays of 6to4.
  '192.0.2.0/24',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '192.88.99.0/24',
  // Multicast, and the rest up to broadcast.
  '224.0.0.0/3',
  // Unspecified, loopback, and IPv4 in the disguises above.
  '::/96',
  '::ffff:0:0:0/96',
  '2002::/16',
  '64:ff9b:1::/48',
  // Discarded; protocols, of which Teredo is IPv4 in disguise too; documentation; segment routing.
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  'fec0::/10',
  'ff00::/8',
]);

/** For addresses that the operator names. */
export const operatorAddresses = guard(whyNever);

function whyNever(address: string): string | undefined {
  return neverAllowed(address) ? 'is a link-local or metadata address, which is never allowed' : undefined;
}

/** For addresses that users name: of the private ones only those in the ranges given, such as 10.96.0.0/12. */
export function userAddresses(allowed: readonly string[]): AddressGuard {
  const isAllowed = addressesIn(allowed);
  return guard((address) => whyNever(address) ?? whyPrivate(address));

  function whyPrivate(address: string): string | undefined {
    if (!privateAddresses(address) || isAllowed(address)) return undefined;
    return 'is a private address, which takes a range of network.allow that holds it (ask who runs aftersync)';
  }
}

class ForbiddenAddress extends Error {
  readonly code = 'FORBIDDEN_ADDRESS';

  constructor(address: string, why: string) {
    super(`${address} ${why}`);
    this.name = 'ForbiddenAddress';
  }
}

function guard(whyNot: (address: string) => string | undefined): AddressGuard {
  const assertAllowed = (hostname: string) => {
    const address = hostname.replace(/^\[(.*)\]$/, '$1');
    const why = isIP(address) === 0 ? undefined : whyNot(address);
    if (why !== undefined) throw new ForbiddenAddress(address, why);
  };
  return {
    assertAllowed,
    lookup(hostname, options, callback) {
      lookupName(hostname, { ...options, all: true }, (error, addresses) => {
        const failure = error ?? refusalOf(addresses, assertAllowed);
        if (failure !== undefined) return callback(failure, '', 0);
        const [first] = addresses;
        if (options.all === true) return callback(null, addresses);
        return callback(null, first?.address ?? '', first?.family ?? 0);
      });
    },
  };
}

function refusalOf(
  addresses: readonly LookupAddress[],
  assertAllowed: AddressGuard['assertAllowed'],
): ForbiddenAddress | undefined {
  try {
    for (const { address } of addresses) assertAllowed(address);
    return undefined;
  } catch (error) {
    if (error instanceof ForbiddenAddress) return error;
    throw error;
  }
}

/** The list is made by the first question: all of them together would be a twentieth of a start. */
function addressesIn(
  ranges: readonly string[],
  disguises: readonly Disguise[] = [nat64],
): (address: string) => boolean {
  let list: BlockList | undefined;
  return (address) => {
    list ??= blockList(ranges, disguises);
    return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  };
}

function blockList(ranges: readonly string[], disguises: readonly Disguise[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = '', prefix] = range.split('/');
    const isIPv4 = isIP(network) === 4;
    list.addSubnet(network, Number(prefix), isIPv4 ? 'ipv4' : 'ipv6');
    for (const [before, bits] of isIPv4 ? disguises : []) {
      const after = bits === 96 ? '' : '::';
      list.addSubnet(before + hexadecimal(network) + after, bits + Number(prefix), 'ipv6');
    }
  }
  return list;
}

/** 169.254.0.0 as a9fe:0 */
function hexadecimal(ipv4: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  return [a * 256 + b, c * 256 + d].map((group) => group.toString(16)).join(':');
}
