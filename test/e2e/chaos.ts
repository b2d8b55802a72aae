/** What goes wrong, on purpose: `npm run chaos -- --help`. Exits with 1 where anything ended wrong. */
import { parseArgs } from 'node:util';
import { showProgress } from '../bench/report.ts';
import { chooseSeed } from '../support/seeded-random.ts';
import { killCases, runKillCase, wrongIn } from './kill-matrix.ts';
import { runChaos } from './replicas-chaos.ts';

const help = `Kills and stops what runs, and looks whether each execution ended once, and right.

Usage: npm run chaos -- [OPTION…] [NAME…]

Without a name all run, one after the other, in some minutes.

  kill-matrix  one process, killed at each journaled point of a dispatch, whatever GitHub does
  replicas     three replicas on a real API server; every two seconds one is killed, stopped past its lease or ended
  outage       the same; meanwhile the API server is restarted, and its etcd is stopped for 20 s

  --minutes N     replicas and outage: again with the next seed, each for so many minutes; default: once
  --seed N        the first seed; default: another one each time, which is printed
  --executions N  replicas and outage: how many in each round; default: 300
  --help          this text

It prints the counts of each round, and exits with 1 where anything ended wrong: after the story of that execution, its
record, the requests that GitHub saw and what the replicas logged of it.
`;

const lanes = 4;
const etcdOutageMs = 20_000;

interface Options {
  readonly endAt: number;
  readonly seed: number;
  readonly executions: number;
}

/** Each gives how much went wrong. */
const kinds: Readonly<Record<string, (options: Options) => Promise<number>>> = {
  'kill-matrix': killMatrix,
  replicas: (options) => rounds('replicas', options, {}),
  outage: (options) => rounds('outage', options, { etcdOutageMs }),
};

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const { names, mistake, isHelp, minutes, ...given } = parse(args);
  if (mistake !== '') {
    process.stderr.write(`${mistake}\n(--help shows what there is)\n`);
    return 2;
  }
  if (isHelp) {
    process.stdout.write(help);
    return 0;
  }
  let wrong = 0;
  for (const name of names) {
    wrong += (await kinds[name]?.({ ...given, endAt: Date.now() + minutes * 60_000 })) ?? 0;
  }
  return wrong === 0 ? 0 : 1;
}

function parse(args: readonly string[]) {
  const known = Object.keys(kinds);
  const nothing = { names: known, isHelp: false, minutes: 0, seed: 0, executions: 0, mistake: '' };
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        minutes: { type: 'string', default: '0' },
        seed: { type: 'string', default: String(chooseSeed()) },
        executions: { type: 'string', default: '300' },
        help: { type: 'boolean', default: false },
      },
    });
    const { help: isHelp, ...texts } = values;
    const unknown = positionals.filter((name) => !known.includes(name));
    const [wrong] = Object.entries(texts).filter(([, text]) => !/^[0-9]+$/.test(text));
    if (unknown.length > 0) throw new Error(`there is no ${unknown.join(', ')}; there are: ${known.join(', ')}`);
    if (wrong !== undefined) throw new Error(`--${wrong[0]}: expected a whole number, found ${wrong[1]}`);
    const [minutes, seed, executions] = [Number(texts.minutes), Number(texts.seed), Number(texts.executions)];
    const names = positionals.length === 0 ? known : positionals;
    return { ...nothing, names, isHelp, minutes, seed, executions };
  } catch (error) {
    return { ...nothing, mistake: (error as Error).message };
  }
}

async function rounds(
  name: string,
  { endAt, seed: first, executions }: Options,
  trouble: { readonly etcdOutageMs?: number },
): Promise<number> {
  let wrong = 0;
  for (let seed = first; seed === first || Date.now() < endAt; seed++) {
    const onProgress = (text: string) => showProgress(process.stderr, `${name}, seed ${seed}: ${text}`);
    const report = await runChaos({ ...trouble, seed, executions, onProgress });
    showProgress(process.stderr, '');
    for (const story of report.wrong) console.log(`WRONG ${name}, seed ${seed}: ${story}`);
    const counts = Object.entries(report.counts).map(([what, count]) => `${count} ${what}`);
    console.log(`${name}, seed ${seed}: ${counts.join(', ')}; ${report.wrong.length} wrong`);
    wrong += report.wrong.length;
  }
  return wrong;
}

/** All of the cases, of which the suite runs a third. */
async function killMatrix(): Promise<number> {
  const queue = [...killCases];
  const counts = { succeeded: 0, uncertain: 0, wrong: 0 };
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const name = `killed ${next.killAt}; GitHub ${next.condition}${next.isMarked ? ', with a mark' : ''}`;
        try {
          const result = await runKillCase(next);
          const wrong = wrongIn(result);
          if (wrong !== undefined) {
            counts.wrong += 1;
            console.log(`WRONG ${name}: ${wrong}`);
          } else {
            counts[result.state === 'succeeded' ? 'succeeded' : 'uncertain'] += 1;
            console.log(`ok    ${name}: ${result.reason ?? result.state}, ${result.dispatches} run(s)`);
          }
        } catch (error) {
          counts.wrong += 1;
          console.log(`WRONG ${name}: ${String(error)}`);
        }
      }
    }),
  );
  console.log(
    `${killCases.length} cases: ${counts.succeeded} succeeded, ${counts.uncertain} Uncertain, ${counts.wrong} wrong`,
  );
  return counts.wrong;
}
