import { once } from 'node:events';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder with a configuration and a store of its own, and nothing else. */
export interface AftersyncFolder extends AsyncDisposable {
  readonly path: string;
  /** Of `aftersync.yaml`. */
  readonly configFile: string;
  readonly storeFile: string;
}

/**
 * A configuration as users write it, on a free port. Its GitHub takes connections and never answers: steps that use it
 * wait for it and cost nothing meanwhile.
 */
export async function createAftersyncFolder(): Promise<AftersyncFolder> {
  const folder = await mkdtempDisposable(join(tmpdir(), 'aftersync-bench-'));
  const { path } = folder;
  const configFile = join(path, 'aftersync.yaml');
  const storeFile = join(path, 'aftersync.db');
  const silent = await startSilentServer();
  await writeFile(join(path, 'token'), 'bench\n');
  await writeFile(
    configFile,
    `
server: { address: "127.0.0.1:0" }
store: { type: sqlite, path: ${storeFile} }
connections:
  - name: github
    type: github
    baseUrl: http://127.0.0.1:${silent.port}
    auth: { tokenFile: token }
    sendTimeout: 2m
`,
  );
  return {
    path,
    configFile,
    storeFile,
    async [Symbol.asyncDispose]() {
      silent.close();
      await folder.remove();
    },
  };
}

async function startSilentServer(): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // Its client is killed at the end.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
