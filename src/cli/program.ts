import { readFileSync } from 'node:fs';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { executionStates } from '../core/execution.ts';
import { limits } from '../core/limits.ts';
import { isLabel, ownIdPrefix } from '../core/request.ts';
import { parseDurationMs } from '../core/time.ts';
import { cancel, get, list, retry } from './commands/executions.ts';
import { run } from './commands/run.ts';
import { serve } from './commands/serve.ts';
import { openapi, plan, steps } from './commands/steps.ts';
import { watch } from './commands/watch.ts';
import type { ExitCode } from './exit.ts';
import { outputFormats } from './output.ts';
import type { Session } from './session.ts';

/** Longer waits overflow Node's timers. */
const longestWaitMs = 20 * 24 * 3_600_000;

/** The command line. Parsing it runs the command; `onEnd` gets its exit code. Errors of use are CommanderErrors. */
export function createProgram(session: Session, onEnd: (exitCode: ExitCode) => void): Command {
  const program = new Command('aftersync')
    .description('Run what comes after a sync, for the one resource that changed: once, on time, and provably.')
    .version(ownVersion(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .option('-c, --config <file>', 'the configuration; see docs/configuration.md (env: AFTERSYNC_CONFIG)')
    .option('-s, --server <url>', 'the server (env: AFTERSYNC_SERVER, default: http://127.0.0.1:8080)')
    .option('--token-file <file>', "the file with your token (env: AFTERSYNC_TOKEN_FILE, default: the pod's own)")
    .addOption(new Option('-o, --output <format>', 'how results are written').choices(outputFormats).default('table'))
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(--help shows what there is)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => session.stdout.write(text),
      writeErr: (text) => session.stderr.write(text),
      getOutHelpWidth: () => session.stdout.columns ?? 120,
      getErrHelpWidth: () => session.stderr.columns ?? 120,
    });

  /** Runs `work` with the command's arguments and its options, global ones among them. */
  function action<A extends unknown[], O>(work: (...args: [...A, O, Session]) => Promise<ExitCode>) {
    return async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      // Commander gives the arguments, then the options without the global ones, then the command.
      const args = given.slice(0, -2) as A;
      onEnd(await work(...args, command.optsWithGlobals() as O, session));
    };
  }

  program
    .command('serve')
    .description('serve the API until SIGTERM or Ctrl-C')
    .addHelpText('after', examples('aftersync serve', 'aftersync serve --config /etc/aftersync/aftersync.yaml'))
    .action(action(serve));

  withParams(program.command('run').description('start a step'))
    .addArgument(new Argument('<step>', 'its name; see `aftersync steps`'))
    .option('-k, --key <key>', 'the same key finds the same execution again, so that a repeat starts nothing')
    .option('--id <id>', 'the same, with an id of your own', label)
    .addOption(namespaceOption())
    .option('--timeout <duration>', 'fail the step after this time, such as 10m', duration)
    .option('-w, --wait', 'follow it until its end, and exit with 0 or 1')
    .option('--wait-timeout <duration>', 'with --wait: exit with 3 after this time; the step goes on', duration)
    .option('--local', 'run in this process, without a server, until its end')
    .addHelpText(
      'after',
      examples(
        "aftersync run purge-cdn --with 'urls[]=https://www.example.com/a.css' --wait",
        'aftersync run trigger-github-action -f params.yaml --with inputs.env=prod --key release-42',
        'aftersync run purge-cdn --with tags=\'["shop","cart"]\' --local',
      ),
    )
    .action(action(run));

  program
    .command('get')
    .description('show an execution')
    .argument('<id>')
    .addOption(namespaceOption())
    .addHelpText('after', examples('aftersync get smoke-42', 'aftersync get smoke-42 --output json'))
    .action(action(get));

  withFilters(program.command('list').description('list executions, the newest first'))
    .option('-l, --limit <count>', `how many at once, 1 to ${limits.pageItems} (default: 100)`, count)
    .option('-a, --all', 'all of them, however many')
    .addHelpText(
      'after',
      examples('aftersync list --state failed', "aftersync list --namespace '*' --step purge-cdn --all"),
    )
    .action(action(list));

  withFilters(program.command('watch').description('show changes as they happen'))
    .argument('[id]', 'only this execution, until its end; exits with 0 or 1 as it ended')
    .addHelpText('after', examples('aftersync watch', 'aftersync watch smoke-42', 'aftersync watch --output json'))
    .action(action(watch));

  program
    .command('cancel')
    .description('ask an execution to end; what it has sent is not taken back')
    .argument('<id>')
    .addOption(namespaceOption())
    .addHelpText('after', examples('aftersync cancel smoke-42'))
    .action(action(cancel));

  program
    .command('retry')
    .description('run the request of an execution that has ended again, as a new execution')
    .argument('<id>')
    .addOption(namespaceOption())
    .addHelpText('after', examples('aftersync retry smoke-42'))
    .action(action(retry));

  withParams(program.command('plan').description('show what a step would do; nothing is sent'))
    .addArgument(new Argument('<step>', 'its name; see `aftersync steps`'))
    .addOption(namespaceOption())
    .addHelpText('after', examples("aftersync plan purge-cdn --with 'tags[]=shop'"))
    .action(action(plan));

  program
    .command('steps')
    .description('list the steps, or show the parameters and outputs of one')
    .argument('[name]')
    .addHelpText('after', examples('aftersync steps', 'aftersync steps purge-cdn'))
    .action(action(steps));

  program
    .command('openapi')
    .description("show the API's description (OpenAPI 3.1)")
    .addHelpText('after', examples('aftersync openapi > openapi.json'))
    .action(action(openapi));

  return program;
}

function withParams(command: Command): Command {
  return command
    .option('-f, --file <file>', "the step's parameters, YAML or JSON; - is standard input")
    .addOption(
      new Option(
        '--with <key=value>',
        'one parameter, above those of the file; a.b=1 goes one level down, list[]=x adds to a list; may be repeated',
      )
        .argParser<readonly string[]>(collect)
        .default([], 'none'),
    );
}

function withFilters(command: Command): Command {
  return command
    .addOption(namespaceOption("'*' for all that you may read"))
    .option('--step <step>', 'only those of this step')
    .addOption(
      new Option('--state <state>', 'only those in this state; may be repeated')
        .choices(executionStates)
        .argParser<readonly string[]>(collectState)
        .default([], 'all'),
    );
}

function namespaceOption(more?: string): Option {
  const description = ["the execution's namespace (default: the server's own)", more].filter(Boolean).join('; ');
  return new Option('-n, --namespace <namespace>', description);
}

function collect(value: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, value];
}

function collectState(value: string, earlier: readonly string[]): readonly string[] {
  if (!executionStates.some((state) => state === value)) {
    throw new InvalidArgumentError(`Allowed choices are ${executionStates.join(', ')}.`);
  }
  return [...earlier, value];
}

function duration(value: string): string {
  const durationMs = parseDurationMs(value);
  if (durationMs === undefined) throw new InvalidArgumentError('Expected a duration such as 30s, 10m or 2h.');
  if (durationMs > longestWaitMs) throw new InvalidArgumentError('Expected at most 20d.');
  return value;
}

function count(value: string): string {
  if (/^[1-9][0-9]{0,3}$/.test(value) && Number(value) <= limits.pageItems) return value;
  throw new InvalidArgumentError(`Expected a number from 1 to ${limits.pageItems}.`);
}

function label(value: string): string {
  if (value.startsWith(ownIdPrefix))
    throw new InvalidArgumentError(`Ids that begin with ${ownIdPrefix} are made by aftersync.`);
  if (isLabel(value)) return value;
  throw new InvalidArgumentError('Expected 1 to 63 lower-case letters, digits and -, with neither end a -.');
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
