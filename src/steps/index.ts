import type { Step } from '../core/step.ts';
import { purgeCdn } from './purge-cdn.ts';
import { readObject } from './read-object.ts';
import { triggerGithubAction } from './trigger-github-action.ts';

/** Every step, in the order of the alphabet. */
export const steps: readonly Step[] = [purgeCdn, readObject, triggerGithubAction];
