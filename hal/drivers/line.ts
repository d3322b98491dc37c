/**
 * One conversation at a time with a device that may be slow, silent or gone. Each exchange has a deadline; after
 * one that failed the line is dropped, so that a late reply can never be taken for the next answer; a device
 * that stays silent is left alone for longer and longer, and meanwhile its last failure stands. All times here are the wall's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HalError, type HalFault } from '../errors.ts';
import { type Millis, millis } from '../units.ts';

export interface LineOptions {
  /** Longest wait for one exchange, opening included, in wall milliseconds. */
  readonly timeout: Millis;
  /** Pause after the second failure in a row; doubles up to `longestPause`. The first retry is immediate. */
  readonly firstPause?: Millis;
  readonly longestPause?: Millis;
  /** Monotonic wall milliseconds; tests give their own. */
  readonly monotonic?: () => number;
}

/**
 * Settles as `work` does, or sooner: with HalError `timeout` when the time is up or the caller gives up, or with
 * what `onStart`'s function is called with. Leaves nothing behind on the caller's signal, which may live for ever.
 */
async function withDeadline<T>(
  device: string,
  timeout: Millis | undefined,
  signal: AbortSignal,
  work: Promise<T>,
  onStart: (fail: (error: HalError) => void) => void = () => undefined,
): Promise<T> {
  const started = performance.now();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const late = () => {
    reject(new HalError(device, { code: 'timeout', waited: millis(Math.round(performance.now() - started)) }));
  };
  const timer = timeout === undefined ? undefined : setTimeout(late, timeout);
  signal.addEventListener('abort', late, { once: true });
  if (signal.aborted) late();
  onStart(reject);
  try {
    return await Promise.race([work, ended]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', late);
  }
}

/** Whatever a library threw, as one of the closed list; what we do not know is a broken connection. */
function asHalError(device: string, error: unknown): HalError {
  if (error instanceof HalError) return error;
  return new HalError(device, { code: 'disconnected', detail: error instanceof Error ? error.message : String(error) });
}

export class Line {
  readonly #options: Required<LineOptions>;
  readonly #drop: (why: HalError) => number;
  readonly #silent = new Map<string, { failures: number; until: number; why: HalError }>();
  #last: Promise<unknown> = Promise.resolve();
  #quietUntil = 0;
  /** Fails the exchange in progress. */
  #fail: (why: HalFault) => void = () => undefined;

  /**
   * `drop` must make sure that nothing of the failed exchange can reach the next one; it returns for how many
   * milliseconds nothing may be asked of anybody.
   */
  constructor(options: LineOptions, drop: (why: HalError) => number) {
    this.#options = {
      firstPause: millis(500),
      longestPause: millis(60_000),
      monotonic: () => performance.now(),
      ...options,
    };
    this.#drop = drop;
  }

  /** Takes its turn, then does `work`, which must let go of everything when `until` aborts. Throws HalError only. */
  exchange<T>(device: string, signal: AbortSignal, work: (until: AbortSignal) => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => this.#now(device, signal, work));
    this.#last = turn.catch(() => undefined);
    // A caller that gives up while it waits for its turn is answered at once; its turn then does nothing.
    return withDeadline(device, undefined, signal, turn);
  }

  /** The connection is gone: whoever waits for an answer need not wait for the deadline. */
  broken(detail: string): void {
    this.#fail({ code: 'disconnected', detail });
  }

  async #now<T>(device: string, signal: AbortSignal, work: (until: AbortSignal) => Promise<T>): Promise<T> {
    const { timeout, monotonic } = this.#options;
    const quiet = this.#quietUntil - monotonic();
    if (quiet > 0) await sleep(quiet, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) throw new HalError(device, { code: 'timeout', waited: millis(0) });
    const silent = this.#silent.get(device);
    if (silent !== undefined && silent.until > monotonic()) throw silent.why;
    const over = new AbortController();
    try {
      const answer = await withDeadline(device, timeout, signal, work(over.signal), (fail) => {
        this.#fail = (why) => fail(new HalError(device, why));
      });
      this.#silent.delete(device);
      return answer;
    } catch (thrown) {
      const error = asHalError(device, thrown);
      // A device that says no is alive and in step: nothing to drop.
      if (error.fault.code === 'refused') this.#silent.delete(device);
      else this.#quietUntil = monotonic() + this.#drop(error);
      if (error.fault.code === 'timeout' || error.fault.code === 'disconnected') this.#failed(device, error);
      throw error;
    } finally {
      this.#fail = () => undefined;
      over.abort();
    }
  }

  #failed(device: string, why: HalError): void {
    const { firstPause, longestPause, monotonic } = this.#options;
    const failures = (this.#silent.get(device)?.failures ?? 0) + 1;
    const pause = failures === 1 ? 0 : Math.min(firstPause * 2 ** (failures - 2), longestPause);
    this.#silent.set(device, { failures, until: monotonic() + pause, why });
  }
}
