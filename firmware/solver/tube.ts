/**
 * The freedom of a day as a tube. N(k) is the net EV power of rounds t .. t+k, added up. Orders may run from
 * their arrival to their cap, so whatever the sets chosen, N stays between what must have run by then and what
 * may have run: buys forced - sells available <= N <= buys available - sells forced. Only N enters Theta, so
 * the best divisible plan is the smoothest path through this tube.
 */
import type { Instance } from '../protocol/benefit/instance.ts';
import { PPM } from '../protocol/benefit/instance.ts';

export interface Tube {
  readonly lower_W: Float64Array;
  readonly upper_W: Float64Array;
}

/** Buckets of orders: `arrives` and `due` are rounds from now; `site_W` is what they add to the site (sells too: positive). */
export interface Bucket {
  readonly side: 'buy' | 'sell';
  readonly arrives: number;
  readonly due: number;
  readonly site_W: number;
}

/** The pending orders by due round, then the forecast ones; due is cut at the last round when the instance closes. */
export function buckets(instance: Instance): Bucket[] {
  const { load_W, maxWait_rounds, closes, buyForecast_W, sellForecast_W } = instance;
  const efficiency = instance.dischargingEfficiency_ppm / PPM;
  const last = load_W.length - 1;
  const cut = (due: number): number => (closes ? Math.min(due, last) : due);
  const list: Bucket[] = [];
  for (const side of ['buy', 'sell'] as const) {
    const scale = side === 'buy' ? 1 : efficiency;
    const byDue = new Map<number, number>();
    for (const order of instance.pending)
      if (order.side === side)
        byDue.set(order.remainingWait_rounds, (byDue.get(order.remainingWait_rounds) ?? 0) + order.power_W * scale);
    for (const [due, site_W] of byDue) list.push({ side, arrives: 0, due: cut(due), site_W });
    const forecast = side === 'buy' ? buyForecast_W : sellForecast_W;
    for (let k = 1; k <= last; k++)
      list.push({ side, arrives: k, due: cut(k + maxWait_rounds), site_W: forecast[k]! * scale });
  }
  return list;
}

export function tube(rounds: number, list: readonly Bucket[]): Tube {
  const lower_W = new Float64Array(rounds);
  const upper_W = new Float64Array(rounds);
  for (const { side, arrives, due, site_W } of list)
    for (let k = arrives; k < rounds; k++) {
      if (side === 'buy') upper_W[k]! += site_W;
      else lower_W[k]! -= site_W;
      if (k < due) continue;
      if (side === 'buy') lower_W[k]! += site_W;
      else upper_W[k]! -= site_W;
    }
  return { lower_W, upper_W };
}
