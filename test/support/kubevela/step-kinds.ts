import { isJsonObject, type JsonObject } from '../../../src/core/json.ts';
import type { Clock } from '../../../src/core/time.ts';
import type { StepRun } from './execute-workflow.ts';
import { goDurationMs } from './http-call.ts';

export interface StepKindTools {
  readonly clock: Clock;
  /** `http.#HTTPDo`. */
  readonly call: ($params: JsonObject) => Promise<JsonObject>;
  /** Applies a component of the Application; absent for a WorkflowRun. */
  readonly applyComponent?: (name: string) => Promise<void>;
}

/** Built-in steps whose templates need providers that are not evaluated here, written down by what they do. */
export const stepKinds: Readonly<Record<string, (run: StepRun, tools: StepKindTools) => Promise<JsonObject>>> = {
  /** The component counts as healthy as soon as it is applied. */
  'apply-component': async ({ parameter }, { applyComponent }) => {
    if (applyComponent === undefined) throw new Error('apply-component needs an Application');
    await applyComponent(String(parameter.component));
    return {};
  },

  /**
   * Sends at every tick. An answer that is no JSON is an error, which is tried again: also the empty one of GitHub's 204.
   * Source: kubevela/kubevela: vela-templates/definitions/internal/workflowstep/request.cue
   */
  request: async ({ parameter, outcome }, { call }) => {
    const { url, method = 'GET', body, header } = parameter;
    const request = {
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(isJsonObject(header) && { header }),
    };
    const answer = await call({ method, url, request });
    if (Number(answer.statusCode) > 400) outcome.fail(`request of ${url} is fail: ${answer.statusCode}`);
    return { response: JSON.parse(String(answer.body)) };
  },

  /** Source: kubevela/workflow: pkg/providers/builtin/workspace.go */
  suspend: async ({ id, parameter, phaseBefore, memory, outcome }, { clock }) => {
    const { duration } = parameter;
    const isFirst = !memory.suspended.has(id);
    if (isFirst) {
      memory.suspended.set(id, typeof duration === 'string' ? clock.now() + goDurationMs(duration) : undefined);
    }
    const until = memory.suspended.get(id);
    const isOver = until !== undefined ? clock.now() >= until : phaseBefore === 'running';
    if (isFirst || !isOver) outcome.suspend('Suspended by field suspend');
    return {};
  },
};
