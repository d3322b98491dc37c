/**
 * The live feed: Server-Sent Events to a bounded number of readers. A change is sent at once if the last is
 * long enough ago, else when it is; a reader that does not keep up skips views (each is complete) and never
 * makes the controller keep them. Runs on the wall's time: it serves people, not the protocol.
 */
import type { ServerResponse } from 'node:http';
import { Refusal } from './door.ts';

/** At most four views a second. */
export const PUSH_EVERY_MS = 250;
/** The heartbeat: the view again, changed or not. The front end takes a feed silent for three beats for dead. */
export const BEAT_EVERY_MS = 4_000;
export const MAX_READERS = 32;

/** Runs `run` on the first call and, however many follow, once more every `every_ms` while there are any. */
export function atMost(every_ms: number, run: () => void): { call(): void; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let again = false;
  const go = () => {
    again = false;
    timer = setTimeout(() => {
      timer = undefined;
      if (again) go();
    }, every_ms);
    run();
  };
  return {
    call() {
      if (timer === undefined) go();
      else again = true;
    },
    stop: () => clearTimeout(timer),
  };
}

export class LiveFeed {
  readonly #readers = new Set<ServerResponse>();
  readonly #view: () => string;
  readonly #push = atMost(PUSH_EVERY_MS, () => this.#send());
  readonly #beat = setInterval(() => this.changed(), BEAT_EVERY_MS);

  /** `view` gives the view as one line of JSON; it is asked only while somebody reads. */
  constructor(view: () => string) {
    this.#view = view;
  }

  changed(): void {
    if (this.#readers.size > 0) this.#push.call();
  }

  /** Adds a reader, who gets the present view at once. Throws Refusal when there are too many. */
  add(response: ServerResponse): void {
    if (this.#readers.size >= MAX_READERS) {
      throw new Refusal(503, 'busy', `${MAX_READERS} pages are open already: close one`);
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`retry: 1000\n${this.#event()}`);
    this.#readers.add(response);
    response.on('close', () => this.#readers.delete(response));
  }

  #event(): string {
    return `event: view\ndata: ${this.#view()}\n\n`;
  }

  #send(): void {
    const event = this.#event();
    for (const reader of this.#readers) if (!reader.writableNeedDrain) reader.write(event);
  }

  close(): void {
    this.#push.stop();
    clearInterval(this.#beat);
    for (const reader of this.#readers) reader.end();
  }
}
