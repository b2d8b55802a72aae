import { type CacheServer, type CacheServerOptions, startCacheServer } from './cache-server.ts';
import { readExample, replaceOnce } from './example-file.ts';
import { findExecutable } from './find-executable.ts';

/** What the tests with a real Varnish need. gcc compiles the VCL, varnish-modules has xkey. */
export const varnishPackages = ['varnish', 'varnish-modules', 'gcc'] as const;

/** The path of varnishd; undefined where it is not installed. */
export function findVarnish(): string | undefined {
  return findExecutable('varnishd');
}

/** Starts a real Varnish with the rules of docs/examples/varnish.vcl in front of an origin on the loopback address. */
export function startVarnish({ originPort, purgers, edit }: CacheServerOptions): Promise<CacheServer> {
  return startCacheServer({
    name: 'varnish',
    command: findVarnish(),
    debianPackages: varnishPackages,
    configuration() {
      let vcl = replaceOnce(readExample('varnish.vcl'), '.port = "8080";', `.port = "${originPort}";`);
      if (purgers !== undefined) {
        const entries = purgers.map((address) => `    "${address}";\n`).join('');
        vcl = replaceOnce(vcl, '    "127.0.0.1";\n    "::1";\n', entries);
      }
      return edit === undefined ? vcl : edit(vcl);
    },
    commandLine: (port, folder, vclFile) => [
      '-F',
      // No jail: that needs root and a user of its own.
      ...['-j', 'none'],
      ...['-n', folder],
      ...['-a', `127.0.0.1:${port}`],
      ...['-f', vclFile],
      ...['-s', 'malloc,64m'],
    ],
  });
}
