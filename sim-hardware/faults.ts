/**
 * The fault menu of the wires: what can go wrong between a controller and a device (controller.md, section 4).
 * A wire asks its switch before each reply. Contacts have faults of their own (World.setContactFault).
 */
import type { Socket } from 'node:net';
import { randomStream } from './random.ts';

export const wireFaults = [
  'silence', // takes the request, never answers
  'late-reply', // answers when nobody waits any more
  'short-frame', // the last bytes are missing
  'bad-checksum', // bytes were changed on the way; where there is no checksum, the function code
  'wrong-unit', // another unit answers
  'exception', // the device says that it failed
  'implausible', // well-formed, but cannot be true
  'reset', // the connection is reset
  'half-open', // the connection stands, and the device has forgotten it
  'slow-trickle', // one byte now and then
] as const;

export type WireFault = (typeof wireFaults)[number];

export interface FaultTiming {
  /** Wall milliseconds that a late reply takes, and between the bytes of a trickle. */
  readonly late_ms: number;
  readonly trickle_ms: number;
}

/** The fault of one wire, switched at run time; strikes a share of the replies, by chance from the seed. */
export class FaultSwitch {
  readonly timing: FaultTiming;
  readonly #random: () => number;
  #fault: WireFault | null = null;
  #share = 1;

  constructor(seed = 0, name = '', timing: FaultTiming = { late_ms: 2_000, trickle_ms: 500 }) {
    this.#random = randomStream(seed, `faults ${name}`);
    this.timing = timing;
  }

  set(fault: WireFault | null, share = 1): void {
    this.#fault = fault;
    this.#share = share;
  }

  /** The fault of the next reply. */
  strike(): WireFault | null {
    return this.#fault !== null && this.#random() < this.#share ? this.#fault : null;
  }

  /** Sends a reply in the manner of the fault; what it says is spoilt by the wire's own framing before. */
  send(socket: Socket, reply: Buffer, fault: WireFault | null): void {
    const { late_ms, trickle_ms } = this.timing;
    if (fault === 'silence' || fault === 'half-open') return;
    if (fault === 'reset') socket.resetAndDestroy();
    else if (fault === 'late-reply') later(socket, late_ms, () => socket.write(reply));
    else if (fault === 'slow-trickle') {
      const next = (at: number): void => {
        socket.write(reply.subarray(at, at + 1));
        if (at + 1 < reply.length) later(socket, trickle_ms, () => next(at + 1));
      };
      next(0);
    } else socket.write(reply);
  }
}

/** Does it unless the socket is closed by then; leaves no timer behind. */
function later(socket: Socket, delay_ms: number, run: () => void): void {
  const timer = setTimeout(() => !socket.destroyed && run(), delay_ms);
  socket.once('close', () => clearTimeout(timer));
}
