/**
 * Contactors on a Firmata board, driven with johnny-five over TCP or a serial port. Firmata never acknowledges and
 * johnny-five believes itself, so every drive is read back and every observation is asked for anew. The board
 * opens the contacts by itself when the lease (hal/README.md) is not renewed; one that does not speak it is refused.
 */
import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import firmata from 'firmata-io';
import five from 'johnny-five';
import { SerialPort } from 'serialport';
import { HalError } from '../errors.ts';
import type { Contact, RelayBank } from '../ports.ts';
import type { Millis } from '../units.ts';
import { Line, type LineOptions } from './line.ts';

export type BoardEndpoint =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'serial'; readonly path: string; readonly baudRate: number };

export interface RelayPins {
  /** Output that closes the contact when high. */
  readonly output: number;
  /** Input of the mirror contact (normally closed, to ground): low = open; high = closed, or a broken wire. */
  readonly auxiliary?: number;
}

export interface JohnnyFiveRelaysOptions extends LineOptions {
  readonly id: string;
  readonly endpoint: BoardEndpoint;
  readonly contacts: readonly RelayPins[];
}

/** The lease's message, in Firmata's range for users; see hal/README.md. */
export const LEASE = 0x01;
export const longestLease_ms = 2 ** 21 - 1;

const handshake = Buffer.from([0xf9, 0xf0, 0x79, 0xf7]); // report version, report firmware
const PIN_STATE_QUERY = 0x6d;

/** What firmata-io takes for its port: stays the same object while the connection behind it is replaced. */
class Transport extends EventEmitter {
  #stream: Duplex | undefined;

  attach(stream: Duplex): void {
    this.#stream = stream;
    stream.on('error', () => undefined); // 'close' follows, and says all that matters
    stream.on('data', (bytes: Buffer) => {
      if (stream !== this.#stream) return;
      try {
        this.emit('data', bytes);
      } catch (error) {
        stream.destroy(error as Error); // firmata-io trips over some malformed messages
      }
    });
  }

  write(bytes: Buffer, written?: () => void): void {
    const stream = this.#stream;
    if (stream?.writable) {
      stream.cork(); // one packet for all that is written in this turn
      stream.write(bytes);
      process.nextTick(() => stream.uncork());
    }
    written?.();
  }

  carries(stream: Duplex): boolean {
    return stream === this.#stream;
  }

  hangUp(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
  }
}

export class JohnnyFiveRelays implements RelayBank {
  readonly id: string;
  readonly size: number;
  readonly #endpoint: BoardEndpoint;
  readonly #contacts: readonly RelayPins[];
  readonly #line: Line;
  readonly #transport = new Transport();
  // One of each for ever: johnny-five keeps every Board that it has seen.
  readonly #io = new firmata.Firmata(this.#transport, { reportVersionTimeout: 1, skipCapabilities: true });
  #relays: readonly InstanceType<typeof five.Relay>[] = [];
  #connected = false;
  #sequence = 0;

  constructor(options: JohnnyFiveRelaysOptions) {
    this.id = options.id;
    this.size = options.contacts.length;
    this.#endpoint = options.endpoint;
    this.#contacts = options.contacts;
    this.#line = new Line(options, () => this.#drop());
    // firmata-io keeps one table of handlers for all boards, and refuses to replace an entry.
    this.#io.clearSysexResponse(LEASE);
    this.#io.sysexResponse(LEASE, function (data) {
      this.emit('lease', data);
    });
  }

  async drive(wanted: readonly Contact[], holdFor: Millis, signal: AbortSignal): Promise<void> {
    if (wanted.length !== this.size) throw new RangeError(`${this.id}: ${wanted.length} contacts of ${this.size}`);
    if (holdFor < 1 || holdFor > longestLease_ms) throw new RangeError(`${this.id}: cannot hold for ${holdFor} ms`);
    await this.#exchange(signal, async (until) => {
      this.#sequence = (this.#sequence + 1) & 0x7f;
      const lease = [this.#sequence, holdFor & 0x7f, (holdFor >> 7) & 0x7f, (holdFor >> 14) & 0x7f];
      let leased = false;
      const heard = (reply: readonly number[]) => {
        leased ||= reply.length === lease.length && lease.every((byte, at) => byte === reply[at]);
      };
      this.#io.on('lease', heard);
      try {
        // The lease first: without one the board keeps its outputs low. Openings before closings.
        this.#io.sysexCommand([LEASE, ...lease]);
        for (const [at, relay] of this.#relays.entries()) if (wanted[at] === 'open') relay.open();
        for (const [at, relay] of this.#relays.entries()) if (wanted[at] === 'closed') relay.close();
        await this.#queryOutputs(until);
      } finally {
        this.#io.off('lease', heard);
      }
      // Replies keep their order, so the lease's would have come before the last pin's.
      if (!leased) throw new HalError(this.id, { code: 'refused', exceptionCode: 1 });
      for (const [at, { output }] of this.#contacts.entries()) {
        const level = wanted[at] === 'closed' ? 1 : 0;
        if (this.#io.pins[output]!.state === level) continue;
        throw new HalError(this.id, { code: 'garbled', detail: `output ${output} is not ${level} after driving it` });
      }
    });
  }

  async observe(signal: AbortSignal): Promise<readonly (Contact | 'unknown')[]> {
    const inputs = this.#contacts.flatMap(({ auxiliary }) => auxiliary ?? []);
    return this.#exchange(signal, async (until) => {
      const answers = inputs.map((pin) => once(this.#io, `digital-read-${pin}`, { signal: until }));
      // A board that is asked for reports, even again, reports the port at once (as StandardFirmata does).
      const ports = new Map(inputs.map((pin) => [pin >> 3, pin]));
      for (const pin of ports.values()) this.#io.reportDigitalPin(pin, 1);
      await Promise.all(answers);
      return this.#contacts.map(({ auxiliary }) => {
        if (auxiliary === undefined) return 'unknown';
        return this.#io.pins[auxiliary]!.value === 0 ? 'open' : 'closed';
      });
    });
  }

  async close(): Promise<void> {
    this.#drop();
  }

  /** Does `work` on a board that is ready; `until` ends whatever it still waits for. */
  #exchange<T>(signal: AbortSignal, work: (until: AbortSignal) => Promise<T>): Promise<T> {
    return this.#line.exchange(this.id, signal, async (until) => {
      if (!this.#connected) await this.#connect(until);
      return work(until);
    });
  }

  async #connect(until: AbortSignal): Promise<void> {
    const endpoint = this.#endpoint;
    const stream =
      endpoint.kind === 'tcp'
        ? connect({ host: endpoint.host, port: endpoint.port, noDelay: true })
        : new SerialPort({ path: endpoint.path, baudRate: endpoint.baudRate });
    this.#transport.attach(stream);
    stream.on('close', () => {
      if (!this.#transport.carries(stream)) return; // one that was dropped
      this.#connected = false;
      this.#line.broken('connection closed by the board');
    });
    this.#io.buffer.length = 0; // the beginning of a message that will never end
    await once(stream, endpoint.kind === 'tcp' ? 'connect' : 'open', { signal: until });
    await this.#greet(until);
    this.#connected = true;
  }

  /** After each connection: the board may have restarted, and then its pins are inputs. */
  async #greet(until: AbortSignal): Promise<void> {
    const io = this.#io;
    const heard = once(io, io.isReady ? 'reportversion' : 'ready', { signal: until });
    this.#transport.write(handshake);
    await heard;
    await this.#queryOutputs(until);
    for (const { output, auxiliary } of this.#contacts) {
      // Setting the mode drives the pin low: a contact that the lease still holds must not open for a lost link.
      if (io.pins[output]!.mode !== io.MODES.OUTPUT) io.pinMode(output, io.MODES.OUTPUT);
      if (auxiliary !== undefined) io.pinMode(auxiliary, io.MODES.PULLUP);
    }
    if (this.#relays.length > 0) return;
    const board = new five.Board({ io, repl: false, debug: false, sigint: false });
    this.#relays = this.#contacts.map(({ output }) => new five.Relay({ board, pin: output }));
  }

  async #queryOutputs(until: AbortSignal): Promise<void> {
    const answers = this.#contacts.map(({ output }) => once(this.#io, `pin-state-${output}`, { signal: until }));
    for (const { output } of this.#contacts) this.#io.sysexCommand([PIN_STATE_QUERY, output]);
    await Promise.all(answers);
  }

  #drop(): number {
    this.#transport.hangUp();
    this.#connected = false;
    return 0;
  }
}
