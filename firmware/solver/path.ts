/**
 * The smoothest path of net EV power through the tube: minimises the sum of squared slopes of Theta less the
 * squared mean slope of the window, which is PF, under capacity. A quadratic program in N(0) .. N(H-1).
 */

import type { Instance } from '../protocol/benefit/instance.ts';
import { cares, clearances, reservePrices, WALL_PRICE_ppt } from '../protocol/benefit/reserve.ts';
import { tube } from '../protocol/benefit/tube.ts';
import type { Bound, QuadraticProgram } from './quadratic.ts';
import { minimise } from './quadratic.ts';

/** Powers are scaled to this unit, so that the program's numbers are near one. */
const SCALE_W = 10_000;
/** Price of leaving the tube or breaking a limit, in squared slopes: next to forbidden. */
const HARD = 1e5;

/** Net EV power by round, W (fractions allowed). */
export function smoothestPath(instance: Instance): Float64Array {
  const N = minimise(pathProgram(instance));
  return N.map((value, k) => (value - (k > 0 ? N[k - 1]! : 0)) * SCALE_W);
}

export function pathProgram(instance: Instance): QuadraticProgram {
  const n = instance.load_W.length;
  const { lower_W, upper_W } = tube(instance);
  const before = instance.theta_W.at(-1);
  const Q = [new Float64Array(n), new Float64Array(n), new Float64Array(n)] as const;
  const c = new Float64Array(n);
  // slope_k = load_k - load_(k-1) + N_k - 2 N_(k-1) + N_(k-2), and from the metered Theta at k = 0.
  const STENCIL = [1, -2, 1] as const;
  for (let k = 0; k < n; k++) {
    if (k === 0 && before === undefined) continue;
    const constant = (instance.load_W[k]! - (k > 0 ? instance.load_W[k - 1]! : before!)) / SCALE_W;
    for (let i = 0; i <= 2 && i <= k; i++) {
      c[k - i]! += STENCIL[i]! * constant;
      for (let j = i; j <= 2 && j <= k; j++) Q[j - i]![k - j]! += STENCIL[i]! * STENCIL[j]!;
    }
  }
  // - (Theta_end - Theta_start)^2 / W: the mean slope is no fluctuation.
  const u = new Float64Array(n);
  const window = instance.theta_W.slice(-Math.max(1, instance.slotsPerDay + 1 - n));
  const slopes = window.length + n - 1;
  if (window.length > 0) {
    const weight = 1 / Math.sqrt(slopes);
    u[n - 1] = weight;
    if (n > 1) u[n - 2] = -weight;
    const constant = ((instance.load_W[n - 1]! - window[0]!) / SCALE_W) * weight;
    for (let k = 0; k < n; k++) c[k]! -= u[k]! * constant;
  }
  const reserve = reservePrices(instance);
  const clear = clearances(instance);
  const careful = cares(instance);
  const bounds: Bound[] = [];
  const { capacity_W, exportLimit_W, margin_W } = instance.limits;
  for (let k = 0; k < n; k++) {
    const lower = lower_W[k]! / SCALE_W;
    const upper = upper_W[k]! / SCALE_W;
    bounds.push({ of: 'value', k, sign: 1, limit: lower, price: HARD });
    bounds.push({ of: 'value', k, sign: -1, limit: upper, price: HARD });
    // Limits that no path through the tube can reach are left out.
    const later = { least_W: instance.load_W[k]! - margin_W, most_W: instance.load_W[k]! + margin_W };
    const load = k === 0 ? instance.loadBetween_W : later;
    const room = Math.max(0, (capacity_W - load.most_W) / SCALE_W);
    const back = Math.min(0, (-exportLimit_W - load.least_W) / SCALE_W);
    const most = upper - (k > 0 ? lower_W[k - 1]! / SCALE_W : 0);
    const least = lower - (k > 0 ? upper_W[k - 1]! / SCALE_W : 0);
    if (most > room) bounds.push({ of: 'step', k, sign: -1, limit: room, price: HARD });
    const care = careful[k];
    if (care) {
      const limit = (care.power_W - instance.load_W[k]!) / SCALE_W;
      if (most > limit) bounds.push({ of: 'step', k, sign: -1, limit, price: care.price_ppt / 1000 });
    }
    if (least < back) bounds.push({ of: 'step', k, sign: 1, limit: back, price: HARD });
    const { doubleMiddle_W, numerator, denominator } = reserve[k]!;
    const price = Number(numerator) / Number(denominator);
    Q[0][k]! += price;
    c[k]! -= (price * doubleMiddle_W) / 2 / SCALE_W;
    const walls = clear[k];
    if (!walls) continue;
    bounds.push({ of: 'value', k, sign: 1, limit: walls.least_W / SCALE_W, price: WALL_PRICE_ppt / 1000 });
    bounds.push({ of: 'value', k, sign: -1, limit: walls.most_W / SCALE_W, price: WALL_PRICE_ppt / 1000 });
  }
  return { Q, c, u, bounds };
}
