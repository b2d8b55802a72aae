import type { Origins } from '../core/origin.ts';

/**
 * What becomes of a request that says it comes from a workflow's step: refused; taken at its word, where this machine alone
 * can reach the server; or proven by the engine, which is told of each answer.
 */
export type WorkflowOrigins = 'refused' | 'trusted' | Pick<Origins, 'asked'>;

/** Told of an answer that is about to leave, where the workflow's engine is going to write it down. */
export function told(origins: WorkflowOrigins, execution: Parameters<Origins['asked']>[0]): void {
  if (typeof origins === 'object' && execution.request.origin !== undefined) origins.asked(execution);
}
