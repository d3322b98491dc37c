/**
 * The quadratic program behind the plan: min 1/2 x'Qx + c'x - 1/2 (u'x)^2, with bounds on x_k and on its steps
 * x_k - x_(k-1), each bound soft by a quadratic price on its violation. Q has two side diagonals, so an
 * interior-point step (Mehrotra's predictor and corrector) costs O(n); some fifteen of them give six digits.
 * Floats: it only proposes; the benefit decides.
 */
export interface Bound {
  /** The bounded quantity: x_k, or the step x_k - x_(k-1) (x_k itself for k = 0). */
  readonly of: 'value' | 'step';
  readonly k: number;
  /** +1: quantity >= limit; -1: quantity <= limit. */
  readonly sign: 1 | -1;
  readonly limit: number;
  /** A violation v costs 1/2 price v^2. */
  readonly price: number;
}

export interface QuadraticProgram {
  /** Main, first and second side diagonal of Q; [d][k] couples x_k and x_(k+d). */
  readonly Q: readonly [Float64Array, Float64Array, Float64Array];
  readonly c: Float64Array;
  /** The rank-one term; the whole must stay convex. */
  readonly u: Float64Array;
  readonly bounds: readonly Bound[];
}

const MAX_STEPS = 40;
const TOLERANCE = 1e-7;

export function minimise({ Q, c, u, bounds }: QuadraticProgram): Float64Array {
  const n = c.length;
  const m = bounds.length;
  const x = new Float64Array(n);
  const s = new Float64Array(m).fill(1);
  const z = new Float64Array(m).fill(1);
  const quantity = (v: Float64Array, { of, k, sign }: Bound): number =>
    sign * (of === 'value' || k === 0 ? v[k]! : v[k]! - v[k - 1]!);
  const scatter = (v: Float64Array, { of, k, sign }: Bound, amount: number): void => {
    v[k]! += sign * amount;
    if (of === 'step' && k > 0) v[k - 1]! -= sign * amount;
  };
  bounds.forEach((bound, i) => {
    s[i] = Math.max(1, quantity(x, bound) - bound.sign * bound.limit);
  });
  const weight = new Float64Array(m);
  const primal = new Float64Array(m);
  const ds = new Float64Array(m);
  const dz = new Float64Array(m);
  const target = new Float64Array(m);
  for (let iteration = 0; iteration < MAX_STEPS; iteration++) {
    const rest = gradient(Q, c, u, x);
    let gap = 0;
    let worst = 0;
    for (let i = 0; i < m; i++) {
      const bound = bounds[i]!;
      scatter(rest, bound, -z[i]!);
      primal[i] = quantity(x, bound) - bound.sign * bound.limit + z[i]! / bound.price - s[i]!;
      worst = Math.max(worst, Math.abs(primal[i]!));
      weight[i] = z[i]! / (s[i]! + z[i]! / bound.price);
      gap += s[i]! * z[i]!;
    }
    const mu = m > 0 ? gap / m : 0;
    for (const value of rest) worst = Math.max(worst, Math.abs(value));
    if (mu < TOLERANCE && worst < 1e-5) break;
    const factor = new Factored(Q, u, bounds, weight);
    const direction = (): Float64Array => {
      const right = rest.map((value) => -value);
      for (let i = 0; i < m; i++) {
        const bound = bounds[i]!;
        scatter(right, bound, (target[i]! - s[i]! * z[i]! - z[i]! * primal[i]!) / (s[i]! + z[i]! / bound.price));
      }
      const dx = factor.solve(right);
      for (let i = 0; i < m; i++) {
        const bound = bounds[i]!;
        const move = quantity(dx, bound);
        dz[i] = (target[i]! - s[i]! * z[i]! - z[i]! * (primal[i]! + move)) / (s[i]! + z[i]! / bound.price);
        ds[i] = move + dz[i]! / bound.price + primal[i]!;
      }
      return dx;
    };
    const length = (): number => {
      let step = 1;
      for (let i = 0; i < m; i++) {
        if (ds[i]! < 0) step = Math.min(step, -s[i]! / ds[i]!);
        if (dz[i]! < 0) step = Math.min(step, -z[i]! / dz[i]!);
      }
      return step;
    };
    target.fill(0);
    direction();
    const predicted = length();
    let after = 0;
    for (let i = 0; i < m; i++) after += (s[i]! + predicted * ds[i]!) * (z[i]! + predicted * dz[i]!);
    const left = after / m / mu;
    const centring = m > 0 ? left * left * left * mu : 0; // not left ** 3: its last digit is not the same in every Node
    for (let i = 0; i < m; i++) target[i] = centring - ds[i]! * dz[i]!;
    const dx = direction();
    const step = Math.min(1, 0.99 * length());
    for (let k = 0; k < n; k++) x[k]! += step * dx[k]!;
    for (let i = 0; i < m; i++) {
      s[i]! += step * ds[i]!;
      z[i]! += step * dz[i]!;
    }
  }
  return x;
}

/** Qx + c - u (u'x). */
function gradient(Q: QuadraticProgram['Q'], c: Float64Array, u: Float64Array, x: Float64Array): Float64Array {
  const n = c.length;
  const out = c.slice();
  let along = 0;
  for (let k = 0; k < n; k++) along += u[k]! * x[k]!;
  for (let k = 0; k < n; k++) {
    out[k]! += Q[0][k]! * x[k]! - u[k]! * along;
    for (const d of [1, 2] as const)
      if (k + d < n) {
        out[k]! += Q[d][k]! * x[k + d]!;
        out[k + d]! += Q[d][k]! * x[k]!;
      }
  }
  return out;
}

/** Q + sum of weighted bounds - uu', factored: LDL' of the band, the rank-one term by Sherman and Morrison. */
class Factored {
  readonly #d: Float64Array;
  readonly #l1: Float64Array;
  readonly #l2: Float64Array;
  readonly #u: Float64Array;
  readonly #w: Float64Array;
  readonly #scale: number;

  constructor(Q: QuadraticProgram['Q'], u: Float64Array, bounds: readonly Bound[], weight: Float64Array) {
    const n = u.length;
    const a = Q[0].map((value) => value + 1e-9);
    const b = Q[1].slice();
    for (const [i, { of, k }] of bounds.entries()) {
      a[k]! += weight[i]!;
      if (of === 'step' && k > 0) {
        a[k - 1]! += weight[i]!;
        b[k - 1]! -= weight[i]!;
      }
    }
    this.#d = new Float64Array(n);
    this.#l1 = new Float64Array(n);
    this.#l2 = new Float64Array(n);
    for (let k = 0; k < n; k++) {
      const far = k > 1 ? Q[2][k - 2]! / this.#d[k - 2]! : 0;
      const near = k > 0 ? (b[k - 1]! - (k > 1 ? far * this.#d[k - 2]! * this.#l1[k - 1]! : 0)) / this.#d[k - 1]! : 0;
      this.#l2[k] = far;
      this.#l1[k] = near;
      let pivot = a[k]!;
      if (k > 0) pivot -= near * near * this.#d[k - 1]!;
      if (k > 1) pivot -= far * far * this.#d[k - 2]!;
      this.#d[k] = Math.max(pivot, 1e-12);
    }
    this.#u = u;
    this.#w = this.#band(u);
    this.#scale = 1 / Math.max(1e-9, 1 - dot(u, this.#w));
  }

  #band(right: Float64Array): Float64Array {
    const n = right.length;
    const v = right.slice();
    for (let k = 0; k < n; k++)
      v[k]! -= (k > 0 ? this.#l1[k]! * v[k - 1]! : 0) + (k > 1 ? this.#l2[k]! * v[k - 2]! : 0);
    for (let k = 0; k < n; k++) v[k]! /= this.#d[k]!;
    for (let k = n - 1; k >= 0; k--) {
      if (k + 1 < n) v[k]! -= this.#l1[k + 1]! * v[k + 1]!;
      if (k + 2 < n) v[k]! -= this.#l2[k + 2]! * v[k + 2]!;
    }
    return v;
  }

  solve(right: Float64Array): Float64Array {
    const v = this.#band(right);
    const along = dot(this.#u, v) * this.#scale;
    for (let k = 0; k < v.length; k++) v[k]! += along * this.#w[k]!;
    return v;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}
