import type { IncomingHttpHeaders } from 'node:http';
import { Problem } from '../core/problem.ts';

/** What a server on a loopback address is called, however its port is forwarded. */
export const loopbackHosts: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Keeps web pages away from a server that asks for no credential. The Host header stops DNS rebinding (a page's own name
 * that resolves to 127.0.0.1), the Origin header what a page may send across sites without asking (a POST without body).
 */
export function requireAllowedHost(headers: IncomingHttpHeaders, allowedHosts: readonly string[]): void {
  const { host, origin } = headers;
  if (host === undefined || !allowedHosts.includes(host.replace(/:[0-9]*$/, '').toLowerCase())) {
    throw new Problem('host-not-allowed', `the Host header must be one of ${allowedHosts.join(', ')}, with any port`);
  }
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    throw new Problem('host-not-allowed', 'the Origin header names another site than this server');
  }
}
