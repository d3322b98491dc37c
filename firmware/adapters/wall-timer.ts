/**
 * One timer over the wall's monotonic time. setTimeout alone is not enough: it takes at most 2^31 - 1 ms (a longer
 * delay would run at once) and may run a millisecond early.
 */
const LONGEST_ms = 2 ** 31 - 1;

/** Runs once, never earlier than `delay_ms` from now and never within this call. Returns its cancellation. */
export function afterWall(delay_ms: number, run: () => void): () => void {
  const due_ms = performance.now() + delay_ms;
  let timer: NodeJS.Timeout;
  const arm = () => {
    const left_ms = Math.max(0, due_ms - performance.now());
    timer = setTimeout(() => (performance.now() < due_ms ? arm() : run()), Math.min(Math.ceil(left_ms), LONGEST_ms));
  };
  arm();
  return () => clearTimeout(timer);
}
