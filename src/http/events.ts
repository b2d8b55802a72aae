import { requireMay } from './authenticate.ts';
import type { EventStreams } from './event-streams.ts';
import { visibleFilter } from './filters.ts';
import type { Handlers } from './handlers.ts';
import { notesOf } from './observe.ts';
import { keyOf } from './request-key.ts';

/** Server-sent events of one execution and of many. */
export function eventHandlers(parts: {
  readonly eventStreams: EventStreams;
  readonly ownNamespace: string;
}): Pick<Handlers, 'followExecution' | 'followExecutions'> {
  const { eventStreams, ownNamespace } = parts;
  return {
    async followExecution({ req, res, caller, query }) {
      const key = keyOf(req, query, ownNamespace);
      await requireMay(caller, 'watch', key.namespace);
      notesOf(res).isHeld = true;
      await eventStreams.followOne(key, res);
    },
    async followExecutions({ res, caller, query }) {
      const { matches } = await visibleFilter({ query, caller, verb: 'watch', ownNamespace });
      notesOf(res).isHeld = true;
      eventStreams.followAll(matches, res);
    },
  };
}
