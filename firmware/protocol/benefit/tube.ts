/**
 * The freedom of a day as a tube. N(k) is the net EV power of rounds t .. t+k, added up. Orders run between their
 * arrival and their cap, so whatever the sets chosen, N stays between what must have run by then and what may have:
 * buys forced - sells available <= N <= buys available - sells forced. Only N enters Theta.
 */
import type { Instance, Side } from './instance.ts';
import { siteEffect_W } from './instance.ts';

export interface Tube {
  /** By k, W added up over rounds. */
  readonly lower_W: number[];
  readonly upper_W: number[];
}

/** Orders of one side that arrive together and share a cap. `site_W` is what they draw or inject, never negative. */
export interface Bucket {
  readonly side: Side;
  /** Rounds from now. */
  readonly arrives: number;
  readonly due: number;
  readonly site_W: number;
}

/** The pending orders by cap, then the forecast ones. When the instance closes, the last round is everyone's cap. */
export function buckets(instance: Instance): Bucket[] {
  const { load_W, maxWait_rounds, closes } = instance;
  const last = load_W.length - 1;
  const cap = (due: number): number => (closes ? Math.min(due, last) : due);
  const list: Bucket[] = [];
  for (const side of ['buy', 'sell'] as const) {
    const byDue = new Map<number, number>();
    for (const order of instance.pending) {
      if (order.side !== side) continue;
      const due = cap(order.remainingWait_rounds);
      byDue.set(due, (byDue.get(due) ?? 0) + Math.abs(siteEffect_W(instance, side, order.power_W)));
    }
    for (const [due, site_W] of byDue) list.push({ side, arrives: 0, due, site_W });
    const forecast = side === 'buy' ? instance.buyForecast_W : instance.sellForecast_W;
    for (let k = 1; k <= last; k++) {
      const site_W = Math.abs(siteEffect_W(instance, side, forecast[k]!));
      list.push({ side, arrives: k, due: cap(k + maxWait_rounds), site_W });
    }
  }
  return list;
}

export function tube(instance: Instance): Tube {
  const rounds = instance.load_W.length;
  const arriving = { buy: new Array<number>(rounds).fill(0), sell: new Array<number>(rounds).fill(0) };
  const falling = { buy: new Array<number>(rounds).fill(0), sell: new Array<number>(rounds).fill(0) };
  for (const { side, arrives, due, site_W } of buckets(instance)) {
    arriving[side][arrives]! += site_W;
    if (due < rounds) falling[side][due]! += site_W;
  }
  const sums = (steps: readonly number[]): number[] => {
    let sum = 0;
    return steps.map((step) => {
      sum += step;
      return sum;
    });
  };
  const available = { buy: sums(arriving.buy), sell: sums(arriving.sell) };
  const forced = { buy: sums(falling.buy), sell: sums(falling.sell) };
  return {
    lower_W: forced.buy.map((power, k) => power - available.sell[k]!),
    upper_W: available.buy.map((power, k) => power - forced.sell[k]!),
  };
}
