import { isIP } from 'node:net';
import { parseArgs } from 'node:util';

/** Nothing was begun, for a reason that is not aftersync's: exit code 2. */
export class CannotStart extends Error {}

/** Where the steps' calls are answered: by this program, by the addon's Deployment, or by a server of the user's. */
export type ExecutorPlace = 'here' | 'in the cluster' | 'elsewhere';

export interface Arguments {
  readonly wantsHelp: boolean;
  /** `NAME=VALUE` for `vela addon enable`. */
  readonly addon: readonly string[];
  readonly place: ExecutorPlace;
  /** Of this machine, as the cluster reaches it. Absent: found out, where the executor is here. */
  readonly address?: string;
  /** That the executor here listens on. Absent: any free one. */
  readonly port?: number;
  /** Whether an addon that is enabled already is replaced, and disabled at the end. */
  readonly force: boolean;
}

export const help = `Checks aftersync on the KubeVela of the current kubeconfig.

  npm run test:kubevela -- [OPTION…] [NAME=VALUE…]

It enables ./addon/aftersync, runs the examples in a namespace of its own, upgrades the addon while steps run, disables it,
and deletes what it made. NAME=VALUE are arguments of the addon, as for \`vela addon enable\`; they decide what is checked:

  none                         the executor and stand-ins for GitHub and a cache run on this machine for as long as the check
                               lasts: all examples. Nothing need be built, but the cluster must reach this machine
  image=IMAGE                  the executor runs in the cluster, from your image, and is restarted by the upgrade: the
                               examples that need no account elsewhere; with --address, all, by stand-ins on this machine
  externalExecutor.address=IP  your executor, which runs there already: the examples that need no account elsewhere

Options:
  --address IP   this machine, as the cluster's pods reach it (default: its address on the way to a node)
  --port PORT    port that the executor on this machine listens on (default: any free one)
  --force        replace an addon aftersync that is enabled already; it is disabled at the end all the same
  --help         this

Examples:
  npm run test:kubevela
  npm run test:kubevela -- --address 172.18.0.1 --port 18080
  npm run test:kubevela -- image=registry.example.com/aftersync:0.2.0
  npm run test:kubevela -- image=aftersync:dev --address 172.18.0.1
  npm run test:kubevela -- externalExecutor.address=10.0.0.7 externalExecutor.port=8080

Exit code: 0 all as it should be, 1 something was not, 2 it could not begin, 130 interrupted. docs/test-kubevela.md has more.
`;

/** Throws CannotStart. */
export function parseArguments(args: readonly string[]): Arguments {
  const { values, positionals } = parsed(args);
  for (const argument of positionals) assertForAddon(argument);
  const place = placeOf(positionals);
  const { address, port } = values;
  if (port !== undefined && place !== 'here') throw usage('--port is for an executor on this machine');
  if (address !== undefined && place === 'elsewhere') {
    throw usage('--address is of no use to your own executor: its connections are its own');
  }
  if (address !== undefined && place === 'in the cluster') assertOwnsConnections(positionals);
  if (address !== undefined && isIP(address) === 0) throw usage(`--address ${address} is no IP address`);
  return {
    wantsHelp: values.help,
    addon: positionals,
    place,
    ...(address === undefined ? {} : { address }),
    ...(port === undefined ? {} : { port: portOf(port) }),
    force: values.force,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        address: { type: 'string' },
        port: { type: 'string' },
        force: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function assertForAddon(argument: string): void {
  if (!/^[^=]+=/.test(argument))
    throw usage(`${argument} is neither an option nor an argument NAME=VALUE of the addon`);
  if (argument.startsWith('readObjectNamespaces=')) {
    throw usage('leave out readObjectNamespaces: it is set to the namespace that the examples run in');
  }
}

/** They are set where the stand-ins are to be used. */
function assertOwnsConnections(addon: readonly string[]): void {
  const found = addon.find((argument) => /^(config|connections)=/.test(argument));
  if (found !== undefined)
    throw usage(`leave out ${found.split('=')[0]}= with --address: both are set for the stand-ins`);
}

function placeOf(addon: readonly string[]): ExecutorPlace {
  const names = (prefix: string) => addon.some((argument) => argument.startsWith(prefix));
  if (names('image=')) return 'in the cluster';
  return names('externalExecutor.') ? 'elsewhere' : 'here';
}

function portOf(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw usage(`--port ${text} is no port`);
  return port;
}

function usage(message: string): CannotStart {
  return new CannotStart(`${message}\n(npm run test:kubevela -- --help shows how)`);
}
