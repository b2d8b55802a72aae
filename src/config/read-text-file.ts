import { open, stat } from 'node:fs/promises';

/** Identity of a file's content as far as the file system tells it without reading. */
export type FileStamp = string;

export interface TextFile {
  /** Without a byte order mark. */
  readonly text: string;
  /** Taken before the text was read: a later stamp that is equal means that the text is no older than this one. */
  readonly stamp: FileStamp;
  readonly changedAtMs: number;
}

const sentences: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ELOOP: 'its symbolic links go in a circle',
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of the path is not a folder',
  EPERM: 'permission denied',
};

/** Says why the file cannot be read, in words, without its path. */
export class UnreadableFile extends Error {
  readonly isMissing: boolean;

  constructor(reason: string, options: { cause?: unknown; isMissing?: boolean } = {}) {
    super(reason, { cause: options.cause });
    this.name = 'UnreadableFile';
    this.isMissing = options.isMissing ?? false;
  }
}

/** The whole file as UTF-8. Throws UnreadableFile; no more than `maxBytes` are ever read, whatever kind of file it is. */
export async function readTextFile(path: string, maxBytes: number): Promise<TextFile> {
  try {
    await using handle = await open(path);
    const stats = await handle.stat({ bigint: true });
    const buffer = Buffer.alloc(maxBytes + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > maxBytes) throw new UnreadableFile(`it is over ${maxBytes} bytes long`);
    return { text: decode(buffer.subarray(0, length)), stamp: stampOf(stats), changedAtMs: Number(stats.mtimeMs) };
  } catch (error) {
    throw error instanceof UnreadableFile ? error : unreadable(error);
  }
}

/** The file's stamp as it stands now. Throws UnreadableFile. */
export async function fileStamp(path: string): Promise<FileStamp> {
  try {
    return stampOf(await stat(path, { bigint: true }));
  } catch (error) {
    throw unreadable(error);
  }
}

function stampOf(stats: { dev: bigint; ino: bigint; size: bigint; mtimeNs: bigint; ctimeNs: bigint }): FileStamp {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

function unreadable(error: unknown): UnreadableFile {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return new UnreadableFile(sentences[code] ?? code, { cause: error, isMissing: code === 'ENOENT' });
}

/** Strict, so that a file in another encoding is named and not sent mangled. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new UnreadableFile('it is not text in UTF-8', { cause: error });
  }
}
