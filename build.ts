import { readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

/**
 * Makes dist/, which `npx aftersync` and the image run. Node finds and reads a few files much faster than hundreds: ours
 * become one for each part that is loaded when it is needed.
 */

/** The other packages stay as npm installs them: this one alone has 218 files that a start loads. */
const inlined = ['@sinclair/typebox'];
const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> };

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: ['src/cli.ts'],
  outdir: 'dist',
  // As deep as the folders of src: the version is read from ../../package.json.
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  external: Object.keys(dependencies).filter((name) => !inlined.includes(name)),
});
