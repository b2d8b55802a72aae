import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '../../src/core/json.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export interface ServerAnswer {
  readonly status: number;
  readonly text: string;
  /** The parsed text; an empty object where it is not a JSON object. */
  readonly json: JsonObject;
}

export interface ServerCall {
  /** An object is sent as JSON, text and bytes as they are. */
  readonly body?: object | string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `aftersync serve` in a process of its own, in a folder that it keeps over its starts. */
export class RealServer {
  readonly folder: string;
  /** All that it wrote in all its starts, to standard output and standard error. */
  written = '';
  url = '';
  #process: ChildProcess | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Not started yet. Ends with the test, and its folder with it. */
  static async inFolder(t: TestContext, files: Readonly<Record<string, string>>): Promise<RealServer> {
    const server = new RealServer(await mkdtemp(join(tmpdir(), 'aftersync-e2e-')));
    t.after(async () => {
      await server.stop('SIGKILL');
      await rm(server.folder, { recursive: true, force: true });
    });
    for (const [name, content] of Object.entries(files)) await server.write(name, content);
    return server;
  }

  async write(name: string, content: string): Promise<void> {
    await writeFile(join(this.folder, name), content);
  }

  /** Resolves when it serves. Throws with what it wrote where it ends before that. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [cli, 'serve', '--config', 'aftersync.yaml'], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    const { promise: served, resolve: serves } = Promise.withResolvers<string>();
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      this.written += piece;
    });
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      this.written += piece;
      said += piece;
      const url = /^aftersync serves (\S+)\n/m.exec(said)?.[1];
      if (url !== undefined) serves(url);
    });
    const ended = once(child, 'close').then(() => {
      throw new Error(`the server ended: ${said}`);
    });
    // Later on it ends when it should.
    ended.catch(() => {});
    this.url = await Promise.race([served, ended]);
  }

  /** Sends the signal and waits for the end; resolves to the exit code. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const closed = once(child, 'close');
    child.kill(signal);
    await closed;
    return child.exitCode;
  }

  async call(method: string, path: string, { body, headers = {} }: ServerCall = {}): Promise<ServerAnswer> {
    const isRaw = typeof body === 'string' || body instanceof Uint8Array;
    const response = await fetch(this.url + path, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: isRaw ? (body as string) : JSON.stringify(body) }),
    });
    const received = await response.text();
    return { status: response.status, text: received, json: toObject(received) };
  }

  /** Runs a command to its end and gives what it wrote and how it ended. */
  async run(...args: readonly string[]): Promise<{ readonly exitCode: number | null; readonly stderr: string }> {
    const child = spawn(process.execPath, [cli, ...args], { cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const closed = once(child, 'close');
    const stderr = await text(child.stderr);
    await closed;
    return { exitCode: child.exitCode, stderr };
  }
}

function toObject(received: string): JsonObject {
  try {
    const value: unknown = JSON.parse(received);
    return typeof value === 'object' && value !== null ? (value as JsonObject) : {};
  } catch {
    return {};
  }
}
