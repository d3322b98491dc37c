/**
 * The best rule for days whose rounds are independent and whose distribution is known: a stochastic dynamic program.
 * Its state is what waits (net, kW), the last Theta, and what arrived in the last round, which bounds what may still
 * wait after the next. Orders are divisible in it, and it minimises the mean sum of squared slopes. Where the site has
 * limits, a round goes over one only when no decision within them is left, and then by as little as can be.
 */
import type { Day } from './drawn-day.ts';

/** The orders of one slot, kW at the site. */
export interface Arrivals {
  readonly buy: number;
  readonly sell: number;
}

/** What is known of a kind of days: by slot, the usual load, kW, and the orders, each draw as likely. */
export interface Distribution {
  readonly load: readonly number[];
  readonly draws: readonly (readonly Arrivals[])[];
}

/** Between what powers a round's decision has to keep the site, kW. */
export interface Limits {
  readonly least: number;
  readonly most: number;
}

/** Cost to go once a round's orders are known, and how it changes with what waited and with the last Theta. */
export interface CostToGo {
  readonly value: number;
  readonly byWaiting: number;
  readonly byTheta: number;
}

export interface Program {
  /** The backlog, low..high, that is best left by round t of this load, when `all` waits and `arrived` is new of it. */
  readonly best: (
    t: number,
    load: number,
    all: number,
    last: number | undefined,
    arrived: Arrivals,
    low: number,
    high: number,
  ) => number;
  /**
   * Of a program without limits: from round t on, when `waiting` was left over and `before` and `arrived` came in the last
   * round and this one.
   */
  readonly costToGo: (
    t: number,
    load: number,
    waiting: number,
    last: number,
    before: Arrivals,
    arrived: Arrivals,
  ) => CostToGo;
}

const WAITING_STEPS = 101;
const THETA_STEPS = 81;
const ARRIVED_STEPS = 7;
/** Backlogs that are tried for the tables; a parabola lies between them. */
const CANDIDATES = 33;
/** Steps of the search for the best backlog of a round; the cost is convex in it. */
const SEARCH_STEPS = 16;
const GOLDEN = 0.381966;

export const NO_LIMITS: Limits = { least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

export function distributionOf(days: readonly Day[], efficiency_ppm: number): Distribution {
  const slots = days[0]!.load_w.map((_, t) => t);
  return {
    load: slots.map((t) => mean(days.map(({ load_w }) => load_w[t]! / 1000))),
    draws: slots.map((t) =>
      days.map(({ buy_w, sell_w }) => ({ buy: buy_w[t]! / 1000, sell: (sell_w[t]! * efficiency_ppm) / 1e9 })),
    ),
  };
}

/** The least of a convex function. */
function least(cost: (x: number) => number, low: number, high: number): { readonly x: number; readonly cost: number } {
  if (high <= low) return { x: (low + high) / 2, cost: cost((low + high) / 2) };
  let [a, b] = [low, high];
  const at = (x: number) => ({ x, cost: cost(x) });
  let left = at(a + GOLDEN * (b - a));
  let right = at(b - GOLDEN * (b - a));
  for (let step = 0; step < SEARCH_STEPS; step++)
    if (left.cost < right.cost) {
      b = right.x;
      right = left;
      left = at(a + GOLDEN * (b - a));
    } else {
      a = left.x;
      left = right;
      right = at(b - GOLDEN * (b - a));
    }
  return left.cost < right.cost ? left : right;
}

/** Catmull and Rom's curve from b to c, 0 <= x <= 1. */
const cubic = (a: number, b: number, c: number, d: number, x: number): number =>
  b + 0.5 * x * (c - a + x * (2 * a - 5 * b + 4 * c - d + x * (3 * (b - c) + d - a)));

interface Axis {
  readonly low: number;
  readonly step: number;
}

const axis = (low: number, high: number, steps: number): Axis => ({
  low,
  step: Math.max(1e-6, (high - low) / (steps - 1)),
});
const around = (values: readonly number[]): Axis => axis(Math.min(...values), Math.max(...values), ARRIVED_STEPS);
const between = (x: number, low: number, high: number): number => Math.max(low, Math.min(high, x));
const cell = (at: number, steps: number): number => between(Math.floor(at), 0, steps - 2);

export function dynamicProgram({ load, draws }: Distribution, limits = NO_LIMITS): Program {
  const rounds = load.length;
  /** Of the backlogs low..high those that keep the site within its limits, else the nearest; with none it draws `power`. */
  const kept = (power: number, low: number, high: number): readonly [number, number] => [
    between(power - limits.most, low, high),
    between(power - limits.least, low, high),
  ];
  const usual = draws.map((list) => ({
    buy: mean(list.map(({ buy }) => buy)),
    sell: mean(list.map(({ sell }) => sell)),
  }));
  const most = 36 + 1.3 * Math.max(...usual.map(({ buy, sell }) => buy + sell));
  const peak = 30 + 1.25 * Math.max(...load.map((power, t) => power + usual[t]!.buy - usual[t]!.sell));
  const waitingAxis = axis(-most, most, WAITING_STEPS);
  const thetaAxis = axis(-0.25 * peak, peak, THETA_STEPS);
  const arrivedAxes = draws.map((list) => ({
    buy: around(list.map(({ buy }) => buy)),
    sell: around(list.map(({ sell }) => sell)),
  }));
  /** Cost to go from round t on, by what arrived in the round before (buy, then sell): over what waits and the last Theta. */
  const tables = new Array<Float64Array[]>(rounds);

  /** Between the grid's points: cubic inside, linear at the rim and beyond it. */
  const read = (values: Float64Array, waiting: number, theta: number): number => {
    const w = (waiting - waitingAxis.low) / waitingAxis.step;
    const h = (theta - thetaAxis.low) / thetaAxis.step;
    const i = cell(w, WAITING_STEPS);
    const j = cell(h, THETA_STEPS);
    const k = i * THETA_STEPS + j;
    const x = w - i;
    const y = h - j;
    if (i > 0 && i < WAITING_STEPS - 2 && j > 0 && j < THETA_STEPS - 2) {
      const row = (at: number): number => cubic(values[at - 1]!, values[at]!, values[at + 1]!, values[at + 2]!, y);
      return cubic(row(k - THETA_STEPS), row(k), row(k + THETA_STEPS), row(k + 2 * THETA_STEPS), x);
    }
    const row = (at: number): number => values[at]! + y * (values[at + 1]! - values[at]!);
    return row(k) + x * (row(k + THETA_STEPS) - row(k));
  };
  /** The four tables around `before` and their weights. */
  const corners = (t: number, before: Arrivals) => {
    const { buy, sell } = arrivedAxes[t - 1]!;
    const within = (power: number, { low, step }: Axis): number => between((power - low) / step, 0, ARRIVED_STEPS - 1); // a day may bring what no draw has
    const b = within(before.buy, buy);
    const s = within(before.sell, sell);
    const i = cell(b, ARRIVED_STEPS);
    const j = cell(s, ARRIVED_STEPS);
    return [0, 1].flatMap((x) =>
      [0, 1].map((y) => ({
        values: tables[t]![(i + x) * ARRIVED_STEPS + j + y]!,
        weight: (x === 1 ? b - i : 1 - b + i) * (y === 1 ? s - j : 1 - s + j),
      })),
    );
  };
  const tableOf = (t: number, before: Arrivals): Float64Array => {
    const four = corners(t, before);
    return four[0]!.values.map((_, k) => four.reduce((sum, { values, weight }) => sum + weight * values[k]!, 0));
  };
  const reader = (t: number, before: Arrivals): ((waiting: number, theta: number) => number) => {
    const four = corners(t, before);
    return (waiting, theta) => four.reduce((sum, { values, weight }) => sum + weight * read(values, waiting, theta), 0);
  };

  const onward = new Float64Array(CANDIDATES);
  const next = new Float64Array(CANDIDATES);
  /** Adds to a row of a table, for each last Theta, the least cost when `all` waits and low..high may be left over. */
  const addLeast = (
    row: Float64Array,
    weight: number,
    now: number,
    all: number,
    lowest: number,
    highest: number,
    values: Float64Array,
  ): void => {
    const [low, high] = kept(now + all, lowest, highest);
    for (let n = 0; n < CANDIDATES; n++) {
      const left = high + ((low - high) * n) / (CANDIDATES - 1);
      next[n] = now + all - left;
      onward[n] = read(values, left, next[n]!);
    }
    const cost = (n: number, theta: number): number => (next[n]! - theta) ** 2 + onward[n]!;
    let n = 1; // the best next Theta rises with the last one
    for (let j = 0; j < THETA_STEPS; j++) {
      const theta = thetaAxis.low + j * thetaAxis.step;
      while (n < CANDIDATES - 2 && cost(n + 1, theta) < cost(n, theta)) n++;
      const [before, here, after] = [cost(n - 1, theta), cost(n, theta), cost(n + 1, theta)];
      const bend = before - 2 * here + after;
      const x = bend > 0 ? Math.max(-1, Math.min(1, (before - after) / (2 * bend))) : before < after ? -1 : 1;
      row[j]! += weight * (here + (x * (after - before)) / 2 + (x * x * bend) / 2);
    }
  };
  for (let t = rounds - 1; t > 0; t--) {
    const later = t + 1 < rounds ? draws[t]!.map((draw) => tableOf(t + 1, draw)) : [];
    const weight = 1 / draws[t]!.length;
    const { buy: b, sell: s } = arrivedAxes[t - 1]!;
    tables[t] = Array.from({ length: ARRIVED_STEPS ** 2 }, (_, at) => {
      const values = new Float64Array(WAITING_STEPS * THETA_STEPS);
      const low = -(s.low + (at % ARRIVED_STEPS) * s.step);
      const high = b.low + Math.floor(at / ARRIVED_STEPS) * b.step;
      for (let i = 0; i < WAITING_STEPS; i++) {
        const row = values.subarray(i * THETA_STEPS, (i + 1) * THETA_STEPS);
        for (const [n, { buy, sell }] of draws[t]!.entries()) {
          const all = waitingAxis.low + i * waitingAxis.step + buy - sell;
          if (t < rounds - 1) addLeast(row, weight, load[t]!, all, low - sell, high + buy, later[n]!);
          else
            for (let j = 0; j < THETA_STEPS; j++)
              row[j]! += weight * (load[t]! + all - thetaAxis.low - j * thetaAxis.step) ** 2;
        }
      }
      return values;
    });
  }

  return {
    best: (t, now, all, last, arrived, low, high) => {
      if (t === rounds - 1) return 0;
      const later = reader(t + 1, arrived);
      const cost = (left: number): number => {
        const theta = now + all - left;
        return (last === undefined ? 0 : (theta - last) ** 2) + later(left, theta);
      };
      return least(cost, ...kept(now + all, low, high)).x;
    },
    costToGo: (t, now, waiting, last, before, arrived) => {
      const all = waiting + arrived.buy - arrived.sell;
      if (t === rounds - 1) {
        const slope = now + all - last;
        return { value: slope ** 2, byWaiting: 2 * slope, byTheta: -2 * slope };
      }
      const later = reader(t + 1, arrived);
      const cost = (left: number): number => {
        const theta = now + all - left;
        return (theta - last) ** 2 + later(left, theta);
      };
      const { x, cost: value } = least(cost, -(arrived.sell + before.sell), arrived.buy + before.buy);
      const theta = now + all - x;
      const slope = theta - last;
      const step = thetaAxis.step / 4;
      const rise = (later(x, theta + step) - later(x, theta - step)) / (2 * step);
      return { value, byWaiting: 2 * slope + rise, byTheta: -2 * slope };
    },
  };
}
