/**
 * pool: the orders, SITE readings and METER statements heard and not yet in a final block, bounded per sender.
 * Answers with a word: MQTT repeats itself, so `known` is the normal case.
 */
import { CHANGES_AHEAD, METER_ROUNDS_BACK, ORDERS_PER_NODE } from './limits.ts';
import type { MeterStatement, Order, RegistryChange, Signed, Site } from './messages.ts';
import { refuseForever } from './order.ts';
import type { Registry } from './registry.ts';

export interface Pool {
  readonly orders: Map<string, Signed<Order>>;
  /** By round; the first reading counts. */
  readonly sites: Map<number, Signed<Site>>;
  /** By round and sender; the first statement counts. */
  readonly meters: Map<string, Signed<MeterStatement>>;
  /** By number; the first heard counts. */
  readonly changes: Map<number, Signed<RegistryChange>>;
}

export type Admission = 'added' | 'known' | 'full' | 'late' | 'refused';

export const emptyPool = (): Pool => ({ orders: new Map(), sites: new Map(), meters: new Map(), changes: new Map() });

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

/** The registrar's changes that are not on the chain yet; a few ahead, since they may come out of order. */
export function addChange(pool: Pool, change: Signed<RegistryChange>, registry: Registry): Admission {
  const { number } = change.body;
  if (change.sender !== registry.registrar || number > registry.changes + CHANGES_AHEAD) return 'refused';
  if (number <= registry.changes) return 'late';
  if (pool.changes.has(number)) return 'known';
  pool.changes.set(number, change);
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
