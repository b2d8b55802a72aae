import type { Scene } from '../scene.ts';
import { askAgain } from './ask-again.ts';
import { purgeTheCache } from './purge-the-cache.ts';
import { readAnObject } from './read-an-object.ts';
import { startAWorkflow } from './start-a-workflow.ts';
import { surviveAKill } from './survive-a-kill.ts';

/** In the order in which they are played; a scene may rely on those before it. */
export const scenes: readonly Scene[] = [readAnObject, startAWorkflow, purgeTheCache, askAgain, surviveAKill];
