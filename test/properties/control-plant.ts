/**
 * A crude charge point to try the control on: contacts that take time to move, a vehicle that follows the offer
 * late, senses that can fall silent, a process that can crash under a relay board with a lease. And an observer
 * who knows the physical truth and the rules, and nothing of the control.
 */
import { defaultRules, type Rules } from '../../firmware/control/arbiter.ts';
import { control } from '../../firmware/control/control.ts';
import { defaultLimits, type Limits } from '../../firmware/control/limits.ts';
import { boot, memento } from '../../firmware/control/memory.ts';
import type { ControlState, Decision, Direction, Installation, Senses } from '../../firmware/control/types.ts';
import type { Plan } from '../../firmware/protocol/plan.ts';
import type { ConnectorFault, Contact, PilotState } from '../../hal/ports.ts';
import { milliamps, millis, unixMillis, wattHours, watts } from '../../hal/units.ts';

export const installation: Installation = {
  phases: 1,
  maxCurrent: milliamps(32_000),
  charge_W: 7_360,
  discharge_W: 7_360,
  safeShare_W: 1_400,
};

export type Happening =
  | { readonly what: 'plan'; readonly direction: Plan['direction']; readonly power_W: number }
  | { readonly what: 'plug' | 'unplug' | 'crash' | 'weld' }
  | { readonly what: 'pilot'; readonly error: 'E' | 'F' | null }
  | { readonly what: 'fault'; readonly fault: ConnectorFault | null }
  | { readonly what: 'silent'; readonly sense: 'meter' | 'connector' | 'relays'; readonly silent: boolean }
  | { readonly what: 'clock'; readonly trusted: boolean; readonly step_ms: number }
  | { readonly what: 'owner'; readonly wish: Senses['override'] };

const moves_ms = 350;
const lease_ms = 10_000;
const follows_ms = 2_000;
export const round_ms = 60_000;

export class Plant {
  readonly objections: string[] = [];
  readonly openings = { planned: 0, underLoad: 0 };
  decision!: Decision;
  world = 1_000_000;
  private state: ControlState;
  private bootedAt = this.world;
  private readonly rules: Rules;
  private readonly limits: Limits;
  private driven: [Contact, Contact] = ['open', 'open'];
  private drivenAt = this.world;
  private acceptedAt: number | null = null;
  private readonly contacts: { truth: Contact; welded: boolean; since: number; lastClosed: number }[] = [0, 1].map(
    () => ({
      truth: 'open',
      welded: false,
      since: 0,
      lastClosed: Number.NEGATIVE_INFINITY,
    }),
  );
  private offer: number | 'none' = 'none';
  private offeredAt = this.world;
  private plugged = true;
  private error: 'E' | 'F' | null = null;
  private fault: ConnectorFault | null = null;
  private clock = { trusted: true, step_ms: 0 };
  private owner: Senses['override'] = 'none';
  private plans: Plan[] = [];
  private readonly silent = { meter: false, connector: false, relays: false };
  private meter: { at: number; current: number; power: number } | null = null;
  private pilot: { at: number; status: PilotState; faults: ReadonlySet<ConnectorFault> } | null = null;
  private seen: { at: number; contacts: [Contact, Contact] } | null = null;
  private weldVisible: (number | null)[] = [null, null];

  constructor(rules: Partial<Rules> = {}, limits: Partial<Limits> = {}) {
    this.rules = { ...defaultRules, ...rules };
    this.limits = { ...defaultLimits, ...limits };
    this.state = boot(undefined, { now: millis(0), utc: this.utc() });
  }

  private utc = () => unixMillis(1_700_000_000_000 + this.world + this.clock.step_ms);

  happen(it: Happening): void {
    if (it.what === 'plug') this.plugged = true;
    else if (it.what === 'unplug') this.plugged = false;
    else if (it.what === 'pilot') this.error = it.error;
    else if (it.what === 'fault') this.fault = it.fault;
    else if (it.what === 'silent') this.silent[it.sense] = it.silent;
    else if (it.what === 'clock') this.clock = { trusted: it.trusted, step_ms: it.step_ms };
    else if (it.what === 'owner') this.owner = it.wish;
    else if (it.what === 'weld') for (const contact of this.contacts) contact.welded ||= contact.truth === 'closed';
    else if (it.what === 'crash') {
      this.world += 1_000; // nobody drives, nobody reads
      this.move();
      this.bootedAt = this.world;
      this.state = boot(memento(this.state), { now: millis(0), utc: this.clock.trusted ? this.utc() : null });
      this.meter = this.pilot = this.seen = this.acceptedAt = null;
      this.weldVisible = [null, null];
    } else if (it.what === 'plan') {
      const start = this.utc();
      const round = Math.floor((1_700_000_000_000 + this.world) / 1_000);
      const power = watts(it.power_W);
      const end = unixMillis(start + round_ms);
      this.plans = [{ round, block: round, start, end, direction: it.direction, power, orders: [] }];
    }
  }

  /** One cycle of the control, and the physics until the next. */
  cycle(dt_ms: number): void {
    this.look();
    const now = millis(this.world - this.bootedAt);
    const senses: Senses = {
      now,
      utc: this.utc(),
      clockTrusted: this.clock.trusted,
      plans: this.plans,
      noPlan: { round: 17, why: 'terminated' },
      meter: this.meter && {
        age: millis(this.world - this.meter.at),
        period: millis(1_000),
        reading: {
          takenAt: unixMillis(this.meter.at),
          imported: wattHours(0),
          exported: wattHours(0),
          power: watts(this.meter.power),
          phaseCurrents: [milliamps(this.meter.current), milliamps(0), milliamps(0)],
        },
      },
      connector: this.pilot && {
        age: millis(this.world - this.pilot.at),
        status: { takenAt: unixMillis(this.pilot.at), pilot: this.pilot.status, faults: this.pilot.faults },
      },
      relays: this.seen && {
        contacts: this.seen.contacts,
        age: millis(this.world - this.seen.at),
        drivenAge: this.acceptedAt === null ? null : millis(this.world - this.acceptedAt),
      },
      need: {
        missing: wattHours(20_000),
        toDraw: wattHours(22_000),
        departure: unixMillis(this.utc() + 3_600_000),
        soc: wattHours(30_000),
        reserve: wattHours(10_000),
      },
      override: this.owner,
      installation,
    };
    const before = this.decision?.contacts ?? ['open', 'open'];
    this.decision = control(this.state, senses, this.rules, this.limits);
    this.state = this.decision.state;
    this.watch(senses, before);
    if (!this.silent.relays) {
      this.acceptedAt = this.drivenAt = this.world;
      this.driven = [...this.decision.contacts];
    }
    if (this.offer !== this.decision.offer) this.offeredAt = this.world;
    this.offer = this.decision.offer;
    for (const end = this.world + dt_ms; this.world < end; ) {
      this.world += Math.min(100, end - this.world);
      this.move();
    }
  }

  private move(): void {
    if (this.world - this.drivenAt >= lease_ms) this.driven = ['open', 'open'];
    this.contacts.forEach((contact, i) => {
      const driven = this.driven[i]!;
      if (contact.truth === driven || (contact.welded && driven === 'open')) contact.since = this.world;
      else if (this.world - contact.since >= moves_ms) contact.truth = driven;
      if (contact.truth === 'closed') contact.lastClosed = this.world;
    });
  }

  /** A vehicle asks, draws and stops two seconds after it was told to. */
  private look(): void {
    const told = this.world - this.offeredAt >= follows_ms ? this.offer : 'same';
    const status: PilotState =
      this.error ?? (!this.plugged ? 'A' : this.offer !== 'none' && told !== 'same' ? 'C' : 'B');
    const closed = this.contacts.findIndex((contact) => contact.truth === 'closed');
    const previous = this.meter?.current ?? 0;
    const wants = told === 'same' ? previous : told === 'none' ? 0 : told;
    const current = closed < 0 || !this.plugged ? 0 : this.contacts[closed]!.welded ? 8_000 : wants;
    const power = Math.round((current * 230) / 1_000) * (closed === 1 ? -1 : 1);
    if (!this.silent.meter) this.meter = { at: this.world, current, power };
    if (!this.silent.connector)
      this.pilot = { at: this.world, status, faults: new Set(this.fault === null ? [] : [this.fault]) };
    if (!this.silent.relays)
      this.seen = { at: this.world, contacts: [this.contacts[0]!.truth, this.contacts[1]!.truth] };
  }

  private watch(senses: Senses, before: readonly [Contact, Contact]): void {
    const { contacts } = this.decision;
    const object = (what: string) => this.objections.push(`${this.world}: ${what}; ${this.decision.reason.text}`);
    const closed = contacts.indexOf('closed');
    if (contacts[0] === 'closed' && contacts[1] === 'closed') object('both contacts commanded closed');
    if (this.contacts.every((contact) => contact.truth === 'closed')) object('both contacts are closed');
    if (closed >= 0 && before[closed] === 'open') {
      const dead = this.world - this.contacts[1 - closed]!.lastClosed;
      if (dead < 10_000) object(`closed ${dead} ms after the other opened`);
    }
    const status = senses.connector?.status;
    if (closed >= 0 && (status === undefined || 'ADEF'.includes(status.pilot)))
      object(`closed in state ${status?.pilot}`);
    if (closed >= 0 && status?.faults.size) object('closed with a fault of the connector');
    for (const sense of ['meter', 'connector', 'relays'] as const)
      if (closed >= 0 && (senses[sense]?.age ?? Number.POSITIVE_INFINITY) >= 10_000)
        object(`closed with ${sense} silent`);
    const which: Direction[] = ['charge', 'discharge'];
    for (const [i, direction] of which.entries()) {
      const { truth, welded } = this.contacts[i]!;
      if (this.state[direction].welded && !welded) object(`${direction} contact called welded`);
      if (this.state[direction].welded && closed >= 0) object('closed a contact beside a weld');
      if (before[i] === 'closed' && contacts[i] === 'open') {
        const safe = this.state.offer.limit === 'none' && this.decision.reason.code === 'plan';
        if (safe) this.openings.planned++;
        if (safe && (this.meter?.current ?? 0) >= 1_000) this.openings.underLoad++;
      }
      const visible = welded && truth === 'closed' && contacts[i] === 'open' && !this.silent.relays;
      const since = visible ? (this.weldVisible[i] ?? this.world) : null;
      this.weldVisible[i] = since;
      // Half a second for the contact to move, two for the control.
      if (since !== null && this.world - since > 2_500 && !this.state[direction].welded) object('weld not noticed');
    }
  }
}
