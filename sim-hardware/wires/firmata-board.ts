/**
 * A relay board that speaks Firmata 2.5 and the lease (hal/README.md), as a pure protocol: bytes in, bytes out.
 * Without a lease its outputs are low and writes to them are ignored. Behaves as StandardFirmata where that
 * matters: a pin made an output goes low, and asking for reports answers at once.
 */
import { type After, Lease, wallClock } from '../lease.ts';

export interface BoardHardware {
  /** Levels of all outputs, whenever one may have changed. */
  outputs(levels: readonly boolean[]): void;
  /** Level of an input, read when asked. */
  input(pin: number): boolean;
  lease(held: boolean): void;
}

const pinCount = 20;
const OUTPUT = 1;
const PULLUP = 11;
const version = [2, 5] as const;
const name = 'p2pebt-relays';

export class FirmataBoard {
  readonly #hardware: BoardHardware;
  readonly #lease: Lease;
  readonly #modes = new Array<number>(pinCount).fill(0);
  readonly #levels = new Array<boolean>(pinCount).fill(false);
  readonly #reported = new Map<number, number>();
  #reply: (bytes: Buffer) => void = () => undefined;
  #pending: number[] = [];

  constructor(hardware: BoardHardware, after: After = wallClock) {
    this.#hardware = hardware;
    this.#lease = new Lease(after, () => {
      this.#levels.fill(false);
      this.#apply();
    });
  }

  /** Somebody connected: announces itself, as a board does after its reset. Outputs and lease stay as they are. */
  attach(reply: (bytes: Buffer) => void): void {
    this.#reply = reply;
    this.#pending = [];
    this.#reported.clear();
    this.#send([0xf9, ...version, ...this.#firmware()]);
  }

  receive(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.#pending.push(byte);
      const [first] = this.#pending;
      const complete = first === 0xf0 ? byte === 0xf7 : this.#pending.length === lengthOf(first!);
      if (!complete) {
        if (this.#pending.length > 64) this.#pending = [];
        continue;
      }
      const message = this.#pending;
      this.#pending = [];
      this.#handle(message);
    }
  }

  /** Reports inputs that changed since they were last reported, to who asked for it. */
  reportChanges(): void {
    for (const [port, last] of this.#reported) if (this.#inputs(port) !== last) this.#report(port);
  }

  /** The power goes: outputs low, timers gone. */
  off(): void {
    this.#reply = () => undefined;
    this.#lease.end();
  }

  #handle(message: readonly number[]): void {
    const [first, a, b] = message as [number, number, number];
    const command = first < 0xf0 ? first & 0xf0 : first;
    if (command === 0xf0) this.#sysex(message.slice(1, -1));
    else if (command === 0xf9) this.#send([0xf9, ...version]);
    else if (command === 0xff) {
      this.#modes.fill(0);
      this.#lease.end();
    } else if (command === 0xf4 && a < pinCount) {
      this.#modes[a] = b;
      if (b === OUTPUT) this.#write(a, 1, 0);
    } else if (command === 0xf5 && a < pinCount) this.#write(a, 1, b);
    else if (command === 0x90) {
      this.#write(8 * (first & 0x0f), 8, a | (b << 7));
    } else if (command === 0xd0) {
      if (a === 0) this.#reported.delete(first & 0x0f);
      else this.#report(first & 0x0f);
    }
  }

  #sysex([command, ...data]: readonly number[]): void {
    if (command === 0x79) this.#send(this.#firmware());
    else if (command === 0x6b) {
      const pin = [0, 1, OUTPUT, 1, PULLUP, 1, 0x7f];
      this.#send([0xf0, 0x6c, ...new Array(pinCount).fill(pin).flat(), 0xf7]);
    } else if (command === 0x69) this.#send([0xf0, 0x6a, ...new Array(pinCount).fill(0x7f), 0xf7]);
    else if (command === 0x6d && data[0]! < pinCount) {
      const pin = data[0]!;
      const state = this.#modes[pin] === PULLUP || this.#levels[pin] ? 1 : 0;
      this.#send([0xf0, 0x6e, pin, this.#modes[pin]!, state, 0xf7]);
    } else if (command === 0x01 && data.length === 4) {
      const holdFor_ms = data[1]! | (data[2]! << 7) | (data[3]! << 14);
      if (holdFor_ms === 0) this.#lease.end();
      else this.#lease.renew(holdFor_ms);
      this.#hardware.lease(this.#lease.held);
      this.#send([0xf0, 0x01, ...data, 0xf7]);
    }
  }

  /** Those of `count` pins from `first` that are outputs, at once. */
  #write(first: number, count: number, levels: number): void {
    for (let bit = 0; bit < count; bit++) {
      if (this.#modes[first + bit] === OUTPUT)
        this.#levels[first + bit] = (levels >> bit) % 2 === 1 && this.#lease.held;
    }
    this.#apply();
  }

  #apply(): void {
    this.#hardware.outputs(this.#levels);
    this.#hardware.lease(this.#lease.held);
  }

  #inputs(port: number): number {
    let levels = 0;
    for (let bit = 0; bit < 8; bit++) {
      const pin = 8 * port + bit;
      const isInput = pin < pinCount && this.#modes[pin] !== OUTPUT;
      if (isInput && this.#hardware.input(pin)) levels |= 1 << bit;
    }
    return levels;
  }

  #report(port: number): void {
    const levels = this.#inputs(port);
    this.#reported.set(port, levels);
    this.#send([0x90 | port, levels & 0x7f, levels >> 7]);
  }

  #firmware(): number[] {
    const letters = [...name].flatMap((letter) => [letter.charCodeAt(0) & 0x7f, letter.charCodeAt(0) >> 7]);
    return [0xf0, 0x79, ...version, ...letters, 0xf7];
  }

  #send(bytes: readonly number[]): void {
    this.#reply(Buffer.from(bytes));
  }
}

/** Bytes of a message that is not sysex. A byte that begins nothing is skipped by itself. */
function lengthOf(first: number): number {
  const command = first < 0xf0 ? first & 0xf0 : first;
  if (command === 0xc0 || command === 0xd0) return 2;
  return command === 0x90 || command === 0xe0 || command === 0xf4 || command === 0xf5 ? 3 : 1;
}
