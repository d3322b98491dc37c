/**
 * The smoothest path of net EV power through the tube: minimises the sum of squared slopes of Theta less the
 * squared mean slope of the window, which is PF, under capacity. A quadratic program in N(0) .. N(H-1).
 */
import type { Instance } from '../protocol/benefit/instance.ts';
import type { Bound, QuadraticProgram } from './quadratic.ts';
import { minimise } from './quadratic.ts';
import { buckets, tube } from './tube.ts';

/** Powers are scaled to this unit, so that the program's numbers are near one. */
const SCALE_W = 10_000;
const HARD = 1e5;
const P = ((globalThis as any).P ??= { kappa: 0, pow: 0, soft: 0, m: 0 });

/** Net EV power by round, W (fractions allowed). */
export function smoothestPath(instance: Instance): Float64Array {
  const N = minimise(pathProgram(instance));
  return N.map((value, k) => (value - (k > 0 ? N[k - 1]! : 0)) * SCALE_W);
}

export function pathProgram(instance: Instance): QuadraticProgram {
  const n = instance.load_W.length;
  const { lower_W, upper_W } = tube(n, buckets(instance));
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
  const bounds: Bound[] = [];
  const { capacity_W, exportLimit_W, margin_W } = instance.limits;
  for (let k = 0; k < n; k++) {
    const lo = lower_W[k]! / SCALE_W,
      up = upper_W[k]! / SCALE_W;
    bounds.push({ of: 'value', k, sign: 1, limit: lo, price: HARD });
    bounds.push({ of: 'value', k, sign: -1, limit: up, price: HARD });
    const room = (capacity_W - margin_W - instance.load_W[k]!) / SCALE_W;
    const back = (margin_W - exportLimit_W - instance.load_W[k]!) / SCALE_W;
    bounds.push({ of: 'step', k, sign: -1, limit: Math.max(0, room), price: HARD });
    if (exportLimit_W < 1e12) bounds.push({ of: 'step', k, sign: 1, limit: Math.min(0, back), price: HARD });
    if (P.kappa > 0 && k >= 0) {
      const h = Math.max((up - lo) / 2, 0.5);
      const sig = instance.spread_W[k]! / SCALE_W;
      const q = Math.min(P.qmax ?? 1, P.kappa * (sig / h) ** P.pow);
      Q[0][k]! += q;
      c[k]! -= (q * (up + lo)) / 2;
    }
  }
  return { Q, c, u, bounds };
}
