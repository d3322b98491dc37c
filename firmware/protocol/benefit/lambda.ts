/**
 * lambda = floor(L0 * K / (PFint + K)): the bounded benefit, proportional to 1 / PF down to the metering floor
 * d, where K = W^2 d^2 for a window of W slopes (the paper's lambda = 1 / PF as resolved by M12).
 */
export const L0 = 2n ** 48n;
/** d: the metering floor, W per round. */
export const METERING_FLOOR_W = 100n;

/** K = W^2 d^2, at least d^2 so that an empty window has a benefit too. */
export function floorTerm(slopes: number): bigint {
  return (BigInt(Math.max(slopes, 1)) * METERING_FLOOR_W) ** 2n;
}

/** 0 <= lambda <= 2^48; falls as PFint rises. */
export function lambda(pfInt: bigint, slopes: number): bigint {
  const k = floorTerm(slopes);
  return (L0 * k) / (pfInt + k);
}
