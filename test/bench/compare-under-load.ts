import { fileURLToPath } from 'node:url';
import { createAftersyncFolder } from './aftersync-folder.ts';
import { alternate } from './alternate.ts';
import type { Measurement, Progress, Scale } from './bench.ts';
import { answersPerSecond, type Load } from './load.ts';
import { type ServerChild, startServerChild } from './server-child.ts';
import { stepBody } from './step-request.ts';

export const bareExpressProgram = fileURLToPath(new URL('bare-express-program.mjs', import.meta.url));
export const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const connections = 64;

type LoadOfRequests = Pick<Load, 'requests' | 'expectedStatus'>;

type LoadToCompare = LoadOfRequests & {
  /** Sent to each server before, to the last request. */
  readonly before?: readonly string[];
  /** How many rounds each side is under load before it is measured: a server runs for days. Default: one. */
  readonly warmUpRounds?: number;
};

/** Answers per second of our server on a durable store and of the bare app, each in a process of its own. */
export async function compareUnderLoad(load: LoadToCompare, scale: Scale, progress: Progress): Promise<Measurement> {
  progress('starting both servers');
  await using folder = await createAftersyncFolder();
  await using ours = await startServerChild([cli, 'serve', '--config', folder.configFile]);
  await using reference = await startServerChild([bareExpressProgram, await sampleAnswer(ours)]);
  return await compareServers({ ours, reference }, load, scale, progress);
}

/** Answers per second of two servers that run. */
export async function compareServers(
  { ours, reference }: { readonly ours: ServerChild; readonly reference: ServerChild },
  load: LoadToCompare,
  { rounds, roundMs }: Scale,
  progress: Progress,
): Promise<Measurement> {
  const send = ({ url }: ServerChild, requests: LoadOfRequests, durationMs: number) =>
    answersPerSecond({ url, connections, durationMs, ...requests });

  progress('warming up');
  for (const server of [ours, reference]) {
    const before = { requests: (load.before ?? []).values(), expectedStatus: 201 };
    await send(server, before, Number.POSITIVE_INFINITY);
    await send(server, load, (load.warmUpRounds ?? 1) * roundMs);
  }
  return await alternate({
    rounds,
    ours: () => send(ours, load, roundMs),
    reference: () => send(reference, load, roundMs),
    progress,
  });
}

/** For the bare app, so that its answers are as long as ours. */
async function sampleAnswer({ url }: ServerChild): Promise<string> {
  const id = 'sample0000';
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`${url}/v1/executions/${id}`, { method: 'PUT', headers, body: stepBody(id) });
  if (answer.status !== 201) throw new Error(`the first request was answered ${answer.status}: ${await answer.text()}`);
  return await answer.text();
}
