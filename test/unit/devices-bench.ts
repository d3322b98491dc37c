/**
 * One node with devices in memory, a real runtime and a clock that moves only when told. Whatever it does to the
 * world is written down as it happens: seconds since the start, what was done. A crash stops its timers mid-life; the
 * devices live on.
 */
import { createVerify } from '../../firmware/adapters/ed25519.ts';
import { createGate } from '../../firmware/adapters/gate.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import type { ChargePoint, startChargePoint } from '../../firmware/charge-point.ts';
import type { ChargePointConfig } from '../../firmware/config.ts';
import type { Bus, Clock } from '../../firmware/ports.ts';
import type { Plan } from '../../firmware/protocol/plan.ts';
import { makeRegistry, type Registry } from '../../firmware/protocol/registry.ts';
import type { Input } from '../../firmware/protocol/step.ts';
import { createRuntime, type Runtime } from '../../firmware/runtime.ts';
import { HalError } from '../../hal/errors.ts';
import type { Connector, Contact, Meter, MeterReading, PilotState, RelayBank } from '../../hal/ports.ts';
import { type Milliamps, milliamps, millis, unixMillis, wattHours, watts } from '../../hal/units.ts';
import { Lease } from '../../sim-hardware/lease.ts';
import { atOnce, ManualClock, MemoryLedger, neighbourhoodOf, signerOf } from './protocol-driver.ts';

export const ROUND_ms = 300_000;
/** The round that is delivered when the bench starts. */
export const NOW = 999;

const WH_mJ = 3_600_000;

/** What a line of the journal is about. */
type About = 'drive' | 'contacts' | 'offer' | 'wish' | 'METER' | 'SITE';

type Silent = 'meter' | 'connector' | 'observe' | 'drive' | 'acknowledgement';

export interface BenchOptions {
  /** Of the clock: seconds of the bench a second of the wall. */
  readonly scale?: number;
  /** Seconds into the round at the start. */
  readonly second?: number;
  /** In the neighbourhood; 4 unless stated. */
  readonly chargePoints?: number;
  /** In its configuration; the neighbourhood knows another at its number. */
  readonly name?: string;
}

export class Bench {
  readonly clock: ManualClock;
  readonly ledger = new MemoryLedger();
  readonly registry: Registry;
  readonly name: string | undefined;
  readonly journal: { readonly at: number; readonly about: About; readonly text: string }[] = [];
  /** What does not answer. */
  readonly silent = new Set<Silent>();
  /** How long an answer or an exchange takes, ms. */
  delay = { meter: 0, offer: 0 };
  plugged = true;
  /** What the next looks at the pilot give, before the vehicle's own state shows again. */
  pilots: PilotState[] = [];
  /** What the pilot controller has in mind; to be set as by a reset of its own. */
  offered: Milliamps | 'none' = 'none';
  /** Contacts that move no more, and those that nobody can see. */
  stuck = false;
  unseen = false;
  /** Registers of the meter in whole millijoules, so that nothing is lost; what flows is added. */
  imported_mJ = 50_000 * WH_mJ;
  exported_mJ = 900 * WH_mJ;
  /** Energy imported by what was stated. */
  stated_Wh = 0;
  /** Power that flows beside what the vehicle draws: all of it at a head meter. */
  power_W = 0;
  private readonly start: number;
  private contacts: readonly Contact[] = ['open', 'open'];
  private countedAt: number;
  private life = { alive: true };
  private readonly lease: Lease;

  constructor({ scale = 1, second = 0, chargePoints = 4, name }: BenchOptions = {}) {
    this.name = name;
    this.registry = makeRegistry(neighbourhoodOf(chargePoints), sha256);
    this.start = NOW * ROUND_ms + second * 1000;
    this.countedAt = this.start;
    this.clock = new ManualClock(this.start, scale);
    const inWall = (delay_ms: number, run: () => void) => this.clock.after(delay_ms * scale, run);
    this.lease = new Lease(inWall, () => {
      this.write('contacts', 'the lease has ended');
      if (!this.stuck) this.contacts = ['open', 'open'];
    });
  }

  /** Runs the clock so many seconds, in steps short enough for every answer to be heard in its turn. */
  async pass(seconds: number): Promise<void> {
    const step_ms = Math.min(100, seconds * 1000);
    for (let passed_ms = 0; passed_ms < seconds * 1000; passed_ms += step_ms) {
      this.clock.advance(step_ms);
      await settled();
    }
  }

  /** Until so many seconds into a round. */
  async until(round: number, second: number): Promise<void> {
    await this.pass((round * ROUND_ms - this.clock.time) / 1000 + second);
  }

  /** How things really are. */
  get truth(): string {
    return `${this.contacts.join(' ')}, offered ${this.offered === 'none' ? 'none' : `${this.offered / 1000} A`}`;
  }

  /** The process is gone at once: no timer of it runs any more. */
  crash(): void {
    this.life.alive = false;
    this.life = { alive: true };
  }

  /** The lines about some things, a repeated one once. */
  told(...about: readonly About[]): string[] {
    const last = new Map<About, string>();
    return this.lines(about).flatMap((line) => {
      const same = last.get(line.about) === line.text;
      last.set(line.about, line.text);
      return same ? [] : [this.spelt(line)];
    });
  }
  /** All lines about some things. */
  every(...about: readonly About[]): string[] {
    return this.lines(about).map((line) => this.spelt(line));
  }
  write(about: About, text: string): void {
    this.journal.push({ at: this.clock.time, about, text });
  }

  /** A runtime of this node, alone on its bus; what the devices give it is written down. */
  startRuntime(self: number): Runtime {
    const bus: Bus = {
      connected: true,
      publish: () => undefined,
      onMessage: () => undefined,
      onConnection: () => undefined,
      close: async () => undefined,
    };
    const { registry, ledger } = this;
    const clock = this.lifeClock();
    const gate = createGate(registry, sha256, createVerify());
    const signer = signerOf(self);
    const runtime = createRuntime(
      {
        registry,
        self,
        name: registry.members[self].name,
        hash: sha256,
        clock,
        bus,
        ledger,
        signers: [signer],
        gate,
        solve: atOnce,
      },
      {},
    );
    runtime.start();
    return {
      ...runtime,
      feed: (input) => {
        this.hear(input);
        runtime.feed(input);
      },
    };
  }

  /** A charge point (node 0): one phase, 32 A, 7.36 kW both ways. */
  async startChargePoint(start: typeof startChargePoint): Promise<ChargePoint> {
    const neighbourhood = this.registry.neighbourhood;
    const connector = { kind: 'slow', charge_W: 7360, discharge_W: 7360 } as const;
    const runtime = this.startRuntime(0);
    const chargePoint = start({
      config: {
        neighbourhood,
        index: 0,
        self: { ...neighbourhood.nodes[0], connector, ...(this.name !== undefined && { name: this.name }) },
        connector: { phases: 1, maxCurrent: milliamps(32_000), period: millis(500) },
        meter: { period: millis(1000) },
        relays: { discharge: {} },
        owner: {
          energy: wattHours(10_000),
          departure: { hour: 7, minute: 30 },
          timeZone: 'UTC',
          reserve: wattHours(0),
          maySell: false,
          priceLimit_1e5EUR_kWh: 25_000,
        },
      } as ChargePointConfig,
      devices: { meter: this.meter(), connector: this.connector(), relays: this.relays() },
      clock: this.lifeClock(),
      ledger: this.ledger,
      runtime,
      brokerConnected: () => true,
      changed: () => undefined,
    });
    await settled();
    return chargePoint;
  }

  /** The time of the present life. */
  lifeClock(): Clock {
    const { clock, life } = this;
    const { now, monotonic, scale } = clock;
    return { now, monotonic, scale, after: (delay, run) => clock.after(delay, () => life.alive && run()) };
  }

  meter(): Meter {
    return {
      id: 'meter',
      read: async (): Promise<MeterReading> => {
        this.answers('meter');
        const reading = this.reading();
        if (this.delay.meter > 0) await new Promise<void>((resolve) => this.clock.after(this.delay.meter, resolve));
        return reading;
      },
      close: async () => undefined,
    };
  }

  private reading(): MeterReading {
    const power_W = this.power_W + Math.round(this.flowing_mA() * 0.23);
    const moved_mJ = power_W * (this.clock.time - this.countedAt);
    this.countedAt = this.clock.time;
    this.imported_mJ += Math.max(0, moved_mJ);
    this.exported_mJ += Math.max(0, -moved_mJ);
    return {
      takenAt: unixMillis(this.clock.time),
      imported: wattHours(Math.floor(this.imported_mJ / WH_mJ)),
      exported: wattHours(Math.floor(this.exported_mJ / WH_mJ)),
      power: watts(power_W),
      phaseCurrents: [milliamps(this.flowing_mA()), milliamps(0), milliamps(0)],
    };
  }

  private connector(): Connector {
    return {
      id: 'connector',
      read: async () => {
        this.answers('connector');
        const own = !this.plugged ? 'A' : this.offered === 'none' ? 'B' : 'C';
        return { takenAt: unixMillis(this.clock.time), pilot: this.pilots.shift() ?? own, faults: new Set() };
      },
      offer: async (limit) => {
        const words = limit === 'none' ? 'none' : `${limit / 1000} A`;
        this.write('offer', words);
        this.answers('connector');
        if (this.delay.offer > 0) {
          await new Promise<void>((resolve) => this.clock.after(this.delay.offer, resolve));
          this.write('offer', `${words}: done`);
        }
        this.offered = limit;
        this.answers('acknowledgement');
      },
      close: async () => undefined,
    };
  }

  private relays(): RelayBank {
    return {
      id: 'relays',
      size: 2,
      drive: async (wanted, holdFor) => {
        const surprise = wanted.some((contact, i) => contact === 'closed' && this.remembered()[i] !== 'closed');
        this.write('drive', `${wanted.join(' ')} for ${holdFor / 1000} s${surprise ? ', NOT REMEMBERED' : ''}`);
        this.answers('drive');
        this.lease.renew(holdFor);
        if (!this.stuck) this.contacts = wanted;
      },
      observe: async () => {
        this.answers('observe');
        const seen = this.unseen ? (['unknown', 'unknown'] as const) : this.contacts;
        this.write('contacts', `seen ${seen.join(' ')}`);
        return seen;
      },
      close: async () => undefined,
    };
  }

  private flowing_mA = (): number =>
    this.plugged && this.contacts[0] === 'closed' && this.offered !== 'none' ? this.offered : 0;

  /** What the ledger says of the contacts. */
  private remembered(): readonly Contact[] {
    const { charge, discharge } = JSON.parse(this.ledger.recall('contacts') ?? '{}');
    return [charge?.wanted, discharge?.wanted];
  }

  private answers(device: Silent): void {
    if (this.silent.has(device)) throw new HalError(device, { code: 'timeout', waited: millis(1000) });
  }

  private hear(input: Input): void {
    if (input.kind === 'wish') this.write('wish', `${input.wish.side} ${input.wish.power_W} W`);
    if (input.kind === 'metered') {
      const { importedBefore_Wh, imported_Wh, mode } = input.statement;
      this.stated_Wh += imported_Wh - importedBefore_Wh;
      this.write('METER', `round ${input.round}: ${importedBefore_Wh} to ${imported_Wh} Wh, ${mode}`);
    }
    if (input.kind === 'site') {
      const { takenAt_ms, imported_Wh, power_W } = input.reading;
      this.write('SITE', `${power_W} W on average since ${(takenAt_ms - this.start) / 1000} s, from ${imported_Wh} Wh`);
    }
  }

  private lines = (about: readonly About[]) => this.journal.filter((line) => about.includes(line.about));
  private spelt = ({ at, about, text }: Bench['journal'][number]): string =>
    `${((at - this.start) / 1000).toFixed(1)} ${about}: ${text}`;
}

/** Everything that is due without the clock has happened. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A committed plan; its interval is that of the round. */
export const plan = (direction: Plan['direction'], power_W: number, round = NOW): Plan => ({
  round,
  block: 42,
  start: unixMillis(round * ROUND_ms),
  end: unixMillis((round + 1) * ROUND_ms),
  direction,
  power: watts(power_W),
  orders: [],
});
