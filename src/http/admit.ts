import type { JsonObject } from '../core/json.ts';
import { Problem } from '../core/problem.ts';
import { ExecutionRequestSchema, OriginSchema } from '../core/request.ts';
import { fits, mistakesOf } from '../core/schema.ts';
import { assertNone } from '../engine/accept.ts';
import { requireMay, workflow } from './authenticate.ts';
import type { Exchange } from './handlers.ts';
import { namespaceOfBody } from './request-key.ts';
import type { WorkflowOrigins } from './workflow-origins.ts';

/** The namespace in which to create what the body asks for, and in whose name. */
export type Admit = (
  exchange: Exchange,
  body: JsonObject,
) => Promise<{ readonly namespace: string; readonly caller: string }>;

export function createAdmit({
  ownNamespace,
  workflowOrigins,
}: {
  readonly ownNamespace: string;
  readonly workflowOrigins: WorkflowOrigins;
}): Admit {
  return async ({ identify, query }, body) => {
    if (body.origin !== undefined && workflowOrigins === 'refused') {
      throw new Problem('origin-not-supported', 'this server cannot prove a workflow origin; leave out `origin`');
    }
    const namespace = namespaceOfBody(body, query, ownNamespace);
    if (body.origin !== undefined && workflowOrigins !== 'trusted') {
      // Let pass without a credential: what is no origin must not get to know what there is.
      if (!fits(OriginSchema, body.origin)) assertNone(mistakesOf(ExecutionRequestSchema, body));
      return { namespace, caller: workflow.name };
    }
    const caller = await identify();
    await requireMay(caller, 'create', namespace);
    return { namespace, caller: caller.name };
  };
}
