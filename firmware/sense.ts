/**
 * One device asked again and again, whose last answer and its age are known. The control never waits for a device:
 * a dead one costs its own poller a timeout, and everyone else only sees the answer grow old.
 */
import { type Millis, millis } from '../hal/units.ts';
import type { Clock } from './ports.ts';

export interface Sense<T> {
  /** Null until the device has answered once. */
  readonly last: { readonly value: T; readonly age: Millis } | null;
  /** What went wrong at the last attempt; null when it succeeded. */
  readonly trouble: string | null;
  stop(): void;
}

/** The wall's least pause between two questions: a bench's fast clock must not turn polling into a flood. */
export const LEAST_PAUSE_WALL_ms = 20;

/** Starts asking at once. `period` and ages are in the clock's time. */
export function startSense<T>(
  clock: Clock,
  period: Millis,
  ask: (signal: AbortSignal) => Promise<T>,
  onAnswer: (value: T) => void = () => undefined,
): Sense<T> {
  const stop = new AbortController();
  let last: { readonly value: T; readonly at: Millis } | null = null;
  let trouble: string | null = null;
  let cancel = (): void => undefined;

  const round = async (): Promise<void> => {
    const began = clock.monotonic();
    const answer = await ask(stop.signal).then(
      (value) => ({ value, at: clock.monotonic() }),
      (error: Error) => error.message,
    );
    trouble = typeof answer === 'string' ? answer : null;
    if (typeof answer !== 'string') {
      last = answer;
      onAnswer(answer.value); // what this throws is no trouble of the device: it ends the process
    }
    if (stop.signal.aborted) return;
    const pause = Math.max(period - (clock.monotonic() - began), LEAST_PAUSE_WALL_ms * clock.scale);
    cancel = clock.after(millis(Math.ceil(pause)), () => void round());
  };
  void round();

  return {
    get last() {
      return last && { value: last.value, age: millis(clock.monotonic() - last.at) };
    },
    get trouble() {
      return trouble;
    },
    stop() {
      stop.abort();
      cancel();
    },
  };
}
