import type { AnyConnectionType } from '../core/connection.ts';
import { cdnConnectionTypes } from './cdn/index.ts';
import { github } from './github/connection.ts';
import { kubernetes } from './kubernetes/connection.ts';

/** Every kind of connection, in the order of the alphabet within its family. */
export const connectionTypes: readonly AnyConnectionType[] = [...cdnConnectionTypes, github, kubernetes];
