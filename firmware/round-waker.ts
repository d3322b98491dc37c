/**
 * Wakes the caller at the beginning of every interval. On a device node-cron does it (always in UTC: in a zone it
 * skips rounds when the clocks change); a bench's faster clock has no cron. Only a wake-up: whoever is woken works
 * out the round from the clock, and is woken too often rather than not at all.
 */
import { schedule } from 'node-cron';
import { millis } from '../hal/units.ts';
import type { Clock } from './ports.ts';

export function wakeEachRound(clock: Clock, roundTime_s: number, wake: () => void): () => void {
  if (clock.scale === 1 && 3600 % roundTime_s === 0 && roundTime_s % 60 === 0) {
    const task = schedule(`*/${roundTime_s / 60} * * * *`, wake, { timezone: 'UTC' });
    return () => void task.stop();
  }
  let cancel = (): void => undefined;
  const again = (): void => {
    const round_ms = roundTime_s * 1000;
    cancel = clock.after(millis(round_ms - (clock.now() % round_ms)), () => {
      again();
      wake();
    });
  };
  again();
  return () => cancel();
}
