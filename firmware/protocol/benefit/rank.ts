/**
 * The rank of candidates: who wins when several valid plans are at hand. lambda decides, quantised at what the
 * meters can tell apart; then welfare, fewer relay operations, PFint and the tie hash (protocol README).
 *
 * Quantisation: independent metering errors of d per slope leave sqrt(PFint) uncertain by about d * sqrt(W), so
 * candidates are compared by sqrt(PFint + K) in steps of that size. Half a step is 7 W per round in the standard
 * deviation of slope at W = 48: price and contact wear never outvote a difference that a meter would show.
 */
import { integerSqrt } from './instance.ts';
import { floorTerm, METERING_FLOOR_W } from './lambda.ts';

export interface Candidate {
  readonly pfInt: bigint;
  /** Slopes in the window. */
  readonly slopes: number;
  /** Micro-euro; 0 until the market is in. */
  readonly welfare: bigint;
  readonly operations: number;
  /** H(seed || author key), hexadecimal. */
  readonly tie: string;
}

/** How wide a step is: what the meters cannot tell apart of sqrt(PFint + K). */
export const stepWidth = (slopes: number): bigint => METERING_FLOOR_W * integerSqrt(BigInt(Math.max(slopes, 1)));

/** The quantised lambda as a step number: 0 is best; equal numbers mean that the meters cannot tell. */
export const step = (pfInt: bigint, slopes: number): bigint =>
  integerSqrt(pfInt + floorTerm(slopes)) / stepWidth(slopes);

const sign = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

/** Negative when `a` ranks before (is better than) `b`. A total order over candidates with different ties. */
export function compareRank(a: Candidate, b: Candidate): number {
  return (
    sign(step(a.pfInt, a.slopes), step(b.pfInt, b.slopes)) ||
    sign(b.welfare, a.welfare) ||
    a.operations - b.operations ||
    sign(a.pfInt, b.pfInt) ||
    (a.tie < b.tie ? -1 : a.tie > b.tie ? 1 : 0)
  );
}
