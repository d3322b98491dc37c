/**
 * PFint = W * sum(l^2) - (sum l)^2 over a window of W slopes l_k = Theta_k - Theta_(k-1), W per round: exactly
 * W^2 times the variance of the slope (the paper's Eq. 6-7 with a full-day window, finding 3).
 */

/** Slopes of consecutive powers, W per round; one fewer than powers. */
export function slopes_W(theta_W: readonly number[]): number[] {
  return theta_W.slice(1).map((power, k) => power - theta_W[k]!);
}

/** PFint of a window, (W per round)^2. A window of no or one slope does not fluctuate. */
export function pfInt(slopes: readonly number[]): bigint {
  let sum = 0;
  let squares = 0n;
  let partial = 0; // squares are gathered as numbers while that is exact: bigint costs 20 times as much
  for (const slope of slopes) {
    sum += slope;
    const square = slope * slope;
    if (partial + square <= Number.MAX_SAFE_INTEGER) partial += square;
    else {
      squares += BigInt(partial) + BigInt(slope) * BigInt(slope);
      partial = 0;
    }
  }
  return BigInt(slopes.length) * (squares + BigInt(partial)) - BigInt(sum) ** 2n;
}

/** The window of a plan: the last W slopes of metered powers followed by planned ones. */
export function window_W(metered_W: readonly number[], planned_W: readonly number[], slotsPerDay: number): number[] {
  const keep = Math.max(0, slotsPerDay + 1 - planned_W.length);
  return slopes_W([...(keep === 0 ? [] : metered_W.slice(-keep)), ...planned_W.slice(-(slotsPerDay + 1))]);
}
