/** Mean and 95 % confidence interval of a few seeded days, by Student's t. */
export interface Statistic {
  readonly mean: number;
  /** Half width of the 95 % confidence interval of the mean; NaN of fewer than two values. */
  readonly half: number;
  readonly n: number;
}

export function statistic(values: readonly number[]): Statistic {
  const n = values.length;
  const { mean, error } = meanOf(values);
  return { mean, half: n < 2 ? Number.NaN : quantileT(n - 1) * error, n };
}

/** Mean and its standard error, in words. */
export function withError(values: readonly number[], digits = 1): string {
  const { mean, error } = meanOf(values);
  return `${mean.toFixed(digits)} ± ${error.toFixed(digits)}`;
}

/** The mean, its standard error, and the standard deviation of a value; 0 of one. */
export function meanOf(values: readonly number[]): Record<'mean' | 'error' | 'spread', number> {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const spread = Math.sqrt(squares / Math.max(1, n - 1));
  return { mean, error: spread / Math.sqrt(n), spread };
}

/** Within this on either side lie 95 % of Student's t: its distribution is a finite sum in atan(t / sqrt(freedom)). */
export function quantileT(freedom: number): number {
  const within = (angle: number): number => {
    const cosine = Math.cos(angle);
    const odd = freedom % 2 === 1;
    let term = odd ? cosine : 1;
    let sum = freedom === 1 ? 0 : term;
    for (let i = odd ? 3 : 2; i < freedom; i += 2) {
      term *= (cosine ** 2 * (i - 1)) / i;
      sum += term;
    }
    return odd ? (angle + Math.sin(angle) * sum) * (2 / Math.PI) : Math.sin(angle) * sum;
  };
  let [low, high] = [0, Math.PI / 2];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (within(middle) < 0.95) low = middle;
    else high = middle;
  }
  return Math.sqrt(freedom) * Math.tan(low);
}
