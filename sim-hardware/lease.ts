/** The hold-for lease of a relay board: outputs stand only while somebody keeps renewing them. */

/** Runs once after wall milliseconds; returns its cancellation. */
export type After = (delay_ms: number, run: () => void) => () => void;

export const wallClock: After = (delay_ms, run) => {
  const timer = setTimeout(run, delay_ms);
  return () => clearTimeout(timer);
};

export class Lease {
  readonly #after: After;
  readonly #expired: () => void;
  #cancel: (() => void) | undefined;

  constructor(after: After, expired: () => void) {
    this.#after = after;
    this.#expired = expired;
  }

  get held(): boolean {
    return this.#cancel !== undefined;
  }

  renew(holdFor_ms: number): void {
    this.#cancel?.();
    this.#cancel = this.#after(holdFor_ms, () => this.end());
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#expired();
  }
}
