/**
 * Physical safety of one round for any mix of nodes that did and did not hear the decision (protocol README):
 *
 *   import: most load + sum_i max(a_i, F_i) - (sum_j o_j - the f+1 largest o_j) <= capacity
 *   export: sum_j o_j - (sum_i a_i - the f+1 largest a_i) - least load           <= export limit
 *
 * A limit that the load alone breaks is not the orders' fault: the bound is then that of an idle round.
 */
import type { Instance } from './instance.ts';
import { siteEffect_W } from './instance.ts';

/** What runs in the round. With no connectors stated, every order has one of its own. */
export interface Running {
  readonly index: number;
  readonly power_W: number;
}

export type Breach = 'connector' | 'capacity' | 'export';

interface Draw {
  charge_W: number;
  /** Battery side, as the connector's rating counts it. */
  discharge_W: number;
  /** What reaches the site. */
  injected_W: number;
}

function sumOfLargest(values: number[], count: number): number {
  if (count === 0) return 0;
  return values
    .sort((a, b) => b - a)
    .slice(0, count)
    .reduce((sum, value) => sum + value, 0);
}

/** By connector, what it draws and feeds: a list, in whose place is nothing where nothing runs. */
type Draws = readonly (Draw | undefined)[];

function draws(instance: Instance, running: readonly Running[]): Draws {
  const shared = instance.limits.connectors.length > 0 || instance.limits.safeShares_W.length > 0;
  const byNode: (Draw | undefined)[] = [];
  for (const { index, power_W } of running) {
    if (power_W === 0) continue;
    const order = instance.pending[index]!;
    const key = shared ? order.node : index;
    const draw = byNode[key] ?? { charge_W: 0, discharge_W: 0, injected_W: 0 };
    byNode[key] = draw;
    if (order.side === 'buy') draw.charge_W += power_W;
    else {
      draw.discharge_W += power_W;
      draw.injected_W -= siteEffect_W(instance, 'sell', power_W);
    }
  }
  return byNode;
}

/** The two sides of the safety rule, W, for what runs. */
export function bounds_W(instance: Instance, running: readonly Running[]): { import_W: number; export_W: number } {
  return boundsOf(instance, draws(instance, running));
}

function boundsOf(instance: Instance, byNode: Draws): { import_W: number; export_W: number } {
  const { safeShares_W, lostParts } = instance.limits;
  const { least_W, most_W } = instance.loadBetween_W;
  let drawn = safeShares_W.reduce((sum, share) => sum + share, 0);
  const charges: number[] = [];
  const discharges: number[] = [];
  for (let node = 0; node < byNode.length; node++) {
    const draw = byNode[node];
    if (draw === undefined) continue;
    drawn += Math.max(0, draw.charge_W - (safeShares_W[node] ?? 0));
    charges.push(draw.charge_W);
    discharges.push(draw.injected_W);
  }
  const charged = charges.reduce((sum, value) => sum + value, 0) - sumOfLargest(charges, lostParts);
  const injected = discharges.reduce((sum, value) => sum + value, 0);
  return {
    import_W: most_W + drawn - (injected - sumOfLargest(discharges, lostParts)),
    export_W: injected - charged - least_W,
  };
}

/** The first rule that running these orders together would break, or null. */
export function breach(instance: Instance, running: readonly Running[]): Breach | null {
  const byNode = draws(instance, running);
  if (instance.limits.connectors.length > 0)
    for (let node = 0; node < byNode.length; node++) {
      const draw = byNode[node];
      if (draw === undefined) continue;
      const rating = instance.limits.connectors[node];
      if (
        (draw.charge_W > 0 && draw.discharge_W > 0) ||
        draw.charge_W > (rating?.charge_W ?? 0) ||
        draw.discharge_W > (rating?.discharge_W ?? 0)
      )
        return 'connector';
    }
  const is = boundsOf(instance, byNode);
  const idle = boundsOf(instance, []);
  if (is.import_W > Math.max(instance.limits.capacity_W, idle.import_W)) return 'capacity';
  if (is.export_W > Math.max(instance.limits.exportLimit_W, idle.export_W)) return 'export';
  return null;
}
