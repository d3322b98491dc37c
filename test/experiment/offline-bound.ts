/**
 * The offline bound: the least PF with perfect foresight and divisible orders, which no causal rule can reach that
 * exceeds the capacity by as little. A convex quadratic program over what has been bought and sold by each round,
 * solved by HiGHS. Some days are over capacity whatever one does, so the capacity is soft: the excess has a price that
 * is high enough for it to be least first, as it is for the plan, and only then PF. So every day has a bound.
 */
import highsModule from 'highs';
import type { Scenario } from '../../firmware/simulate/scenario.ts';

const highs = await (highsModule as unknown as typeof import('highs').default)();

/** Of a kW over capacity in one round, (kW)^2 of slopes: a tenth of it, or ten times, makes no difference to what is found. */
const PRICE_OF_EXCESS = 1e5;
const TIME_LIMIT_s = 300;

/** Theta of the optimum, W by round. Throws Error when HiGHS does not call it optimal. */
export function offlineTheta_W(scenario: Scenario): number[] {
  const { rounds, load_w, max_wait_rounds: wait, capacity_w, discharging_efficiency_ppm } = scenario;
  const arrived = { buy: new Array<number>(rounds).fill(0), sell: new Array<number>(rounds).fill(0) };
  for (const { round, side, power_w } of scenario.orders)
    arrived[side][round]! += (side === 'buy' ? power_w : (power_w * discharging_efficiency_ppm) / 1e6) / 1000;
  const total = (side: 'buy' | 'sell', until: number): number =>
    until < 0 ? 0 : arrived[side].slice(0, until + 1).reduce((sum, power) => sum + power, 0);
  // b, s: bought and sold by round k, kW added up; t: Theta; e: over capacity; l: slope less the mean slope m.
  const rows: string[] = [];
  const bounds: string[] = [];
  for (let k = 0; k < rounds; k++) {
    for (const [name, side] of [
      ['b', 'buy'],
      ['s', 'sell'],
    ] as const) {
      const least = k === rounds - 1 ? total(side, k) : total(side, k - wait);
      bounds.push(`${least.toFixed(6)} <= ${name}${k} <= ${total(side, k).toFixed(6)}`);
      if (k > 0) rows.push(`${name}${k} - ${name}${k - 1} >= 0`);
    }
    const before = k > 0 ? ` + b${k - 1} - s${k - 1}` : '';
    rows.push(`t${k} - b${k} + s${k}${before} = ${(load_w[k]! / 1000).toFixed(6)}`);
    rows.push(`t${k} - e${k} <= ${(capacity_w / 1000).toFixed(6)}`);
    bounds.push(`t${k} free`);
    if (k > 0) {
      rows.push(`t${k} - t${k - 1} - m - l${k} = 0`);
      bounds.push(`l${k} free`);
    }
  }
  bounds.push('m free');
  const excess = load_w.map((_, k) => `${PRICE_OF_EXCESS} e${k}`).join(' + ');
  const squares = Array.from({ length: rounds - 1 }, (_, i) => `2 l${i + 1} ^2`).join(' + ');
  const model = `Minimize\n obj: ${excess} + [ ${squares} ] / 2\nSubject To\n ${rows.join('\n ')}\nBounds\n ${bounds.join('\n ')}\nEnd`;
  const solution = highs.solve(model, { time_limit: TIME_LIMIT_s });
  if (solution.Status !== 'Optimal') throw new Error(`${scenario.name}: HiGHS finds no bound: ${solution.Status}`);
  return load_w.map((_, k) => 1000 * (solution.Columns[`t${k}`] as { Primal: number }).Primal);
}
