/**
 * The clock of a bench: `scale` times faster than the wall, from one common start, so that all the processes of a
 * bench agree. The configuration allows it only where it says that this is a bench.
 */
import { millis, type UnixMillis, unixMillis } from '../../hal/units.ts';
import type { Clock } from '../ports.ts';
import { afterWall } from './wall-timer.ts';

export interface BenchTime {
  /** The wall's time at which the bench's clock shows `showing`. */
  readonly startedAt: UnixMillis;
  readonly showing: UnixMillis;
  /** Seconds of the bench a second of the wall, more than 0. */
  readonly scale: number;
}

/** @throws RangeError for a scale that is not a positive number. */
export function scaledClock({ startedAt, showing, scale }: BenchTime): Clock {
  if (!(scale > 0 && Number.isFinite(scale))) throw new RangeError(`scale: ${scale} is not a positive number`);
  return {
    now: () => unixMillis(showing + Math.floor((Date.now() - startedAt) * scale)),
    monotonic: () => millis(Math.floor(performance.now() * scale)),
    scale,
    after: (delay, run) => afterWall(delay / scale, run),
  };
}
