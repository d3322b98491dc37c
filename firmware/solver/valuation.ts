/**
 * What the search asks a thousand times over: the benefit's PFint with reserve over W, in floats, as a function of the
 * plan's net power; what no plan changes is left out. A convex function. It only proposes; the benefit decides.
 */
import type { Instance } from '../protocol/benefit/instance.ts';
import { cares, clearances, reservePrices, WALL_PRICE_ppt } from '../protocol/benefit/reserve.ts';

/** The terms of the rounds before `until`; of all rounds, the whole value. */
export type Valuation = (net_W: ArrayLike<number>, until: number) => number;

export function valuation(instance: Instance): Valuation {
  const { load_W, theta_W, slotsPerDay } = instance;
  const rounds = load_W.length;
  const window = theta_W.slice(-Math.max(1, slotsPerDay + 1 - rounds));
  const slopes = Math.max(1, window.length + rounds - 1);
  let past = 0;
  for (let k = 1; k < window.length; k++) past += (window[k]! - window[k - 1]!) ** 2;
  const reserve = reservePrices(instance);
  const middle_W = Float64Array.from(reserve, ({ doubleMiddle_W }) => doubleMiddle_W / 2);
  const price = Float64Array.from(reserve, ({ numerator, denominator }) => Number(numerator) / Number(denominator));
  const clear = clearances(instance);
  const least_W = Float64Array.from(clear, (walls) => walls?.least_W ?? Number.NEGATIVE_INFINITY);
  const most_W = Float64Array.from(clear, (walls) => walls?.most_W ?? Number.POSITIVE_INFINITY);
  const careful = cares(instance);
  const careful_W = Float64Array.from(careful, (care) => care?.power_W ?? Number.POSITIVE_INFINITY);
  const carePrice = Float64Array.from(careful, (care) => (care?.price_ppt ?? 0) / 1000);
  return (net_W, until) => {
    let sum = past;
    let before = window.length > 0 ? window[window.length - 1]! : load_W[0]! + net_W[0]!;
    let added = 0;
    for (let k = 0; k < until; k++) {
      const theta = load_W[k]! + net_W[k]!;
      const slope = theta - before;
      before = theta;
      added += net_W[k]!;
      const off = added - middle_W[k]!;
      const below = Math.max(0, least_W[k]! - added);
      const above = Math.max(0, added - most_W[k]!);
      const over = Math.max(0, theta - careful_W[k]!);
      sum +=
        slope * slope +
        price[k]! * off * off +
        (WALL_PRICE_ppt / 1000) * (below * below + above * above) +
        carePrice[k]! * over * over;
    }
    if (until < rounds) return sum;
    const change = before - (window.length > 0 ? window[0]! : load_W[0]! + net_W[0]!);
    return sum - (change * change) / slopes;
  };
}
