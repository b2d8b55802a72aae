import { NotSent } from '../../../src/core/effect.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** Whoever waits for a time is taken there at once. */
export class HurriedClock extends ManualClock {
  override at(time: number, callback: () => void): () => void {
    queueMicrotask(() => this.advance(Math.max(0, time - this.now())));
    return super.at(time, callback);
  }
}

/** Comes back at the time that the client names, until it has sent. */
export async function sent(clock: ManualClock, send: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await send();
      return;
    } catch (error) {
      if (!(error instanceof NotSent) || error.notBefore === undefined) throw error;
      clock.advance(error.notBefore - clock.now());
    }
  }
}
