import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AddressGuard, operatorAddresses, userAddresses } from '../../src/providers/address-guard.ts';

const user = userAddresses([]);
const serviceRange = userAddresses(['10.96.0.0/12', 'fd00:10:96::/112']);
const everything = userAddresses(['0.0.0.0/0', '::/0']);
const all = [operatorAddresses, user, serviceRange, everything];

/** As URL.hostname has them, with the guards that let them through. */
const table: readonly (readonly [what: string, hostname: string, ...allowedBy: AddressGuard[]])[] = [
  ['a public address', '93.184.216.34', ...all],
  ['a public IPv6 address', '[2606:4700::6810:1]', ...all],
  ['a public address by NAT64', '[64:ff9b::5db8:d822]', ...all],
  ['just below a private range', '172.15.255.255', ...all],
  ['just above a private range', '172.32.0.0', ...all],
  ['a name, which lookup looks at', 'varnish.shop', ...all],
  ['a Service of the cluster', '10.96.0.10', operatorAddresses, serviceRange, everything],
  ['a Service as mapped IPv6', '[::ffff:a60:a]', operatorAddresses, serviceRange, everything],
  ['a Service by NAT64', '[64:ff9b::a60:a]', operatorAddresses, serviceRange, everything],
  ['a Service in IPv6', '[fd00:10:96::a]', operatorAddresses, serviceRange, everything],
  ['10/8', '10.0.0.1', operatorAddresses, everything],
  ['172.16/12', '172.31.255.255', operatorAddresses, everything],
  ['192.168/16', '192.168.0.1', operatorAddresses, everything],
  ['carrier-grade NAT', '100.64.0.1', operatorAddresses, everything],
  ['loopback', '127.9.9.9', operatorAddresses, everything],
  ['loopback in IPv6', '[::1]', operatorAddresses, everything],
  ['unspecified', '0.0.0.0', operatorAddresses, everything],
  ['unspecified in IPv6', '[::]', operatorAddresses, everything],
  ['multicast', '224.0.0.1', operatorAddresses, everything],
  ['multicast in IPv6', '[ff02::1]', operatorAddresses, everything],
  ['broadcast', '255.255.255.255', operatorAddresses, everything],
  ['unique local', '[fd12:3456::1]', operatorAddresses, everything],
  ['IPv4 in IPv6 of old', '[::a00:1]', operatorAddresses, everything],
  ['6to4', '[2002:a00:1::1]', operatorAddresses, everything],
  ['translated IPv4', '[::ffff:0:a00:1]', operatorAddresses, everything],
  ["NAT64 of one's own", '[64:ff9b:1::a00:1]', operatorAddresses, everything],
  ['Teredo', '[2001::f5ff:fffe]', operatorAddresses, everything],
  ['a discarded address', '[100::1]', operatorAddresses, everything],
  ['segment routing', '[5f00::1]', operatorAddresses, everything],
  ['documentation in IPv6', '[2001:db8::1]', operatorAddresses, everything],
  ['newer documentation in IPv6', '[3fff::1]', operatorAddresses, everything],
  ['the first documentation', '192.0.2.1', operatorAddresses, everything],
  ['the second documentation', '198.51.100.1', operatorAddresses, everything],
  ['the third documentation', '203.0.113.1', operatorAddresses, everything],
  ['a relay of 6to4', '192.88.99.1', operatorAddresses, everything],
  ['a Service as 6to4', '[2002:a60:a::]', operatorAddresses, everything],
  ['link-local', '169.254.1.1'],
  ['link-local in IPv6', '[fe80::1]'],
  ['metadata', '169.254.169.254'],
  ['metadata as mapped IPv6', '[::ffff:a9fe:a9fe]'],
  ['metadata by NAT64', '[64:ff9b::a9fe:a9fe]'],
  ["metadata by NAT64 of one's own", '[64:ff9b:1::a9fe:a9fe]'],
  ['metadata as translated IPv6', '[::ffff:0:a9fe:a9fe]'],
  ['metadata in IPv6 of old', '[::a9fe:a9fe]'],
  ['metadata by 6to4', '[2002:a9fe:a9fe::1]'],
  ['metadata of Alibaba by 6to4', '[2002:6464:64c8::]'],
  ['metadata of AWS in IPv6', '[fd00:ec2::254]'],
  ['metadata of Alibaba', '100.100.100.200'],
  ['metadata of Azure', '168.63.129.16'],
];

function lets({ assertAllowed }: AddressGuard, hostname: string): boolean {
  try {
    assertAllowed(hostname);
    return true;
  } catch {
    return false;
  }
}

for (const [what, hostname, ...allowedBy] of table) {
  test(`${what}: ${hostname}`, () => {
    assert.deepEqual(
      all.map((guard) => lets(guard, hostname)),
      all.map((guard) => allowedBy.includes(guard)),
    );
  });
}

describe('what a name leads to', () => {
  const resolve = (guard: AddressGuard, ofAll: boolean) =>
    new Promise((done) => guard.lookup('localhost', { all: ofAll }, (error, address) => done(error ?? address)));

  test('is refused like the address itself, before a connection is made', async () => {
    for (const ofAll of [true, false]) {
      const refusal = await resolve(user, ofAll);
      assert.ok(refusal instanceof Error && 'code' in refusal);
      assert.equal(refusal.code, 'FORBIDDEN_ADDRESS');
    }
  });

  test('is what is connected to', async () => {
    const allowed = userAddresses(['127.0.0.0/8', '::1/128']);
    assert.match(String(await resolve(allowed, false)), /^(127\.0\.0\.1|::1)$/);
    assert.ok(Array.isArray(await resolve(allowed, true)));
  });
});
