import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

import { freeLoopbackPort } from './loopback-port.ts';
import { startServerProcess } from './server-process.ts';

/** It compiles its rules first: Varnish by a C compiler. */
const START_TIMEOUT_MS = 120_000;
const GRACEFUL_STOP_MS = 5_000;

/** A real cache in front of an origin, with a folder of its own that is gone after `close`. */
export interface CacheServer {
  readonly port: number;
  /** http://127.0.0.1:PORT */
  readonly url: string;
  readonly folder: string;
  /** The last lines that it wrote: for the messages of failing tests. */
  readonly log: readonly string[];
  close(): Promise<void>;
}

export interface CacheServerOptions {
  /** Port of the origin on the loopback address. */
  readonly originPort: number;
  /** Who may purge, instead of the loopback addresses of the example. */
  readonly purgers?: readonly string[];
  /** A last change to the example, for tests of a cache that is set up wrongly. */
  readonly edit?: (example: string) => string;
}

export interface CacheProgram {
  readonly name: string;
  /** Undefined: not installed. */
  readonly command: string | undefined;
  readonly debianPackages: readonly string[];
  /** The configuration for a port and a folder. */
  readonly configuration: (port: number, folder: string) => string;
  readonly commandLine: (port: number, folder: string, configurationFile: string) => readonly string[];
}

export async function startCacheServer(program: CacheProgram): Promise<CacheServer> {
  const { name, command, debianPackages, configuration, commandLine } = program;
  const install = `install Debian packages ${debianPackages.join(' ')}`;
  if (command === undefined) throw new Error(`${name} is missing: ${install}`);

  const folder = await mkdtemp(join(tmpdir(), `aftersync-${name}-`));
  const removeFolder = () => rm(folder, { recursive: true, force: true });
  try {
    const port = await freeLoopbackPort();
    const configurationFile = join(folder, `${name}.conf`);
    await writeFile(configurationFile, configuration(port, folder));
    const server = await startServerProcess({
      command,
      commandLine: commandLine(port, folder, configurationFile),
      install,
      isReady: () => speaksHttp(port),
      startTimeoutMs: START_TIMEOUT_MS,
    });
    return {
      port,
      url: `http://127.0.0.1:${port}`,
      folder,
      log: server.log,
      async close() {
        const abort = new AbortController();
        const late = delay(GRACEFUL_STOP_MS, 'late' as const, { signal: abort.signal });
        if ((await Promise.race([server.stop('SIGTERM'), late])) === 'late') await server.stop('SIGKILL');
        abort.abort();
        await removeFolder();
      },
    };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}

/** A request without Host is refused by the cache itself, whatever its rules, so that the origin does not see it. */
async function speaksHttp(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  socket.end('GET / HTTP/1.1\r\nConnection: close\r\n\r\n');
  return (await text(socket)).startsWith('HTTP/1.1 400');
}
