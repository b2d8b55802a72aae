import { existsSync } from 'node:fs';

import { type CacheServer, type CacheServerOptions, startCacheServer } from './cache-server.ts';
import { readExample, replaceOnce } from './example-file.ts';
import { findExecutable } from './find-executable.ts';

/** What the tests with a real nginx need. */
export const nginxPackages = ['nginx', 'libnginx-mod-http-cache-purge'] as const;

const PURGE_MODULE = '/usr/lib/nginx/modules/ngx_http_cache_purge_module.so';

/** The path of nginx; undefined where it or its cache purge module is not installed. */
export function findNginx(): string | undefined {
  return existsSync(PURGE_MODULE) ? findExecutable('nginx') : undefined;
}

/** Starts a real nginx with docs/examples/nginx.conf in front of an origin on the loopback address. */
export function startNginx({ originPort, purgers, edit }: CacheServerOptions): Promise<CacheServer> {
  return startCacheServer({
    name: 'nginx',
    command: findNginx(),
    debianPackages: nginxPackages,
    configuration(port, folder) {
      const replacements: [from: string, to: string][] = [
        ['load_module modules/ngx_http_cache_purge_module.so;', `load_module ${PURGE_MODULE};`],
        ['http {\n', `http {\n${ownPaths(folder)}`],
        ['/var/cache/nginx/pages', `${folder}/pages`],
        ['listen 80;', `listen 127.0.0.1:${port};`],
        ['http://127.0.0.1:8080;', `http://127.0.0.1:${originPort};`],
      ];
      if (purgers !== undefined) {
        const allows = purgers.map((address) => `            allow ${address};\n`).join('');
        replacements.push(['            allow 127.0.0.1;\n            allow ::1;\n', allows]);
      }
      const example = replacements.reduce((text, [from, to]) => replaceOnce(text, from, to), readExample('nginx.conf'));
      return edit === undefined ? example : edit(example);
    },
    commandLine: (_port, folder, configurationFile) => [
      ...['-c', configurationFile],
      // For the time before the configuration is read; Debian's default file is for root only.
      ...['-e', 'stderr'],
      ...['-g', `daemon off; pid ${folder}/nginx.pid; error_log stderr;${asOurselves()}`],
    ],
  });
}

/** What nginx would otherwise write under /var. */
function ownPaths(folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const lines = ['access_log off;', ...temporary.map((name) => `${name}_temp_path ${folder}/${name};`)];
  return lines.map((line) => `    ${line}\n`).join('');
}

/** Root's workers would become www-data, who cannot enter the folder; for others the directive is a warning. */
function asOurselves(): string {
  return process.getuid?.() === 0 ? ' user root;' : '';
}
