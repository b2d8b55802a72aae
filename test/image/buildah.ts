import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/** Runs a program to its end. Returns what it wrote, trimmed; throws with the end of what it complained of. */
export async function run(command: string, commandLine: readonly string[]): Promise<string> {
  const child = spawn(command, commandLine, { stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, complaint, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  if (exitCode === 0) return output.trim();
  const end = `${output}\n${complaint}`.trim().split('\n').slice(-40).join('\n');
  throw new Error(`${command} ${commandLine[0]} ended with ${exitCode}:\n${end}`);
}

export type Buildah = (...commandLine: readonly string[]) => Promise<string>;

/** Buildah on images and containers of its own in the folder, which no other program sees. */
export async function openBuildah(folder: string): Promise<Buildah> {
  try {
    const overlay = buildahOn(folder, 'overlay');
    await overlay('info');
    return overlay;
  } catch {
    // It copies whole trees, but works wherever there are files; overlay needs a kernel that lets it.
    return buildahOn(folder, 'vfs');
  }
}

function buildahOn(folder: string, driver: string): Buildah {
  const own = ['--root', join(folder, driver), '--runroot', join(folder, 'run'), '--storage-driver', driver];
  return (...commandLine) => run('buildah', [...own, ...commandLine]);
}
