/**
 * The mute: how often a name may make this node take the slow path of a signature (C28), which costs 15 times the fast
 * one. Only that path closes, and opens again by itself: what OpenSSL accepts passes all the while, so that nobody can
 * silence an honest node, all of whose signatures OpenSSL accepts, by forging under its name.
 */
import { MUTE } from '../protocol/limits.ts';

export interface Mute {
  /** Whether a slow check may be made for this name now; it then counts as made. */
  mayCheck(name: string): boolean;
}

/** So many a window, which opens with the first; when all are used, silence for a whole window. */
function createAllowance(most: number, now: () => number, window_ms: number) {
  let left = most;
  let renewed_ms = Number.NEGATIVE_INFINITY;
  return {
    left(): number {
      if (now() >= renewed_ms) left = most;
      return left;
    },
    use(): void {
      if (left === most) renewed_ms = now() + window_ms;
      left -= 1;
      if (left === 0) renewed_ms = now() + window_ms;
    },
  };
}

/** `now` is in milliseconds and never goes back. */
export function createMute(now: () => number, limits = MUTE): Mute {
  const allowance = (most: number) => createAllowance(most, now, limits.for_ms);
  const own = new Map<string, ReturnType<typeof allowance>>();
  const together = allowance(limits.checksTogether);
  return {
    mayCheck(name) {
      const lane = own.get(name) ?? allowance(limits.checks);
      own.set(name, lane);
      if (lane.left() === 0 || together.left() === 0) return false;
      lane.use();
      together.use();
      return true;
    },
  };
}
