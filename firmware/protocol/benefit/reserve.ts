/**
 * The reserve: what it costs to stand near a wall of the tube, or to leave no room under the capacity. A plan on the
 * mean of the future is content there, with no order left to answer the next surprise in one of the two directions;
 * it then has to take that surprise as a slope. So a plan pays
 *  - in every round, a part KAPPA of the surprise that is usual there (a mean square), times the square of how far it
 *    stands from the middle of the tube: 0 in the middle, 1 at a wall. Where few orders wait this is what counts;
 *  - in every later round, for what it lacks of keeping clear of both walls by the usual surprise of the orders of
 *    three rounds, squared. Where many orders wait, the middle is far away and this is what counts.
 *
 * It is part of the benefit, not of a solver: else a plan that takes no care would win against one that does.
 * The figures were measured (solver/README.md).
 */
import { SURPRISE_UNIT_W } from './forecast.ts';
import type { Instance } from './instance.ts';
import { integerSqrt } from './instance.ts';
import { tube } from './tube.ts';

/** Parts of a thousand. */
export const KAPPA_ppt = 50;
/** No price per W^2 of distance is higher than that of a slope of the same size. */
export const MAX_PRICE_ppt = 1000;
/** A tube is taken to be at least this wide to either side. */
export const MIN_HALF_WIDTH_W = 5000;

/** Surprises of so many rounds to keep clear of the walls, and the price of a squared watt too near, parts of a thousand. */
export const WALL_ROUNDS = 3;
export const WALL_PRICE_ppt = 100;

/** The price of a squared watt that a later round lacks of keeping the usual surprise free under the capacity, parts of a thousand. */
export const CARE_PRICE_ppt = 350;
/** The same where all that must run is known already: nothing is worth that. */
export const OVER_PRICE_ppt = 10_000;

const usual_W = (meanSquare: number): number => Number(integerSqrt(BigInt(meanSquare) * BigInt(SURPRISE_UNIT_W) ** 2n));

/** By k: the middle of the tube, doubled so that it is whole, and the price of a squared watt of distance from it, as numerator / denominator. */
export interface ReservePrice {
  readonly doubleMiddle_W: number;
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export function reservePrices(instance: Instance): ReservePrice[] {
  const { lower_W, upper_W } = tube(instance);
  return lower_W.map((lower, k) => {
    const width = BigInt(Math.max(upper_W[k]! - lower, 2 * MIN_HALF_WIDTH_W));
    const square = BigInt(instance.surprise[k]!) * BigInt(SURPRISE_UNIT_W) ** 2n;
    // price = KAPPA * surprise / (width / 2)^2, at most MAX_PRICE
    const numerator = BigInt(KAPPA_ppt) * square * 4n;
    const denominator = 1000n * width * width;
    const capped = numerator * 1000n > BigInt(MAX_PRICE_ppt) * denominator;
    return {
      doubleMiddle_W: lower + upper_W[k]!,
      numerator: capped ? BigInt(MAX_PRICE_ppt) : numerator,
      denominator: capped ? 1000n : denominator,
    };
  });
}

/** The tube less what is kept clear of its walls, W added up over rounds. In a narrow tube `least_W` lies above `most_W`. */
export interface Clearance {
  readonly least_W: number;
  readonly most_W: number;
}

/** By k. Null where no order is unknown any more: in the round that binds, and in the last round of a day that closes. */
export function clearances(instance: Instance): (Clearance | null)[] {
  const { lower_W, upper_W } = tube(instance);
  const last = lower_W.length - 1;
  return lower_W.map((lower, k) => {
    if (k === 0 || (instance.closes && k === last)) return null;
    const recent = instance.surprise.slice(Math.max(1, k + 1 - WALL_ROUNDS), k + 1);
    const clear_W = usual_W(recent.reduce((sum, square) => sum + square, 0));
    return { least_W: lower + clear_W, most_W: upper_W[k]! - clear_W };
  });
}

/** What a later round should keep to, and the price of a squared watt beyond, parts of a thousand. */
export interface Care {
  readonly power_W: number;
  readonly price_ppt: number;
}

/**
 * A later round should leave free under the capacity the usual surprise of the orders which must run in it and nobody knows yet: what is
 * forced then cannot be helped. Those are the orders that come as many rounds before as they may wait; in the last round of a day
 * that closes, all that come from then on. By k; null for the round that binds, where the capacity itself is the rule.
 */
export function cares({ closes, limits, load_W, maxWait_rounds, surprise }: Instance): (Care | null)[] {
  return load_W.map((load, k) => {
    if (k === 0) return null;
    const first = k - maxWait_rounds;
    const last = closes && k === load_W.length - 1 ? k : first;
    const unknown = surprise.slice(Math.max(1, first), Math.max(1, last + 1));
    const room_W = usual_W(unknown.reduce((sum, square) => sum + square, 0));
    return {
      power_W: Math.max(limits.capacity_W - limits.margin_W - room_W, load),
      price_ppt: unknown.length === 0 ? OVER_PRICE_ppt : CARE_PRICE_ppt,
    };
  });
}

/** The reserve that a plan lacks, in W^2 like a squared slope. `net_W` is its net EV power by k. */
export function reserveCost(instance: Instance, net_W: readonly number[]): bigint {
  let sum = 0;
  let cost = 0n;
  const lack = (power_W: number, price_ppt: number): bigint =>
    power_W > 0 ? (BigInt(power_W) ** 2n * BigInt(price_ppt)) / 1000n : 0n;
  const clear = clearances(instance);
  const careful = cares(instance);
  for (const [k, { doubleMiddle_W, numerator, denominator }] of reservePrices(instance).entries()) {
    sum += net_W[k]!;
    const doubleDistance = BigInt(2 * sum - doubleMiddle_W);
    cost += (doubleDistance * doubleDistance * numerator) / (4n * denominator);
    const walls = clear[k];
    if (walls) cost += lack(walls.least_W - sum, WALL_PRICE_ppt) + lack(sum - walls.most_W, WALL_PRICE_ppt);
    const care = careful[k];
    if (care) cost += lack(instance.load_W[k]! + net_W[k]! - care.power_W, care.price_ppt);
  }
  return cost;
}
