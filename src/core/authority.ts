import type { Step } from './step.ts';

const gateFields = ['apiVersion', 'kind', 'namespace', 'cluster'].map((field) => `/object/${field}`);
const ofGates = ['/onChange', '/readyWhen'].flatMap((gate) =>
  ['/connection', ...gateFields].map((field) => gate + field),
);

/**
 * The fields of a step's request that decide on what is acted with whose rights, as JSON Pointers: those of its own
 * parameters, and those of the gates, which stand beside the parameters and are the same for every step.
 */
export function authorityOf({ authority = [] }: Pick<Step, 'authority'>): readonly string[] {
  return [...authority, ...ofGates];
}
