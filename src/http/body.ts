import type { IncomingMessage } from 'node:http';
import { isJsonObject, type JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { Problem } from '../core/problem.ts';
import { BodyBudget } from './body-budget.ts';
import { type BodyBounds, GatheredBytes } from './gathered-bytes.ts';
import { hazardOf } from './json-hazard.ts';
import { positionOfJsonError } from './json-position.ts';

/**
 * How much of a body that is too large is read and thrown away. Most clients send all before they look at the answer,
 * and would see a broken connection instead of the 413.
 */
const discardedBytes = 4 * 1024 * 1024;

export type ReadBody = (req: IncomingMessage) => Promise<Buffer>;

/** Reads the bodies of callers, of which those that come in pieces share a budget. Problems: as readJsonBytes. */
export function createReadBody(): ReadBody {
  const budget = new BodyBudget(limits.bodiesBytes);
  return (req) => budget.share((take) => readJsonBytes(req, { mostBytes: limits.bodyBytes, take }));
}

/** The client went away while it was sending; nobody is left to answer. */
export class ClientGone extends Error {
  constructor() {
    super('the client closed the connection');
    this.name = 'ClientGone';
  }
}

/** The bytes of a JSON body. Problems: unsupported-media-type, body-too-large, unavailable. Throws ClientGone. */
export async function readJsonBytes(req: IncomingMessage, bounds: BodyBounds): Promise<Buffer> {
  requireJsonContent(req);
  const declaredBytes = Number(req.headers['content-length'] ?? 0);
  if (declaredBytes > discardedBytes) throw bodyTooLarge(bounds.mostBytes);
  return await readAtMost(req, bounds);
}

function requireJsonContent(req: IncomingMessage): void {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = req.headers;
  if (type !== 'application/json') {
    const [mediaType = '', ...parameters] = type.toLowerCase().split(';');
    const charset = parameters.map((parameter) => /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(parameter)?.[1]);
    if (mediaType.trim() !== 'application/json' || charset.some((name) => name !== undefined && name !== 'utf-8')) {
      throw new Problem('unsupported-media-type', 'send Content-Type: application/json, in UTF-8');
    }
  }
  if (encoding.toLowerCase() !== 'identity') {
    throw new Problem('unsupported-media-type', 'send the body without a Content-Encoding');
  }
}

function bodyTooLarge(mostBytes: number): Problem {
  return new Problem('body-too-large', `the body may have ${mostBytes} bytes`);
}

function readAtMost(req: IncomingMessage, bounds: BodyBounds): Promise<Buffer> {
  const { mostBytes } = bounds;
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const declaredBytes = Number(req.headers['content-length']);
  let gathered: GatheredBytes | undefined = new GatheredBytes(bounds);
  let whole: Buffer | undefined;
  let receivedBytes = 0;
  req.on('data', (chunk: Buffer) => {
    receivedBytes += chunk.length;
    if (receivedBytes > discardedBytes) {
      req.pause();
      reject(bodyTooLarge(mostBytes));
    } else if (gathered === undefined || receivedBytes > mostBytes) {
      // Thrown away.
    } else if (chunk.length === declaredBytes) {
      whole = chunk;
    } else if (!gathered.add(chunk)) {
      gathered = undefined;
      reject(new Problem('unavailable', 'too many bodies are being read; send it again', { retryAfterSeconds: 1 }));
    }
  });
  req.on('end', () => {
    if (receivedBytes > mostBytes) reject(bodyTooLarge(mostBytes));
    else if (gathered !== undefined) resolve(whole ?? gathered.bytes);
  });
  // Node's name for a connection that closes before the end of the body.
  req.on('error', () => reject(new ClientGone()));
  return promise;
}

/** Problems: malformed-json with its place, invalid-parameters for JSON that nothing here may keep. */
export function parseJsonObject(bytes: Buffer): JsonObject {
  const body = parseJson(bytes);
  const hazard = hazardOf(body);
  if (hazard !== undefined) {
    throw new Problem('invalid-parameters', `${hazard.path || 'the body'} ${hazard.message}`, { mistakes: [hazard] });
  }
  if (!isJsonObject(body)) {
    const mistake = {
      path: '',
      message: `expected an object, found ${Array.isArray(body) ? 'an array' : typeof body}`,
    };
    throw new Problem('invalid-parameters', 'the body must be a JSON object', { mistakes: [mistake] });
  }
  return body;
}

function parseJson(bytes: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Problem('malformed-json', 'the body is not UTF-8', { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { line, column } = positionOfJsonError(text);
    throw new Problem('malformed-json', `the body is not JSON at line ${line}, column ${column}`, { cause });
  }
}
