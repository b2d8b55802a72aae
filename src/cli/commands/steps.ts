import { nearest } from '../../config/nearest.ts';
import { type ExitCode, exitCodes, usageError } from '../exit.ts';
import { writeResult } from '../output.ts';
import { type ParamsOptions, readParams } from '../params.ts';
import { connect, type GlobalOptions, type Session } from '../session.ts';
import { planLines, stepLines, stepRows } from '../step-view.ts';

export interface PlanOptions extends GlobalOptions, ParamsOptions {
  readonly namespace?: string;
}

/** Lists the steps, or shows one with its parameters and outputs. */
export async function steps(name: string | undefined, options: GlobalOptions, session: Session): Promise<ExitCode> {
  const all = await connect(session, options).steps();
  if (name === undefined) {
    await writeResult(session.stdout, options.output, all, stepRows);
    return exitCodes.succeeded;
  }
  const step = all.find((candidate) => candidate.name === name);
  if (step === undefined) {
    const names = all.map((candidate) => candidate.name);
    const near = nearest(name, names);
    const advice = near === undefined ? `there are: ${names.join(', ')}` : `did you mean ${near}?`;
    throw usageError(`there is no step ${JSON.stringify(name)}`, advice);
  }
  await writeResult(session.stdout, options.output, step, stepLines);
  return exitCodes.succeeded;
}

/** Shows what a step would do; nothing is sent. */
export async function plan(step: string, options: PlanOptions, session: Session): Promise<ExitCode> {
  const params = await readParams(options, session);
  const answer = await connect(session, options).plan(step, params, options.namespace);
  await writeResult(session.stdout, options.output, answer, planLines);
  return exitCodes.succeeded;
}

/** Shows the API's description. */
export async function openapi(options: GlobalOptions, session: Session): Promise<ExitCode> {
  const document = await connect(session, options).openApi();
  await writeResult(session.stdout, options.output, document, () => [JSON.stringify(document, null, 2)]);
  return exitCodes.succeeded;
}
