/**
 * The offline bound: the least PF with perfect foresight and divisible orders, which no causal rule can reach.
 * A convex quadratic program over what has been bought and sold by each round, solved by HiGHS.
 */
import highsModule from 'highs';
import type { Scenario } from '../../firmware/simulate/scenario.ts';

const highs = await (highsModule as unknown as typeof import('highs').default)();

/** Theta of the optimum, W by round, or null when HiGHS does not solve it in time. */
export function offlineTheta_W(scenario: Scenario): number[] | null {
  const { rounds, load_w, max_wait_rounds: wait, capacity_w, discharging_efficiency_ppm } = scenario;
  const arrived = { buy: new Array<number>(rounds).fill(0), sell: new Array<number>(rounds).fill(0) };
  for (const { round, side, power_w } of scenario.orders)
    arrived[side][round]! += (side === 'buy' ? power_w : (power_w * discharging_efficiency_ppm) / 1e6) / 1000;
  const total = (side: 'buy' | 'sell', until: number): number =>
    until < 0 ? 0 : arrived[side].slice(0, until + 1).reduce((sum, power) => sum + power, 0);
  // b, s: bought and sold by round k, kW added up; t: Theta; l: slope less the mean slope m.
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
    bounds.push(`-inf <= t${k} <= ${k === rounds - 1 ? '+inf' : (capacity_w / 1000).toFixed(6)}`);
    if (k > 0) {
      rows.push(`t${k} - t${k - 1} - m - l${k} = 0`);
      bounds.push(`l${k} free`);
    }
  }
  bounds.push('m free');
  const squares = Array.from({ length: rounds - 1 }, (_, i) => `2 l${i + 1} ^2`).join(' + ');
  const model = `Minimize\n obj: [ ${squares} ] / 2\nSubject To\n ${rows.join('\n ')}\nBounds\n ${bounds.join('\n ')}\nEnd`;
  const solution = highs.solve(model, { time_limit: 20 });
  if (solution.Status !== 'Optimal') return null;
  return load_w.map((_, k) => 1000 * (solution.Columns[`t${k}`] as { Primal: number }).Primal);
}
