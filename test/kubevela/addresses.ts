import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { CannotStart } from './arguments.ts';
import type { Cluster } from './cluster.ts';

interface NodeStatus {
  readonly addresses?: readonly { readonly type: string; readonly address: string }[];
}

/** Of this machine, on its way to a node: the nodes' way back, where nothing translates addresses. Throws CannotStart. */
export async function addressForNodes(cluster: Cluster): Promise<string> {
  const nodes = await cluster.list('/api/v1/nodes');
  const addresses = nodes.flatMap(({ status }) => (status as NodeStatus | undefined)?.addresses ?? []);
  const node = addresses.find(({ type }) => type === 'InternalIP')?.address;
  const own = node === undefined ? undefined : await addressTowards(node);
  if (own !== undefined && !own.startsWith('127.')) return own;
  const why =
    node === undefined ? 'no node of the cluster names an address' : `this machine has no way to the node ${node}`;
  throw new CannotStart(
    `${why}, so the address of this machine for the cluster could not be found out: name it with --address, or check an executor that runs in the cluster (image=…)`,
  );
}

async function addressTowards(host: string): Promise<string | undefined> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    // Nothing is sent: the system only chooses the way.
    socket.connect(9, host);
    await once(socket, 'connect');
    return socket.address().address;
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}

/** What to listen on to be reached at that address, which may be the outside one of a machine behind address translation. */
export function listenHost(address: string): string {
  const isOwn = Object.values(networkInterfaces()).some((list) => list?.some((known) => known.address === address));
  if (isOwn) return address;
  return address.includes(':') ? '::' : '0.0.0.0';
}

/** As it stands in a URL. */
export function authority(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
