import { type Static, Type } from '@sinclair/typebox';
import { type HttpAnswer, HttpError, type ProviderTools } from '../../core/connection.ts';
import { NotSent, Rejected } from '../../core/effect.ts';
import { fits } from '../../core/schema.ts';
import { inShort, retryAfter } from './answer.ts';
import { CallTooLarge, ItemsRefused, type SenderTools } from './provider.ts';

const NodesSchema = Type.Array(Type.String({ pattern: '^https?://[^/?#@]+/?$' }), {
  minItems: 1,
  maxItems: 64,
  uniqueItems: true,
});

/** The option of caches that we run ourselves: every node, since each has a cache of its own. */
export const endpointsOption = Type.Union(
  [NodesSchema, Type.Object({ listFile: Type.String({ minLength: 1 }) }, { additionalProperties: false })],
  {
    description: 'Every node of the cache, such as http://10.0.0.5:6081, or the file that lists them.',
    errorMessage: 'a list of 1 to 64 addresses such as ["http://10.0.0.5:6081"], or { listFile: PATH }',
  },
);

/** The nodes as they stand now: a list in a file is read again when it changes. */
export interface Endpoints {
  /** Throws where the file holds anything but addresses. */
  read(): Promise<readonly string[]>;
  /** For the plan, where no file is read. */
  readonly described: readonly string[];
}

export function endpointsOf(option: Static<typeof endpointsOption>, tools: ProviderTools): Endpoints {
  if (!('listFile' in option)) return { read: async () => option, described: option };
  const file = tools.credential(option.listFile);
  return {
    described: [`each node in ${file.path}`],
    async read() {
      const nodes = (await file.read()).split(/\s+/);
      if (fits(NodesSchema, nodes)) return nodes;
      const expected = '1 to 64 different addresses such as http://10.0.0.5:6081, each on a line of its own';
      throw new Rejected('ConnectionFailed', `${file.path} does not hold ${expected}`);
    },
  };
}

export interface EndpointRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** How many items the request is for. */
  readonly items: number;
}

export interface EndpointContract {
  /** For messages: `Varnish`. */
  readonly product: string;
  /** The file in docs/examples with the rules that the product needs. */
  readonly example: string;
}

/** Sends the request to every node, and throws unless all of them did what it says, or had nothing to do. */
export async function sendToAll(
  endpoints: readonly string[],
  request: EndpointRequest,
  contract: EndpointContract,
  tools: SenderTools,
): Promise<void> {
  const results = await Promise.allSettled(endpoints.map((endpoint) => sendTo(endpoint, request, contract, tools)));
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const [first] = errors;
  if (first === undefined) return;
  const judgement = errors.find((error) => error instanceof Rejected) ?? errors.find((error) => isAboutItems(error));
  if (judgement !== undefined) throw judgement;
  if (errors.length === endpoints.length && errors.every(isNotSent)) throw first;
  const messages = [...new Set(errors.map((error) => (error instanceof Error ? error.message : String(error))))];
  throw new Error(`${errors.length} of ${endpoints.length} ${contract.product} nodes failed: ${messages.join('; ')}`, {
    cause: first,
  });
}

async function sendTo(endpoint: string, request: EndpointRequest, contract: EndpointContract, tools: SenderTools) {
  const { method, path, headers } = request;
  const url = `${new URL(endpoint).origin}${path}`;
  judge(await tools.fetch({ method, url, headers, timeoutMs: tools.sendTimeoutMs }));

  function judge(answer: HttpAnswer): void {
    const { product, example } = contract;
    const { status } = answer;
    // The rules of the example set it; an answer without it may be the origin's, whose 404 looks like "not cached".
    const isFromRules = answer.headers['x-purge'] !== undefined;
    const what = `${product} at ${endpoint} answered ${method}`;
    if (status === 429) throw new NotSent(`${what} with 429`, notBeforeOf(answer, tools));
    if (status === 403) {
      throw new Rejected(
        'ConnectionFailed',
        `${what} with 403: its rules do not let this address purge (docs/examples/${example})`,
      );
    }
    if (isFromRules && (status === 404 || (status >= 200 && status < 300))) return;
    if (isFromRules && status >= 400 && status < 500)
      throw new ItemsRefused(`${what} with ${status} ${answer.headers['x-purge']}`);
    if ([400, 413, 414, 431].includes(status) && request.items > 1) throw new CallTooLarge(`${what} with ${status}`);
    if (status >= 500 && status !== 501) throw new Error(`${what} with an error (${inShort(answer)})`);
    const message = `${what} with ${status} but without x-purge: the rules for ${method} are missing (docs/examples/${example})`;
    throw new Rejected('ConnectionFailed', message);
  }
}

function notBeforeOf(answer: HttpAnswer, tools: SenderTools): { notBefore: number } {
  const now = tools.clock.now();
  return { notBefore: retryAfter(answer, now) ?? now + 1_000 };
}

function isAboutItems(error: unknown): boolean {
  return error instanceof ItemsRefused || error instanceof CallTooLarge;
}

function isNotSent(error: unknown): boolean {
  return error instanceof NotSent || (error instanceof HttpError && !error.sent);
}
