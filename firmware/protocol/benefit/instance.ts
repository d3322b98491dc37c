/**
 * The problem that a SEAL fixes and the plan that answers it (protocol README, benefit). Plain data: every node
 * builds the same instance from the chain. Powers are whole watts averaged over a round; import is positive.
 */
export type Side = 'buy' | 'sell';

/** An order that has not been served. The list of an instance stands in the order of H(seed || id): the tie rule. */
export interface PendingOrder {
  readonly id: string;
  /** Index of the charge point in the neighbourhood. */
  readonly node: number;
  readonly side: Side;
  /** AC power at the connector for one whole round; a sell order counts battery side (o = floor(efficiency * d)). */
  readonly power_W: number;
  /** Committed rounds that it may still wait; 0 = must run now. */
  readonly remainingWait_rounds: number;
  /** Rounds for which safety has held it back beyond its wait; the most often curtailed are served first. */
  readonly curtailed_rounds: number;
  /** May be served in parts. Otherwise all or nothing, as the paper's switch. */
  readonly divisible: boolean;
  /** The least part that the connector can deliver (the 6 A rule); only read for divisible orders. */
  readonly minimum_W: number;
}

export interface ConnectorLimit {
  readonly charge_W: number;
  readonly discharge_W: number;
}

/** Physical safety (protocol README). A scenario is margin 0, no safe shares, no lost discharges, no connectors. */
export interface Limits {
  readonly capacity_W: number;
  readonly exportLimit_W: number;
  /** How far the load may move from one round to the next, and its forecast be wrong; kept free under both limits in later rounds. */
  readonly margin_W: number;
  /** F_i by node: what it may draw without any agreement. Empty = none. */
  readonly safeShares_W: readonly number[];
  /** How many of the largest discharges (charges, for export) may fail to happen: f + 1. */
  readonly lostParts: number;
  /** By node; empty = every order has a connector of its own. */
  readonly connectors: readonly ConnectorLimit[];
}

export interface Range {
  readonly least_W: number;
  readonly most_W: number;
}

export type Direction = 'idle' | 'charge' | 'discharge';

export interface Instance {
  readonly round: number;
  readonly roundTime_s: number;
  /** W: rounds in a day = slopes in a full window. */
  readonly slotsPerDay: number;
  /** Metered power of the rounds before this one without a gap, oldest first; at most W + 1 are read. */
  readonly theta_W: readonly number[];
  /** Forecasts for round + k, k = 0..H-1. H = load_W.length >= 1. Orders of this round are pending, so flows begin at k = 1. */
  readonly load_W: readonly number[];
  /** Where the load of the round that binds is taken to lie, for its safety. */
  readonly loadBetween_W: Range;
  readonly buyForecast_W: readonly number[];
  readonly sellForecast_W: readonly number[];
  /** By k, how far the net power of one round's orders usually lies from its forecast: mean square, (100 W)^2. */
  readonly surprise: readonly number[];
  readonly maxWait_rounds: number;
  /** True when round + H - 1 is the last of all: what is pending then must run (the end of a scenario). */
  readonly closes: boolean;
  readonly chargingEfficiency_ppm: number;
  readonly dischargingEfficiency_ppm: number;
  readonly limits: Limits;
  readonly pending: readonly PendingOrder[];
  /** By node, the direction that was closed in the round before; missing = idle. */
  readonly directions: readonly Direction[];
}

/** Of the forecast orders of one future round, the part of a million that waits 0, 1, .. rounds. Sums to 1,000,000. */
export interface ForecastShares {
  readonly buy_ppm: readonly number[];
  readonly sell_ppm: readonly number[];
}

/** The plan: only its first round binds. */
export interface PlanAhead {
  /** In the order of `pending`: rounds it waits, or (divisible) the watts it gets after 0, 1, .. rounds. */
  readonly orders: readonly (number | readonly number[])[];
  /** For round + 1 .. round + H - 1. */
  readonly shares: readonly ForecastShares[];
}

export const PPM = 1_000_000;

/** Divides and rounds toward minus infinity; exact for |a| < 2^53 and b > 0. */
export function floorDiv(a: number, b: number): number {
  const quotient = Math.trunc(a / b); // may be one off where a / b rounds up to a whole number
  const rest = a - quotient * b;
  return rest < 0 ? quotient - 1 : rest >= b ? quotient + 1 : quotient;
}

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** floor(a * b / c) for products that may pass 2^53. c > 0. */
export function mulDiv(a: number, b: number, c: number): number {
  const product = a * b;
  if (Number.isSafeInteger(product)) return floorDiv(product, c);
  const exact = BigInt(a) * BigInt(b);
  const divisor = BigInt(c);
  const quotient = exact / divisor;
  return Number(exact % divisor < 0n ? quotient - 1n : quotient);
}

/** floor(sqrt(n)) for n >= 0, by Newton's iteration from above. */
export function integerSqrt(n: bigint): bigint {
  if (n < 2n) return n;
  let x = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (x + n / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

/** What `power_W` of an order adds to the site's power: a buy draws it, a sell injects what the converter leaves. */
export function siteEffect_W(
  instance: Pick<Instance, 'dischargingEfficiency_ppm'>,
  side: Side,
  power_W: number,
): number {
  return side === 'buy' ? power_W : -mulDiv(power_W, instance.dischargingEfficiency_ppm, PPM);
}
