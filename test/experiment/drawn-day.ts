/**
 * Days drawn from the days of scenario files: each slot's orders are those of one of the days, so that what a rule is
 * tuned on is not what it is judged by. Rounds are independent then, as half-hour ones are (solver/README.md).
 */
import type { Scenario } from '../../firmware/simulate/scenario.ts';
import { seeded } from '../unit/random-instance.ts';

export type Day = Scenario['history'][number];

/** The days of some scenarios: their own and those of their histories. */
export const daysOf = (scenarios: readonly Scenario[]): Day[] =>
  scenarios.flatMap((scenario) => [asHistory(scenario), ...scenario.history]);

/** The power of a day's orders by slot, as a day of history. */
export function asHistory({ load_w, rounds, orders }: Pick<Scenario, 'load_w' | 'rounds' | 'orders'>): Day {
  const day = { load_w, buy_w: new Array<number>(rounds).fill(0), sell_w: new Array<number>(rounds).fill(0) };
  for (const { round, side, power_w } of orders) day[side === 'buy' ? 'buy_w' : 'sell_w'][round]! += power_w;
  return day;
}

/** A day with every slot drawn from `days`; its sums are cut into orders of sizes found in `like`. */
export function drawnDay(days: readonly Day[], like: Scenario, seed: number): Scenario {
  const random = seeded(seed);
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const draw = (): Day => {
    const day = { load_w: one(days).load_w, buy_w: [] as number[], sell_w: [] as number[] };
    for (let t = 0; t < like.rounds; t++) {
      const source = one(days);
      day.buy_w.push(source.buy_w[t]!);
      day.sell_w.push(source.sell_w[t]!);
    }
    return day;
  };
  const today = draw();
  const orders: Scenario['orders'] = [];
  for (const [key, side] of [
    ['buy_w', 'buy'],
    ['sell_w', 'sell'],
  ] as const)
    for (const [round, sum_W] of today[key].entries())
      for (let left = sum_W; left > 0; left -= orders.at(-1)!.power_w)
        orders.push({ id: `${orders.length}`, round, side, power_w: Math.min(left, one(like.orders).power_w) });
  return { ...like, load_w: today.load_w, history: Array.from({ length: 7 }, draw), orders };
}
