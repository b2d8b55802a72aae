export type CloudflarePlan = 'free' | 'pro' | 'business' | 'enterprise';

export interface Rate {
  /** Full at first. */
  readonly capacity: number;
  readonly perSecond: number;
}

export interface PlanLimits {
  readonly urlsPerCall: number;
  /** Of tags, hosts and prefixes. */
  readonly itemsPerCall: number;
  /** Counted one by one. Documented as so many per second, by a moving average: so the bucket holds one second's. */
  readonly urls: Rate;
  /** Calls of any other kind. */
  readonly otherCalls: Rate;
}

/** Source: developers.cloudflare.com/cache/how-to/purge-cache, availability and limits. */
export const planLimits: Readonly<Record<CloudflarePlan, PlanLimits>> = {
  free: limits({ urlsPerCall: 100, urlsPerSecond: 800, otherCalls: { capacity: 25, perSecond: 5 / 60 } }),
  pro: limits({ urlsPerCall: 100, urlsPerSecond: 1_500, otherCalls: { capacity: 25, perSecond: 5 } }),
  business: limits({ urlsPerCall: 100, urlsPerSecond: 1_500, otherCalls: { capacity: 50, perSecond: 10 } }),
  enterprise: limits({ urlsPerCall: 500, urlsPerSecond: 3_000, otherCalls: { capacity: 500, perSecond: 50 } }),
};

function limits(plan: { urlsPerCall: number; urlsPerSecond: number; otherCalls: Rate }): PlanLimits {
  const { urlsPerCall, urlsPerSecond, otherCalls } = plan;
  return { urlsPerCall, itemsPerCall: 100, urls: { capacity: urlsPerSecond, perSecond: urlsPerSecond }, otherCalls };
}
