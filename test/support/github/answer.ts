import type { JsonObject } from '../../../src/core/json.ts';

/** What goes back on the wire; the server adds what every answer has. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Absent: no body at all, and no content-type. */
  readonly text?: string;
}

export const JSON_TYPE = 'application/json; charset=utf-8';

export function json(status: number, body: JsonObject, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { 'content-type': JSON_TYPE, ...headers }, text: JSON.stringify(body) };
}

export function html(status: number, title: string): Answer {
  const text = `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`;
  return { status, headers: { 'content-type': 'text/html; charset=utf-8' }, text };
}

export const NO_CONTENT: Answer = { status: 204, headers: {} };

const DOCS = 'https://docs.github.com';

/** Thrown wherever a request turns out to be one that GitHub refuses. */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }

  /** `docs`: path of the call's documentation, such as '/rest/users/users#get-the-authenticated-user'. */
  toAnswer(docs: string): Answer {
    const body = { message: this.message, documentation_url: DOCS + docs, status: String(this.status) };
    return json(this.status, body, this.headers);
  }
}

export function notFound(): Refusal {
  return new Refusal(404, 'Not Found');
}

/** The words of the json_schema gem behind GitHub's parameter checks, in the frame that GitHub puts around them. */
export function invalidRequest(complaint: string): Refusal {
  return new Refusal(422, `Invalid request.\n\n${complaint}`);
}
