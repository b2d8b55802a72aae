import { Type } from '@sinclair/typebox';
import type { Response } from 'express';
import { type Problem, type ProblemCode, problems } from '../core/problem.ts';
import { writeHead } from './write-head.ts';

export const problemContentType = 'application/problem+json';

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ format: 'uri', description: 'Where the code is explained.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'For people; match on the code.' }),
    code: Type.Union(Object.keys(problems).map((code) => Type.Literal(code))),
    errors: Type.Optional(
      Type.Array(
        Type.Object(
          { path: Type.String({ description: 'A JSON Pointer into the body.' }), message: Type.String() },
          { additionalProperties: false },
        ),
        { description: 'Every mistake in the input, at most 20.' },
      ),
    ),
  },
  { additionalProperties: false, description: 'RFC 9457 problem details.' },
);

function problemType(code: ProblemCode): string {
  return `https://aftersync.dev/errors#${code}`;
}

/** Writes the problem as the whole answer. Headers that were set before, such as Allow, go with it. */
export function writeProblem(res: Response, problem: Problem): void {
  const { status, retryAfterSeconds } = problem;
  if (status === 401) res.setHeader('WWW-Authenticate', 'Bearer realm="aftersync"');
  if (retryAfterSeconds !== undefined) res.setHeader('Retry-After', Math.max(1, Math.ceil(retryAfterSeconds)));
  writeHead(res, status, { 'Content-Type': problemContentType });
  res.end(problemJson(problem));
}

/** The body of the answer. */
export function problemJson({ code, status, message, mistakes }: Problem): string {
  return JSON.stringify({
    type: problemType(code),
    title: problems[code].title,
    status,
    detail: message,
    code,
    ...(mistakes.length > 0 && { errors: mistakes }),
  });
}
