/** The clock of a device: the system's UTC, and its monotonic time for every delay. */
import { millis, unixMillis } from '../../hal/units.ts';
import type { Clock } from '../ports.ts';
import { afterWall } from './wall-timer.ts';

export const systemClock: Clock = {
  now: () => unixMillis(Date.now()),
  monotonic: () => millis(Math.floor(performance.now())),
  scale: 1,
  after: afterWall,
};
