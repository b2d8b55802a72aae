import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Json, JsonObject } from '../../../src/core/json.ts';
import { type Answer, json } from './answer.ts';
import { FaultSchema } from './faults.ts';
import { isRouteName, ROUTES, type RouteName } from './routes.ts';
import type { GitHubStandIn } from './stand-in.ts';

/** POST one command as JSON here to steer a stand-in from another process. No token: it listens on loopback only. */
export const CONTROL_PATH = '/_control';

const Phase = Type.Object({
  status: Type.String(),
  conclusion: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  forMs: Type.Optional(Type.Number()),
});

const COMMANDS = {
  /** Makes the next requests of a route fail. */
  fault: Type.Object({ command: Type.Literal('fault'), route: Type.String(), fault: FaultSchema }),
  listLag: Type.Object({ command: Type.Literal('listLag'), ms: Type.Number() }),
  /** What the workflow's next runs go through. */
  plan: Type.Object({
    command: Type.Literal('plan'),
    repository: Type.String(),
    workflow: Type.String(),
    plan: Type.Array(Phase),
  }),
  reset: Type.Object({ command: Type.Literal('reset') }),
  setRun: Type.Object({
    command: Type.Literal('setRun'),
    id: Type.Number(),
    status: Type.Optional(Type.String()),
    conclusion: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    runAttempt: Type.Optional(Type.Number()),
    listed: Type.Optional(Type.Boolean()),
  }),
  /** Answers `{ runs, requests, dispatches }`. */
  state: Type.Object({ command: Type.Literal('state') }),
  /** Answers the request as soon as there have been `count` (default 1) of the route. */
  waitForRequest: Type.Object({
    command: Type.Literal('waitForRequest'),
    route: Type.String(),
    count: Type.Optional(Type.Number()),
  }),
};

const CommandSchema = Type.Union(Object.values(COMMANDS));
export type ControlCommand = Static<(typeof COMMANDS)[keyof typeof COMMANDS]>;

/** 200 with what was asked for, or `{}`; 400 with a message. */
export async function control(standIn: GitHubStandIn, method: string | undefined, body: string): Promise<Answer> {
  try {
    if (method !== 'POST') throw new Error(`POST to ${CONTROL_PATH}`);
    const command: Json = JSON.parse(body);
    if (!Value.Check(CommandSchema, command)) {
      throw new Error(`not one of the commands ${Object.keys(COMMANDS).join(', ')}, or not of its shape: ${body}`);
    }
    return json(200, await obey(standIn, command));
  } catch (error) {
    return json(400, { message: (error as Error).message });
  }
}

async function obey(standIn: GitHubStandIn, command: ControlCommand): Promise<JsonObject> {
  switch (command.command) {
    case 'fault':
      standIn.fault(command.route === 'any' ? 'any' : requireRoute(command.route), command.fault);
      return {};
    case 'listLag':
      standIn.listLagMs = command.ms;
      return {};
    case 'plan':
      standIn.workflow(command.repository, command.workflow).plan = command.plan;
      return {};
    case 'reset':
      standIn.reset();
      return {};
    case 'setRun':
      standIn.setRun(command.id, command);
      return {};
    case 'state':
      return toJson({ runs: standIn.runs, requests: standIn.requests, dispatches: standIn.dispatches() });
    case 'waitForRequest': {
      const route = requireRoute(command.route);
      let awaited = command.count ?? 1;
      return toJson(
        await standIn.waitForRequest((request) => {
          if (request.route === route) awaited -= 1;
          return awaited <= 0;
        }),
      );
    }
  }
}

function requireRoute(name: string): RouteName {
  if (!isRouteName(name)) throw new Error(`no route '${name}'; there are ${Object.keys(ROUTES).join(', ')}`);
  return name;
}

/** Through text and back: what the other process will get. */
function toJson(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value));
}
