import type { OutgoingHttpHeaders } from 'node:http';
import { type Static, Type } from '@sinclair/typebox';
import type { Response } from 'express';
import { type EffectRecord, type Execution, type ExecutionKey, executionStates } from '../core/execution.ts';
import { Problem } from '../core/problem.ts';
import { reasons } from '../core/reason.ts';
import { OriginSchema } from '../core/request.ts';
import { type EpochMs, toIsoTime } from '../core/time.ts';
import { writeHead } from './write-head.ts';

const TimeSchema = Type.String({ format: 'date-time' });

const EffectAnswerSchema = Type.Object(
  {
    name: Type.String(),
    intentAt: TimeSchema,
    sentAt: Type.Optional(TimeSchema),
    doneAt: Type.Optional(TimeSchema),
    result: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { additionalProperties: false, description: 'One external write: its intent was stored before it was sent.' },
);

/** What every call answers about an execution. */
export const ExecutionAnswerSchema = Type.Object(
  {
    namespace: Type.String(),
    id: Type.String(),
    step: Type.String(),
    state: Type.Union(executionStates.map((state) => Type.Literal(state))),
    reason: Type.Optional(Type.Union(Object.keys(reasons).map((reason) => Type.Literal(reason)))),
    message: Type.String({ description: 'For people; match on state and reason.' }),
    outputs: Type.Record(Type.String(), Type.Unknown()),
    origin: Type.Optional(OriginSchema),
    createdAt: TimeSchema,
    startedAt: Type.Optional(TimeSchema),
    deadline: TimeSchema,
    finishedAt: Type.Optional(TimeSchema),
    attempts: Type.Integer({ minimum: 0, description: 'Advances that threw and were tried again.' }),
    effects: Type.Array(EffectAnswerSchema),
  },
  { additionalProperties: false, description: 'One run of a step.' },
);

/** JSON leaves out what is undefined, so that absent keys need no branch of their own. */
type WithUndefined<T> = { [K in keyof T]: T[K] extends readonly (infer E)[] ? WithUndefined<E>[] : T[K] | undefined };
export type ExecutionAnswer = WithUndefined<Static<typeof ExecutionAnswerSchema>>;

export function toAnswer({ namespace, id, request, createdAt, deadline, status }: Execution): ExecutionAnswer {
  return {
    namespace,
    id,
    step: request.step,
    state: status.state,
    reason: status.reason,
    message: status.message,
    outputs: status.outputs,
    origin: request.origin,
    createdAt: toIsoTime(createdAt),
    startedAt: isoOrAbsent(status.startedAt),
    deadline: toIsoTime(deadline),
    finishedAt: isoOrAbsent(status.finishedAt),
    attempts: status.attempts,
    effects: status.effects.map(toEffectAnswer),
  };
}

function toEffectAnswer({ name, intentAt, sentAt, doneAt, result }: EffectRecord) {
  return {
    name,
    intentAt: toIsoTime(intentAt),
    sentAt: isoOrAbsent(sentAt),
    doneAt: isoOrAbsent(doneAt),
    result,
  };
}

function isoOrAbsent(time: EpochMs | undefined): string | undefined {
  return time === undefined ? undefined : toIsoTime(time);
}

/** JSON as it is sent. A string, since node writes it together with the head, while a Buffer costs a write of its own. */
export interface JsonText {
  readonly text: string;
  readonly byteLength: number;
}

/** On one line, as server-sent events need it. */
export function toJsonText(value: object): JsonText {
  const text = JSON.stringify(value);
  return { text, byteLength: Buffer.byteLength(text) };
}

export function notFound({ namespace, id }: ExecutionKey): Problem {
  return new Problem('not-found', `there is no execution ${id} in namespace ${namespace}`);
}

/** Says where the execution is read: complete, whatever namespace the reader would default to. */
export function locationOf({ namespace, id }: ExecutionKey): OutgoingHttpHeaders {
  return { Location: `/v1/executions/${id}?namespace=${namespace}` };
}

export function sendJsonText(
  res: Response,
  status: number,
  { text, byteLength }: JsonText,
  headers?: OutgoingHttpHeaders,
): void {
  writeHead(res, status, { 'Content-Type': 'application/json', 'Content-Length': byteLength, ...headers });
  res.end(text, text.length === byteLength ? 'latin1' : 'utf8');
}

export function sendJson(res: Response, status: number, value: object, headers?: OutgoingHttpHeaders): void {
  sendJsonText(res, status, toJsonText(value), headers);
}
