/** Waits for a condition of the world outside, looking often; a test never sleeps for a fixed time and then looks. */
import { setTimeout as pause } from 'node:timers/promises';

const LOOK_ms = 15;

/**
 * The first answer of `look` that is neither false, null nor undefined, and how long it took, ms of the wall.
 * @throws Error naming what was waited for, with the last words of `tell`, when it takes longer than `within_ms`.
 */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  { within_ms = 60_000, tell = () => '' }: { within_ms?: number; tell?: () => string } = {},
): Promise<{ value: Exclude<T, false | null | undefined>; took_ms: number }> {
  const began = performance.now();
  for (;;) {
    const value = await look();
    const took_ms = performance.now() - began;
    if (value !== false && value !== null && value !== undefined)
      return { value: value as Exclude<T, false | null | undefined>, took_ms };
    if (took_ms > within_ms) throw new Error(`not within ${within_ms / 1000} s: ${what}. ${tell()}`);
    await pause(LOOK_ms);
  }
}
