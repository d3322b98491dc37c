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

/** One series: values by round; rounds may be missing (terminated rounds, an outage). */
export type Series = Pick<ReadonlyMap<number, number>, 'get'>;

/** A series of the rounds from `first` on, so many: eight days are asked for over and over, and a list costs no hashing. */
export class Timeline implements Series {
  private readonly first: number;
  private readonly values: (number | undefined)[];
  constructor(first: number, rounds: number) {
    this.first = first;
    this.values = new Array<number | undefined>(rounds).fill(undefined);
  }
  get(round: number): number | undefined {
    return round < this.first ? undefined : this.values[round - this.first];
  }
  set(round: number, value: number): void {
    this.values[round - this.first] = value;
  }
}

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
  /** What an unknown series is worth: its last value (a load persists, and with the sun it feeds in) or nothing (orders, never below). */
  readonly unknown: 'persists' | 'zero';
}

const slotOf = (round: number, slots: number): number => round - floorDiv(round, slots) * slots;

/** The rounds of the window of days before `known`, oldest first, each with its slot of the day. */
function eachRound(f: SeriesForecast, visit: (round: number, slot: number) => void): void {
  const first = f.known - FORECAST_DAYS * f.slotsPerDay;
  let slot = slotOf(first, f.slotsPerDay);
  for (let round = first; round < f.known; round++) {
    visit(round, slot);
    slot = slot + 1 === f.slotsPerDay ? 0 : slot + 1;
  }
}

/** Sum and count by slot of the day. */
function daily(series: Series, f: SeriesForecast): { readonly sum: number[]; readonly count: number[] } {
  const sum = new Array<number>(f.slotsPerDay).fill(0);
  const count = new Array<number>(f.slotsPerDay).fill(0);
  eachRound(f, (round, slot) => {
    const value = series.get(round);
    if (value === undefined) return;
    sum[slot]! += value;
    count[slot]! += 1;
  });
  return { sum, count };
}

/**
 * A triangular window around each place of a ring: the values d places away, times reach - d, added up. One place on,
 * each of the next `reach` values counts once more, and each of the last `reach`, this one's included, once less.
 */
function windowed(ring: readonly number[], reach: number): number[] {
  const at = (place: number): number => ring[slotOf(place, ring.length)]!;
  let [total, last, next] = [0, 0, 0];
  for (let d = 0; d < reach; d++) {
    total += (reach - d) * (d === 0 ? at(0) : at(d) + at(-d));
    last += at(-d);
    next += at(d + 1);
  }
  return ring.map((_, place) => {
    const here = total;
    total += next - last;
    last += at(place + 1) - at(place + 1 - reach);
    next += at(place + 1 + reach) - at(place + 1);
    return here;
  });
}

/** Mean by slot, smoothed by a triangular window; undefined where history knows nothing. */
export function profile(series: Series, f: SeriesForecast): (number | undefined)[] {
  const { sum, count } = daily(series, f);
  const reach = Math.max(1, floorDiv(f.reach_s, f.roundTime_s));
  const weights = windowed(count, reach);
  return windowed(sum, reach).map((total, slot) => (weights[slot]! > 0 ? floorDiv(total, weights[slot]!) : undefined));
}

/** A sum of products, in numbers for as long as they are exact. */
class ExactSum {
  private whole = 0n;
  private part = 0;
  add(a: number, b: number): void {
    const product = a * b;
    if (!Number.isSafeInteger(product)) this.whole += BigInt(a) * BigInt(b);
    else if (Number.isSafeInteger(this.part + product)) this.part += product;
    else {
      this.whole += BigInt(this.part);
      this.part = product;
    }
  }
  get total(): bigint {
    return this.whole + BigInt(this.part);
  }
}

/** rho, ppm in 0..1,000,000: autocorrelation at one round of the deviations from `mean`; 1 where nothing is known. */
export function persistence_ppm(series: Series, mean: readonly (number | undefined)[], f: SeriesForecast): number {
  const ofSquares = new ExactSum();
  const ofProducts = new ExactSum();
  let before: number | undefined;
  eachRound(f, (round, slot) => {
    const value = series.get(round);
    const usual = mean[slot];
    const deviation = value === undefined || usual === undefined ? undefined : value - usual;
    if (deviation !== undefined && before !== undefined) {
      ofSquares.add(before, before);
      ofProducts.add(before, deviation);
    }
    before = deviation;
  });
  const [squares, products] = [ofSquares.total, ofProducts.total];
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
  const window = FORECAST_DAYS * f.slotsPerDay;
  const squares = new Timeline(f.known - window, window);
  let before = 0;
  eachRound(f, (round, slot) => {
    const value = series.get(round);
    const usual = mean[slot];
    if (value === undefined || usual === undefined) {
      before = 0;
      return;
    }
    const deviation = value - usual;
    squares.set(round, floorDiv(deviation - mulDiv(before, rho, PPM), SURPRISE_UNIT_W) ** 2);
    before = deviation;
  });
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

/**
 * Forecast of one series for `round` .. `round + rounds - 1`. A deviation is taken from what it is added to, the mean of the past or
 * the prior: how far these two lie apart says nothing of the present.
 */
export function forecastSeries(series: Series, f: SeriesForecast, level_ppm = PPM): number[] {
  const mean = profile(series, f).map((value) => (value === undefined ? value : mulDiv(value, level_ppm, PPM)));
  const last = series.get(f.known);
  const rho = persistence_ppm(series, mean, f);
  const along = (usual: readonly (number | undefined)[]): (number | undefined)[] => {
    const before = usual[slotOf(f.known, f.slotsPerDay)];
    let deviation = last === undefined || before === undefined ? 0 : last - before;
    for (let k = f.known; k < f.round; k++) deviation = mulDiv(deviation, rho, PPM);
    return Array.from({ length: f.rounds }, (_, k) => {
      const m = usual[slotOf(f.round + k, f.slotsPerDay)];
      const value = m === undefined ? m : m + deviation;
      deviation = mulDiv(deviation, rho, PPM);
      return value;
    });
  };
  const given = along(f.prior ?? []);
  return along(mean).map((value, k) =>
    f.unknown === 'persists' ? (value ?? given[k] ?? last ?? 0) : Math.max(0, value ?? 0),
  );
}
