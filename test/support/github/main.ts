/**
 * A stand-in in a process of its own:
 *
 *   npx node test/support/github/main.ts '{"repositories":[{"fullName":"acme/shop","workflows":[{"file":"smoke.yml"}]}]}'
 *
 * Takes StandInOptions as JSON, prints one line `{"url": …, "controlUrl": …}` and serves until its standard input closes,
 * so that it cannot outlive the process that started it (give it a pipe, not /dev/null), or until SIGTERM.
 */
import { startGitHubStandIn } from './stand-in.ts';

const standIn = await startGitHubStandIn(JSON.parse(process.argv[2] ?? '{}'));

async function stop(): Promise<void> {
  process.stdin.destroy();
  await standIn.close();
}
process.once('SIGTERM', stop);
process.stdin.once('end', stop).resume();
// Last, since whoever reads it may end us at once.
console.log(JSON.stringify({ url: standIn.url, controlUrl: standIn.controlUrl }));
