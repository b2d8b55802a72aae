import type { EpochMs } from '../../../src/core/time.ts';
import type { RunPhase } from './options.ts';

export interface Progress {
  readonly status: string;
  readonly conclusion: string | null;
  /** When the run came into this phase. */
  readonly since: EpochMs;
}

/** A run's phases, told when asked: nothing has to tick, so an injected clock may jump. */
export interface PhaseScript {
  readonly phases: readonly RunPhase[];
  readonly startedAt: EpochMs;
}

/** The last phase stays, even one with an end. */
export function progressOf({ phases, startedAt }: PhaseScript, now: EpochMs): Progress {
  let since = startedAt;
  let phase: RunPhase = phases[0] ?? { status: 'queued' };
  for (const next of phases.slice(1)) {
    if (phase.forMs === undefined || now < since + phase.forMs) break;
    since += phase.forMs;
    phase = next;
  }
  return { status: phase.status, conclusion: phase.conclusion ?? null, since };
}

/** As the API writes times: whole seconds, which is why a run can seem older than the request that made it. */
export function toGitHubTime(time: EpochMs): string {
  return new Date(time).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
