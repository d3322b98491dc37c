/**
 * pool: the orders, SITE readings and METER statements heard and not yet in a final block, bounded per sender.
 * Answers with a word: MQTT repeats itself, so `known` is the normal case.
 */
import type { Hash } from '../ports.ts';
import { METER_ROUNDS_BACK, ORDERS_PER_NODE } from './limits.ts';
import { amend } from './membership.ts';
import type { MeterStatement, Order, RegistryChange, Signed, Site } from './messages.ts';
import { refuseForever } from './order.ts';
import type { Registry } from './registry.ts';

export interface Pool {
  readonly orders: Map<string, Signed<Order>>;
  /** By round; the first reading counts. */
  readonly sites: Map<number, Signed<Site>>;
  /** By round and sender; the first statement counts. */
  readonly meters: Map<string, Signed<MeterStatement>>;
  /** The registrar's next change. */
  change: Signed<RegistryChange> | null;
}

export type Admission = 'added' | 'known' | 'full' | 'late' | 'refused';

export const emptyPool = (): Pool => ({ orders: new Map(), sites: new Map(), meters: new Map(), change: null });

/** Of a sender's orders for a round the lowest ids stay: whatever it told whom first, all pools come to hold the same. */
export function addOrder(pool: Pool, order: Signed<Order>, deciding: number, registry: Registry): Admission {
  if (pool.orders.has(order.id)) return 'known';
  if (order.round < deciding) return 'late';
  if (refuseForever(order, registry) !== null) return 'refused';
  const own = [...pool.orders.values()]
    .filter(({ sender, round }) => sender === order.sender && round === order.round)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const last = own[ORDERS_PER_NODE - 1];
  if (last !== undefined && last.id < order.id) return 'full';
  if (last !== undefined) pool.orders.delete(last.id);
  pool.orders.set(order.id, order);
  return 'added';
}

export function addSite(pool: Pool, site: Signed<Site>, deciding: number): Admission {
  if (pool.sites.has(site.round)) return 'known';
  if (site.round < deciding) return 'late';
  pool.sites.set(site.round, site);
  return 'added';
}

export const meterKey = ({ round, sender }: Signed): string => `${round}/${sender}`;

export function addMeter(pool: Pool, statement: Signed<MeterStatement>, deciding: number): Admission {
  if (pool.meters.has(meterKey(statement))) return 'known';
  if (statement.round < deciding - METER_ROUNDS_BACK) return 'late';
  pool.meters.set(meterKey(statement), statement);
  return 'added';
}

/**
 * The registrar's next change, and none further ahead: what is said beforehand, perhaps with a stolen key, must not be in the
 * way of what is said later. Of two for one number the lower id stays, so that all pools come to hold the same.
 */
export function addChange(pool: Pool, change: Signed<RegistryChange>, registry: Registry, hash: Hash): Admission {
  if (pool.change?.id === change.id) return 'known';
  if (change.body.number <= registry.changes) return 'late';
  const fits = (each: Signed<RegistryChange>): boolean => typeof amend(registry, each, hash) !== 'string';
  if (!fits(change)) return 'refused';
  if (pool.change !== null && fits(pool.change) && pool.change.id < change.id) return 'full';
  pool.change = change;
  return 'added';
}

/** Drops what can no longer enter a SEAL. */
export function prune(pool: Pool, deciding: number): void {
  for (const [id, order] of pool.orders) if (order.round < deciding) pool.orders.delete(id);
  for (const round of pool.sites.keys()) if (round < deciding) pool.sites.delete(round);
  for (const [key, statement] of pool.meters) {
    if (statement.round < deciding - METER_ROUNDS_BACK) pool.meters.delete(key);
  }
}
