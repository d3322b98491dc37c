/** The clocks, on time that moves only when told. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { scaledClock } from '../../firmware/adapters/scaled-clock.ts';
import { systemClock } from '../../firmware/adapters/system-clock.ts';
import type { Clock } from '../../firmware/ports.ts';
import { millis, unixMillis } from '../../hal/units.ts';

const START = Date.UTC(2026, 0, 1);
const DAY_ms = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers({ now: START, toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const bench = (scale: number) =>
  scaledClock({ startedAt: unixMillis(START), showing: unixMillis(START + DAY_ms), scale });

test('the system clock is the wall', () => {
  const before = systemClock.monotonic();
  vi.advanceTimersByTime(1_500);
  expect(systemClock.now()).toBe(START + 1_500);
  expect(systemClock.monotonic() - before).toBe(1_500);
  expect(systemClock.scale).toBe(1);
});

test('a bench clock starts where it is told and runs scale times faster, for now, monotonic and delays alike', () => {
  const clock = bench(60);
  const ran = vi.fn();
  clock.after(millis(300_000), ran);
  const before = clock.monotonic();
  vi.advanceTimersByTime(4_999);
  expect(ran).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(ran).toHaveBeenCalledOnce();
  expect(clock.now()).toBe(START + DAY_ms + 300_000);
  expect(clock.monotonic() - before).toBe(300_000);
});

test('a bench clock does not take a scale that is not a positive number', () => {
  for (const scale of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => bench(scale)).toThrow(`scale: ${scale}`);
});

/** How long after it was asked for a delay of 40 days runs; setTimeout knows 24.8 days at most. */
function ranAfter_days(clock: Pick<Clock, 'after'>): number | undefined {
  const asked = Date.now();
  let ran: number | undefined;
  clock.after(millis(40 * DAY_ms), () => {
    ran = (Date.now() - asked) / DAY_ms;
  });
  vi.advanceTimersByTime(41 * DAY_ms);
  return ran;
}

test('a delay longer than setTimeout can take runs when it is due', () => {
  expect(ranAfter_days(systemClock)).toBe(40);
});

test('that test notices a clock that hands the delay to setTimeout', () => {
  const capped = (delay_ms: number) => (delay_ms > 2 ** 31 - 1 ? 1 : delay_ms); // what Node does, with a warning
  const naive: Pick<Clock, 'after'> = {
    after(delay, run) {
      const timer = setTimeout(run, capped(delay));
      return () => clearTimeout(timer);
    },
  };
  expect(ranAfter_days(naive)).toBeLessThan(1);
});

test('a cancelled delay never runs, also when it was already armed again', () => {
  const ran = vi.fn();
  const cancel = systemClock.after(millis(40 * DAY_ms), ran);
  vi.advanceTimersByTime(30 * DAY_ms);
  cancel();
  vi.advanceTimersByTime(30 * DAY_ms);
  expect(ran).not.toHaveBeenCalled();
});

test('a delay of nothing still waits for the caller to finish', () => {
  const ran = vi.fn();
  systemClock.after(millis(0), ran);
  expect(ran).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(ran).toHaveBeenCalledOnce();
});
