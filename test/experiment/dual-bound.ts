/**
 * A bound that no causal rule can pass on average, on days of a known distribution (information relaxation: Brown, Smith
 * and Sun 2010). Who sees the whole day in advance plays it, orders divisible and without a capacity, but pays for each
 * round's surprise what it is worth: the change of the program's cost to go, made linear in his decisions around those
 * of the program. What is linear in decisions that do not know the surprise has mean 0, whatever the program is worth;
 * so no causal rule pays on average, and none has a smaller mean sum of squared slopes than he. A good program only
 * makes the bound tight.
 */
import { PPM } from '../../firmware/protocol/benefit/instance.ts';
import type { Scenario } from '../../firmware/simulate/scenario.ts';
import { pathProgram } from '../../firmware/solver/path.ts';
import { minimise } from '../../firmware/solver/quadratic.ts';
import { asHistory } from './drawn-day.ts';
import { type Arrivals, type Distribution, distributionOf, mean, type Program } from './dynamic-program.ts';

/** Sum of squared slopes less that of the mean slope: PF times its 47 slopes, kW^2 a round. */
export function squares_kW2(theta: readonly number[]): number {
  const slopes = theta.slice(1).map((power, k) => power - theta[k]!);
  return slopes.reduce((sum, slope) => sum + slope ** 2, 0) - (theta.at(-1)! - theta[0]!) ** 2 / slopes.length;
}

export interface Bounded {
  /** Of the program, with divisible orders and the day's load known. */
  readonly program: number;
  /** The same less the surprises' worth, which has mean 0: the mean comes out of fewer days. */
  readonly programSteady: number;
  /** Of who sees the day and pays. */
  readonly bound: number;
  /** The last slope of the program, squared. */
  readonly last: number;
}

/** Scale of the quadratic program, as in path.ts, kW. */
const SCALE = 10;
const NONE: Arrivals = { buy: 0, sell: 0 };

/** What the program makes of a day with divisible orders, kW: the site's power by round, and what waits after it. */
export function programDay(
  program: Program,
  load: readonly number[],
  arrived: readonly Arrivals[],
): Record<'theta' | 'left', number[]> {
  const theta: number[] = [];
  const left: number[] = [];
  for (const [t, { buy, sell }] of arrived.entries()) {
    const before = arrived[t - 1] ?? NONE;
    const all = (left.at(-1) ?? 0) + buy - sell;
    const low = -(sell + before.sell);
    left.push(program.best(t, load[t]!, all, theta.at(-1), arrived[t]!, low, buy + before.buy));
    theta.push(load[t]! + all - left[t]!);
  }
  return { theta, left };
}

/** `program` is one without limits. */
export function dualBound(program: Program, { draws }: Distribution, day: Scenario): Bounded {
  const { rounds, discharging_efficiency_ppm } = day;
  const history = asHistory(day);
  const arrived = distributionOf([history], discharging_efficiency_ppm).draws.map(([only]) => only!);
  const load = day.load_w.map((power) => power / 1000);
  const { theta, left } = programDay(program, load, arrived);
  // What is paid after round t for the surprise of round t + 1: worth + byWaiting * (left - left of the program) + ..
  const dues = arrived.slice(1).map((next, t) => {
    const worth = (draw: Arrivals) => {
      const cost = program.costToGo(t + 1, load[t + 1]!, left[t]!, theta[t]!, arrived[t]!, draw);
      if (t + 2 < rounds) return cost;
      const rise = theta[t]! + cost.byWaiting / 2 - theta[0]!; // the mean slope of the day is no fluctuation
      return {
        ...cost,
        value: cost.value - rise ** 2 / (rounds - 1),
        byWaiting: cost.byWaiting - (2 * rise) / (rounds - 1),
      };
    };
    const real = worth(next);
    const possible = draws[t + 1]!.map(worth);
    return {
      value: real.value - mean(possible.map(({ value }) => value)),
      byWaiting: real.byWaiting - mean(possible.map(({ byWaiting }) => byWaiting)),
      byTheta: real.byTheta - mean(possible.map(({ byTheta }) => byTheta)),
    };
  });
  const { Q, c, u, bounds } = pathProgram({
    round: 0,
    roundTime_s: day.round_time_s,
    slotsPerDay: rounds,
    theta_W: [],
    loadBetween_W: { least_W: 0, most_W: 0 },
    load_W: day.load_w,
    buyForecast_W: history.buy_w,
    sellForecast_W: history.sell_w,
    surprise: load.map(() => 0),
    maxWait_rounds: day.max_wait_rounds,
    closes: true,
    chargingEfficiency_ppm: PPM,
    dischargingEfficiency_ppm: discharging_efficiency_ppm,
    limits: {
      capacity_W: Number.MAX_SAFE_INTEGER,
      exportLimit_W: Number.MAX_SAFE_INTEGER,
      margin_W: 0,
      safeShares_W: [],
      lostParts: 0,
      connectors: [],
    },
    pending: (['buy', 'sell'] as const).map((side, node) => ({
      id: side,
      node,
      side,
      power_W: history[`${side}_w`][0]!,
      remainingWait_rounds: day.max_wait_rounds,
      curtailed_rounds: 0,
      divisible: true,
      minimum_W: 0,
    })),
    directions: [],
  });
  const weight = 1 / Math.sqrt(rounds - 1);
  u[rounds - 1] = weight;
  u[rounds - 2] = -weight;
  u[0]! -= weight;
  for (let k = 0; k < rounds; k++) c[k]! -= u[k]! * weight * ((load.at(-1)! - load[0]!) / SCALE);
  for (const [t, { byWaiting, byTheta }] of dues.entries()) {
    c[t]! += (byWaiting - byTheta) / (2 * SCALE);
    if (t > 0) c[t - 1]! += byTheta / (2 * SCALE);
  }
  const run = minimise({ Q, c, u, bounds });
  const seen = load.map((power, t) => power + SCALE * (run[t]! - (run[t - 1] ?? 0)));
  let came = 0;
  const seenLeft = arrived.map(({ buy, sell }, t) => {
    came += buy - sell;
    return came - SCALE * run[t]!;
  });
  const paid = dues.reduce(
    (sum, { value, byWaiting, byTheta }, t) =>
      sum + value + byWaiting * (seenLeft[t]! - left[t]!) + byTheta * (seen[t]! - theta[t]!),
    0,
  );
  return {
    program: squares_kW2(theta),
    programSteady: squares_kW2(theta) - dues.reduce((sum, { value }) => sum + value, 0),
    bound: squares_kW2(seen) - paid,
    last: (theta.at(-1)! - theta.at(-2)!) ** 2,
  };
}
