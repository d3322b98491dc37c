/**
 * pool: the orders, SITE readings and METER statements heard and not yet in a final block, bounded per sender.
 * Answers with a word: MQTT repeats itself, so `known` is the normal case.
 */
import { METER_ROUNDS_BACK, ORDERS_PER_NODE } from './limits.ts';
import type { MeterStatement, Order, Signed, Site } from './messages.ts';

export interface Pool {
  readonly orders: Map<string, Signed<Order>>;
  /** By round; the first reading counts. */
  readonly sites: Map<number, Signed<Site>>;
  /** By round and sender; the first statement counts. */
  readonly meters: Map<string, Signed<MeterStatement>>;
}

export type Admission = 'added' | 'known' | 'full' | 'late';

export const emptyPool = (): Pool => ({ orders: new Map(), sites: new Map(), meters: new Map() });

export function addOrder(pool: Pool, order: Signed<Order>, deciding: number): Admission {
  if (pool.orders.has(order.id)) return 'known';
  if (order.round < deciding) return 'late';
  let own = 0;
  for (const other of pool.orders.values()) if (other.sender === order.sender) own += 1;
  if (own >= ORDERS_PER_NODE) return 'full';
  pool.orders.set(order.id, order);
  return 'added';
}

export function addSite(pool: Pool, site: Signed<Site>, deciding: number): Admission {
  if (pool.sites.has(site.round)) return 'known';
  if (site.round < deciding) return 'late';
  pool.sites.set(site.round, site);
  return 'added';
}

const meterKey = (statement: Signed<MeterStatement>): string => `${statement.round}/${statement.sender}`;

export function addMeter(pool: Pool, statement: Signed<MeterStatement>, deciding: number): Admission {
  if (pool.meters.has(meterKey(statement))) return 'known';
  if (statement.round < deciding - METER_ROUNDS_BACK) return 'late';
  pool.meters.set(meterKey(statement), statement);
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
