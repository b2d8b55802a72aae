import { CommandError, exitCodes } from './exit.ts';
import { Refusal, type RefusalDetails } from './refusal.ts';

/** The server did not answer. */
export class ServerUnreachable extends CommandError {
  /** Whether the request may have arrived. */
  readonly sent: boolean;

  constructor(message: string, details: { readonly sent: boolean; readonly advice?: string; readonly cause: unknown }) {
    super(exitCodes.failed, message, details);
    this.name = 'ServerUnreachable';
    this.sent = details.sent;
  }
}

const networkSentences: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no host of this name',
  EAI_AGAIN: 'the name cannot be looked up now',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
};

/** What a failed fetch means. */
export function unreachable(server: string, error: unknown): CommandError {
  // A credential that cannot be read, and the like, is said as it is.
  if (error instanceof CommandError) return error;
  const code = networkCode(error);
  const sentence = networkSentences[code];
  if (sentence !== undefined) {
    return new ServerUnreachable(`no server at ${server}: ${sentence}`, {
      sent: false,
      advice: 'start one with `aftersync serve`, name another with --server, or use `aftersync run --local`',
      cause: error,
    });
  }
  const reason = isTimeout(error) ? 'it does not answer' : `the connection broke off (${code || rootMessage(error)})`;
  return new ServerUnreachable(`no answer from ${server}: ${reason}`, { sent: true, cause: error });
}

function rootMessage(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? rootMessage(error.cause) : String(error);
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
}

/** `fetch failed` keeps what happened in its causes; of several addresses tried, the first tells. */
function networkCode(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const found = at instanceof AggregateError ? at.errors[0] : at;
    if (found instanceof Error && 'code' in found && typeof found.code === 'string') return found.code;
  }
  return '';
}

/** What an answer means that is not a success. `body` is parsed, where it is JSON. */
export function toRefusal(server: string, { status, headers }: Response, body: unknown): Refusal {
  if (isProblemBody(body)) return new Refusal({ ...body, status });
  const place = headers.get('location');
  const found =
    status >= 300 && status < 400 && place !== null
      ? `it redirects to ${place}`
      : `it answers ${status} with ${headers.get('content-type') ?? 'no content'}`;
  return new Refusal({ status, title: `what answers at ${server} is not aftersync`, detail: found });
}

function isProblemBody(body: unknown): body is Omit<RefusalDetails, 'status'> {
  return typeof body === 'object' && body !== null && 'code' in body && 'title' in body && 'detail' in body;
}
