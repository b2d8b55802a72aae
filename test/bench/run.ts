/** The command line of the benches: `npm run bench -- --help`. */
import { parseArgs } from 'node:util';
import { type Bench, fullScale, quickScale, type Result, toResult } from './bench.ts';
import { benches } from './index.ts';
import { showProgress, toList, toTable } from './report.ts';

const help = `Measures aftersync on this machine; where that makes sense beside a bare express app, in turns in the same run.

Usage: npm run bench -- [OPTION…] [NAME…]

Without a name all run, in about three minutes.

  --json    a line of JSON for each: {name, value, unit, reference, ratio, bound, verdict}
  --quick   short and small, to see that everything runs; the numbers mean little
  --assert  exit with 1 if a bound is missed
  --list    what there is, with its bound
  --help    this text

Stores lie in the folder for temporary files; set TMPDIR where that is not on the disk that is meant.
`;

process.once('SIGINT', () => process.exit(130));
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const { options, names, mistake } = parse(args);
  if (mistake !== undefined) {
    process.stderr.write(`${mistake}\n(--help shows what there is)\n`);
    return 2;
  }
  if (options.help || options.list) {
    process.stdout.write(options.help ? help : toList(benches));
    return 0;
  }
  const results: Result[] = [];
  for (const name of names) {
    const result = await measured(name, benches[name] as Bench, options.quick ? quickScale : fullScale);
    results.push(result);
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  }
  if (!options.json) process.stdout.write(toTable(results, process.stdout));
  return options.assert && results.some(({ verdict }) => verdict === 'missed') ? 1 : 0;
}

async function measured(name: string, bench: Bench, scale: typeof fullScale): Promise<Result> {
  try {
    const measurement = await bench.measure(scale, (doing) => showProgress(process.stderr, `${name}: ${doing}`));
    return toResult(name, bench, measurement);
  } finally {
    showProgress(process.stderr, '');
  }
}

function parse(args: readonly string[]) {
  try {
    const { values: options, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        quick: { type: 'boolean' },
        assert: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    const known = Object.keys(benches);
    const unknown = positionals.filter((name) => !known.includes(name));
    const mistake =
      unknown.length === 0 ? undefined : `there is no bench ${unknown.join(', ')}; there are: ${known.join(', ')}`;
    return { options, names: positionals.length === 0 ? known : positionals, mistake };
  } catch (error) {
    return { options: {}, names: [], mistake: (error as Error).message };
  }
}
