/**
 * The forecast: a pure integer function of the chain's history, hence equal at every node (protocol README).
 *
 * Each series (household load, ordered buy and sell power) is its mean over the last days in the same slot of the
 * day, smoothed over neighbouring slots, plus its latest deviation from that mean, which fades by the factor rho
 * each round: x^(t+k) = m(t+k) + rho^k (x(t) - m(t)). rho is the autocorrelation of past deviations, measured, so
 * half-hour orders (rho near 0) follow the mean and five-minute ones (rho near 0.85) the present.
 * Against the plain persistence correction (rho = 1) this halves the squared error of half-hour orders
 * (solver/README.md has the figures).
 */
import { floorDiv, mulDiv, PPM } from './instance.ts';

/** Days of history that count. */
export const FORECAST_DAYS = 7;
/** Reach of the triangular smoothing, seconds: a slot this far away has weight 0. */
export const LOAD_REACH_s = 1800;
export const ORDER_REACH_s = 3600;

/** One series: values by round, oldest first; rounds may be missing (terminated rounds, an outage). */
export type Series = ReadonlyMap<number, number>;

export interface SeriesForecast {
  /** Last known round of the series; its value is what the deviation is taken from. */
  readonly known: number;
  readonly round: number;
  readonly rounds: number;
  readonly slotsPerDay: number;
  readonly roundTime_s: number;
  readonly reach_s: number;
  /** Stands in, by slot, where the chain has no day yet. */
  readonly prior?: readonly number[] | undefined;
  /** What an unknown series is worth: its last value (a load persists) or nothing (orders do not). */
  readonly unknown: 'persists' | 'zero';
}

const slotOf = (round: number, slots: number): number => round - floorDiv(round, slots) * slots;

/** Sum and count by slot of the day, over the window of days before `known` + 1. */
function daily(series: Series, f: SeriesForecast): { readonly sum: number[]; readonly count: number[] } {
  const sum = new Array<number>(f.slotsPerDay).fill(0);
  const count = new Array<number>(f.slotsPerDay).fill(0);
  for (let round = f.known - FORECAST_DAYS * f.slotsPerDay; round < f.known; round++) {
    const value = series.get(round);
    if (value === undefined) continue;
    const slot = slotOf(round, f.slotsPerDay);
    sum[slot]! += value;
    count[slot]! += 1;
  }
  return { sum, count };
}

/** Mean by slot, smoothed by a triangular window; undefined where neither history nor prior knows anything. */
export function profile(series: Series, f: SeriesForecast): (number | undefined)[] {
  const { sum, count } = daily(series, f);
  const reach = Math.max(1, floorDiv(f.reach_s, f.roundTime_s));
  return sum.map((_, slot) => {
    let total = 0;
    let weights = 0;
    for (let d = 1 - reach; d < reach; d++) {
      const s = slotOf(slot + d, f.slotsPerDay);
      const weight = reach - Math.abs(d);
      total += weight * sum[s]!;
      weights += weight * count[s]!;
    }
    return weights > 0 ? floorDiv(total, weights) : f.prior?.[slot];
  });
}

/** rho, ppm in 0..1,000,000: autocorrelation at one round of the deviations from `mean`; 1 where nothing is known. */
export function persistence_ppm(series: Series, mean: readonly (number | undefined)[], f: SeriesForecast): number {
  let squares = 0n;
  let products = 0n;
  let before: number | undefined;
  for (let round = f.known - FORECAST_DAYS * f.slotsPerDay; round < f.known; round++) {
    const value = series.get(round);
    const usual = mean[slotOf(round, f.slotsPerDay)];
    const deviation = value === undefined || usual === undefined ? undefined : value - usual;
    if (deviation !== undefined && before !== undefined) {
      squares += BigInt(before) * BigInt(before);
      products += BigInt(before) * BigInt(deviation);
    }
    before = deviation;
  }
  if (squares === 0n) return PPM;
  if (products <= 0n) return 0;
  return products >= squares ? PPM : Number((products * BigInt(PPM)) / squares);
}

/** Squares are kept in units of (100 W)^2, so that their sums stay exact. */
export const SURPRISE_UNIT_W = 100;

/**
 * How far a round usually lies from the forecast made just before it: by slot, the mean square of past one-round
 * errors, (100 W)^2, over the same days and neighbouring slots as the profile. 0 where nothing is known.
 */
export function surprise(series: Series, f: SeriesForecast): number[] {
  const mean = profile(series, f);
  const rho = persistence_ppm(series, mean, f);
  const squares = new Map<number, number>();
  let before = 0;
  for (let round = f.known - FORECAST_DAYS * f.slotsPerDay; round < f.known; round++) {
    const value = series.get(round);
    const usual = mean[slotOf(round, f.slotsPerDay)];
    if (value === undefined || usual === undefined) {
      before = 0;
      continue;
    }
    const deviation = value - usual;
    squares.set(round, floorDiv(deviation - mulDiv(before, rho, PPM), SURPRISE_UNIT_W) ** 2);
    before = deviation;
  }
  return profile(squares, f).map((value) => value ?? 0);
}

/** Prior weight of the level, seconds of mean power: so much of a day has to pass before the day's own level counts half. */
export const LEVEL_PRIOR_s = 14_400;

/**
 * How busy this day is: orders since midnight against what the profile expects, ppm. A day's level is common to
 * all its rounds, and to buys and sells.
 */
export function dayLevel_ppm(series: Series, mean: readonly (number | undefined)[], f: SeriesForecast): number {
  const total = mean.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const prior = floorDiv(total * LEVEL_PRIOR_s, 86_400);
  let actual = prior;
  let usual = prior;
  for (let round = f.known - slotOf(f.known, f.slotsPerDay); round <= f.known; round++) {
    const value = series.get(round);
    const expected = mean[slotOf(round, f.slotsPerDay)];
    if (value === undefined || expected === undefined) continue;
    actual += value;
    usual += expected;
  }
  return usual > 0 ? mulDiv(actual, PPM, usual) : PPM;
}

/** Forecast of one series for `round` .. `round + rounds - 1`, never below zero. */
export function forecastSeries(series: Series, f: SeriesForecast, level_ppm = PPM): number[] {
  const mean = profile(series, f).map((value) => (value === undefined ? value : mulDiv(value, level_ppm, PPM)));
  const last = series.get(f.known);
  const usual = mean[slotOf(f.known, f.slotsPerDay)];
  const rho = persistence_ppm(series, mean, f);
  let deviation = last === undefined || usual === undefined ? 0 : last - usual;
  for (let k = f.known; k < f.round; k++) deviation = mulDiv(deviation, rho, PPM);
  const missing = f.unknown === 'persists' ? (last ?? 0) : 0;
  return Array.from({ length: f.rounds }, (_, k) => {
    const m = mean[slotOf(f.round + k, f.slotsPerDay)];
    const value = m === undefined ? missing : Math.max(0, m + deviation);
    deviation = mulDiv(deviation, rho, PPM);
    return value;
  });
}
