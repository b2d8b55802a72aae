import { readablePath } from '../config/pointer.ts';
import { type InputMistake, type Problem, type ProblemCode, problems } from '../core/problem.ts';
import { CommandError, exitCodes } from './exit.ts';

/** Problems that the same command would meet again. */
const usageStatuses: readonly number[] = [400, 404, 405, 413, 415, 422];
const usageCodes: readonly string[] = ['id-conflict'] satisfies ProblemCode[];

const advices: Readonly<Partial<Record<ProblemCode, string>>> = {
  'already-final': 'see how it ended with `aftersync get`',
  forbidden: 'name another namespace with --namespace, or ask for access to this one',
  'host-not-allowed': 'a server without authentication answers only to 127.0.0.1, localhost and [::1]; see --server',
  'id-conflict': 'choose another --id or --key for another request',
  'invalid-parameters': 'see `aftersync steps STEP` for the parameters',
  'not-final': 'wait for its end with `aftersync watch`, or end it with `aftersync cancel`',
  'not-found': 'see what there is with `aftersync list`; another namespace is named with --namespace',
  'plan-not-supported': 'see which steps have a dry run with `aftersync steps`',
  'too-many-executions': 'try again later',
  unauthenticated: 'give the file with your token with --token-file or AFTERSYNC_TOKEN_FILE',
  'unknown-connection': 'name one that is configured with --with connection=NAME',
  'unknown-step': 'see which there are with `aftersync steps`',
};

/** An answer of the API that is an error; without `code` it is not the API that answered. */
export interface RefusalDetails {
  readonly status: number;
  readonly code?: ProblemCode;
  readonly title: string;
  readonly detail: string;
  readonly errors?: readonly InputMistake[];
}

/** The answer is no, from a server or from the engine in this process. */
export class Refusal extends CommandError {
  readonly status: number;

  constructor({ status, code, title, detail, errors = [] }: RefusalDetails) {
    const lines = errors.map(({ path, message }) => `\n  ${readablePath(path) || 'the body'}: ${message}`);
    const head = code === undefined ? title : `${title} (${code})`;
    const isUsage = code !== undefined && (usageStatuses.includes(status) || usageCodes.includes(code));
    super(
      isUsage ? exitCodes.usage : exitCodes.failed,
      lines.length > 0 ? head + lines.join('') : `${head}: ${detail}`,
      {
        advice: code === undefined ? 'name the server with --server or AFTERSYNC_SERVER' : advices[code],
      },
    );
    this.name = 'Refusal';
    this.status = status;
  }
}

export function refusalOf({ code, status, message, mistakes }: Problem): Refusal {
  return new Refusal({ status, code, title: problems[code].title, detail: message, errors: mistakes });
}
