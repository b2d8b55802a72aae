import { findVarnish, startVarnish } from '../support/varnish.ts';
import { startVarnishStandIn } from '../support/varnish-stand-in.ts';

export interface DemoCache {
  /** What stands there, for the timeline: a real Varnish or its stand-in, and why. */
  readonly description: string;
  readonly url: string;
  close(): Promise<void>;
}

/** A real Varnish in front of the origin where one is installed and starts, else its stand-in. */
export async function startCache(originPort: number, wantsVarnish: boolean): Promise<DemoCache> {
  const varnishd = findVarnish();
  if (!wantsVarnish) return await standIn(originPort, 'as asked for');
  if (varnishd === undefined) return await standIn(originPort, 'no varnishd is installed');
  try {
    return { ...(await startVarnish({ originPort })), description: `a real Varnish (${varnishd})` };
  } catch (error) {
    // Without varnish-modules or a C compiler it cannot load the rules; its log says which.
    const [why = ''] = (error as Error).message.split('\n');
    return await standIn(originPort, `${varnishd} does not start: ${why}`);
  }
}

async function standIn(originPort: number, why: string): Promise<DemoCache> {
  return { ...(await startVarnishStandIn({ originPort })), description: `a stand-in for Varnish (${why})` };
}
