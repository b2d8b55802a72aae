import { isIP } from 'node:net';

export interface ListenAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`; undefined for any other text. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[(?<ipv6>[^\]%]+)\]|(?<host>[a-zA-Z0-9.-]+)):(?<port>[0-9]{1,5})$/.exec(text);
  const { ipv6, host, port } = match?.groups ?? {};
  if (Number(port) > 65_535 || (ipv6 !== undefined && isIP(ipv6) !== 6)) return undefined;
  const found = ipv6 ?? host;
  return found === undefined ? undefined : { host: found, port: Number(port) };
}

/** Whether only this machine can reach the host. Of all names only `localhost` is trusted to be what it says. */
export function isLoopbackHost(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  const ipv4 = host.replace(/^::ffff:/i, '');
  return isIP(ipv4) === 4 && ipv4.startsWith('127.');
}
