import { createHash } from 'node:crypto';

import { type CloudflarePlan, type PlanLimits, planLimits } from './plans.ts';

export interface ZoneOptions {
  /** The zone's domain; its subdomains belong to it. */
  readonly name: string;
  /** 32 hexadecimal digits. Default: derived from the name. */
  readonly id?: string;
  /** Default free. */
  readonly plan?: CloudflarePlan;
  /** Zones of one account share its rate limits. Default: all zones have the same. */
  readonly account?: string;
  /** What differs from the plan's documented limits. */
  readonly limits?: Partial<PlanLimits>;
}

export interface Zone {
  readonly name: string;
  readonly id: string;
  readonly plan: CloudflarePlan;
  readonly account: string;
  readonly limits: PlanLimits;
}

export function describeZone({ name, id, plan = 'free', account = 'account', limits }: ZoneOptions): Zone {
  return { name, id: id ?? hexId(name), plan, account, limits: { ...planLimits[plan], ...limits } };
}

/** `host` may carry a port. */
export function belongsTo(zone: Zone, host: string): boolean {
  const name = host.replace(/:[0-9]+$/, '').toLowerCase();
  return name === zone.name || name.endsWith(`.${zone.name}`);
}

/** The answer to GET /zones/{id}, as far as clients look at it. */
export function viewOfZone({ id, name, plan, account }: Zone) {
  return {
    id,
    name,
    status: 'active',
    paused: false,
    type: 'full',
    development_mode: 0,
    account: { id: hexId(account), name: account },
    plan: { id: hexId(plan), name: `${plan} website`, legacy_id: plan, is_subscribed: true },
  };
}

function hexId(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
