/**
 * The one physical truth of the bench: households, connectors, contacts, vehicles, meters. Everything that the
 * wires show is read from here, and everything that they command changes something here. Stepped from outside;
 * the same seed, commands and steps give the same world. Floats: this is physics, not consensus.
 */
import type { Contact, PilotState } from '../hal/ports.ts';
import { type UnixMillis, unixMillis } from '../hal/units.ts';
import { neighbourhoodLoad } from './households.ts';
import { randomStream } from './random.ts';
import { type Visit, visits } from './visits.ts';

export interface ConnectorType {
  readonly kind: 'slow' | 'fast' | 'rapid';
  readonly phases: 1 | 3;
  /** Per phase, AC side. */
  readonly rating_A: number;
  readonly charge_W: number;
  readonly discharge_W: number;
  /** Rapid connectors rectify; the others use the charger in the vehicle. */
  readonly dc: boolean;
}

const volt = 230;
const ac = (kind: 'slow' | 'fast' | 'rapid', phases: 1 | 3, rating_A: number): ConnectorType => ({
  kind,
  phases,
  rating_A,
  charge_W: volt * phases * rating_A,
  discharge_W: Math.min(volt * phases * rating_A, 11_040),
  dc: false,
});
const dc = (charge_W: number): ConnectorType => ({
  kind: 'rapid',
  phases: 3,
  rating_A: Math.ceil(charge_W / (3 * volt)),
  charge_W,
  discharge_W: 11_000,
  dc: true,
});

/** The paper's three kinds: up to 3 kW, 7 to 22 kW, and 43, 50 or 120 kW. */
export const connectorTypes = {
  'slow-3': ac('slow', 1, 13),
  'fast-7': ac('fast', 1, 32),
  'fast-11': ac('fast', 3, 16),
  'fast-22': ac('fast', 3, 32),
  'rapid-43': ac('rapid', 3, 63),
  'rapid-50': dc(50_000),
  'rapid-120': dc(120_000),
} as const satisfies Record<string, ConnectorType>;

export interface WorldOptions {
  readonly seed: number;
  /** When the world begins, UTC. */
  readonly start: UnixMillis;
  readonly chargePoints: readonly { readonly id: string; readonly type: ConnectorType }[];
  readonly households?: number;
  /** Import limit at the head meter: exceeding it is counted. */
  readonly capacity_W: number;
  /** How long the law of the world waits before it counts what a controller must end, in world time. */
  readonly grace_ms?: number;
  readonly onEvent?: (event: WorldEvent) => void;
}

/** What the owner knows and would type into the controller's page. */
export interface OwnerCard {
  readonly chargePoint: string;
  readonly model: string;
  readonly battery_Wh: number;
  readonly soc_ppm: number;
  readonly reserve_ppm: number;
  /** Missing in the battery until `departure`; 0 when there is more than enough. */
  readonly needed_Wh: number;
  readonly target_Wh: number;
  readonly departure: UnixMillis;
  readonly maySell: boolean;
  readonly charge_W: number;
  readonly discharge_W: number;
}

export type WorldEvent =
  | { readonly kind: 'plugged-in'; readonly at: UnixMillis; readonly card: OwnerCard }
  | { readonly kind: 'left'; readonly at: UnixMillis; readonly chargePoint: string; readonly missed_Wh: number };

export interface MeterTruth {
  imported_Wh: number;
  exported_Wh: number;
  /** Positive towards the vehicle, or from the grid. */
  power_W: number;
  /** Magnitudes. */
  currents_A: [number, number, number];
}

export type ContactFault = 'welded' | 'stuck-open';

interface ContactState {
  commanded: boolean;
  closed: boolean;
  /** World time at which it follows its command. */
  movesAt: number;
  fault: ContactFault | null;
  operations: number;
}

interface ChargePoint {
  readonly id: string;
  readonly type: ConnectorType;
  readonly next: (free: number) => Visit;
  visit: Visit;
  /** Present: the visit's vehicle is here. */
  plugged: boolean;
  stored_Wh: number;
  pilot: PilotState;
  offered_A: number;
  /** Charge, discharge. */
  readonly contacts: readonly [ContactState, ContactState];
  leased: boolean;
  readonly meter: MeterTruth;
  /** Since when each condition that must end has lasted; undefined while it does not hold. */
  readonly since: Partial<Record<Violation, number>>;
  readonly counted: Set<Violation>;
}

export type Violation =
  | 'overlap' // both contacts of a charge point closed
  | 'closed-without-vehicle'
  | 'closed-without-lease'
  | 'over-capacity' // at the head meter
  | 'battery-out-of-range'; // below the owner's reserve by feeding back, or over full

const actuation_ms = 15;
const longestStep_ms = 5_000;
const efficiency = 0.93;
/** The owner ends the charging before pulling the plug. */
const goodbye_ms = 60_000;

export class World {
  readonly violations: Record<Violation, number> = {
    overlap: 0,
    'closed-without-vehicle': 0,
    'closed-without-lease': 0,
    'over-capacity': 0,
    'battery-out-of-range': 0,
  };
  readonly head: MeterTruth;
  /** Highest import at the head meter so far. */
  peak_W = 0;
  readonly #options: Required<WorldOptions>;
  readonly #load: (now: number) => number;
  readonly #chargePoints: ReadonlyMap<string, ChargePoint>;
  #now: number;
  #overSince: number | undefined;

  constructor(options: WorldOptions) {
    this.#options = { households: 200, grace_ms: 10_000, onEvent: () => undefined, ...options };
    const { seed, start, households } = this.#options;
    this.#now = start;
    this.#load = neighbourhoodLoad(households, seed);
    this.head = newMeter(randomStream(seed, 'head meter')() * 4_000_000);
    this.#chargePoints = new Map(
      options.chargePoints.map(({ id, type }, index) => {
        const next = visits(seed, index, start, type.charge_W);
        const counter = randomStream(seed, `meter ${index}`)() * 1_000_000;
        return [id, newChargePoint(id, type, next, start, newMeter(counter))];
      }),
    );
    this.#meterHead(0);
  }

  get now(): UnixMillis {
    return unixMillis(this.#now);
  }

  get ids(): readonly string[] {
    return [...this.#chargePoints.keys()];
  }

  /** Lets the world run until `now`. Nothing happens when that is not later than its own time. */
  step(now: UnixMillis): void {
    while (this.#now < now) {
      const dt_ms = Math.min(now - this.#now, longestStep_ms);
      this.#now += dt_ms;
      for (const point of this.#chargePoints.values()) this.#stepPoint(point, dt_ms);
      this.#meterHead(dt_ms);
    }
  }

  meter(id: string): Readonly<MeterTruth> {
    return this.#point(id).meter;
  }

  pilot(id: string): PilotState {
    return this.#point(id).pilot;
  }

  /** The current per phase offered to the vehicle; 0 withdraws the offer. */
  offer(id: string, limit_A: number): void {
    this.#point(id).offered_A = limit_A;
  }

  offered_A(id: string): number {
    return this.#point(id).offered_A;
  }

  /** Energises or releases the coils: charge, discharge. The contacts follow a few milliseconds later. */
  drive(id: string, wanted: readonly Contact[]): void {
    for (const [at, contact] of this.#point(id).contacts.entries()) {
      const closed = wanted[at] === 'closed';
      if (contact.commanded === closed) continue;
      contact.commanded = closed;
      contact.movesAt = this.#now + actuation_ms;
    }
  }

  /** Whether somebody answers for what the outputs say (the board's lease, or a caller's in tests). */
  lease(id: string, held: boolean): void {
    this.#point(id).leased = held;
  }

  /** What the auxiliary contacts show: charge, discharge. */
  contacts(id: string): readonly Contact[] {
    return this.#point(id).contacts.map(({ closed }) => (closed ? 'closed' : 'open'));
  }

  operations(id: string): readonly number[] {
    return this.#point(id).contacts.map(({ operations }) => operations);
  }

  /** Breaks a contact (0 charge, 1 discharge), or mends it. */
  setContactFault(id: string, at: 0 | 1, fault: ContactFault | null): void {
    this.#point(id).contacts[at].fault = fault;
  }

  contactFault(id: string): ContactFault | null {
    return this.#point(id).contacts.find(({ fault }) => fault !== null)?.fault ?? null;
  }

  /** The vehicle at the connector, as it is now. */
  vehicle(id: string): OwnerCard | undefined {
    const point = this.#point(id);
    return point.plugged ? cardOf(point) : undefined;
  }

  #point(id: string): ChargePoint {
    const point = this.#chargePoints.get(id);
    if (point === undefined) throw new RangeError(`no charge point ${id} in this world; there are ${this.ids}`);
    return point;
  }

  #stepPoint(point: ChargePoint, dt_ms: number): void {
    for (const contact of point.contacts) moveContact(contact, this.#now);
    this.#comeAndGo(point);
    const { visit, contacts, meter } = point;
    const [charge, discharge] = [contacts[0].closed, contacts[1].closed];
    const willing = point.plugged && this.#now < visit.departure - goodbye_ms;
    const mayCharge = point.stored_Wh < visit.model.battery_Wh;
    const mayFeed = visit.maySell && point.stored_Wh > visit.reserve_Wh;
    point.pilot = !point.plugged ? 'A' : willing && point.offered_A >= 6 && (mayCharge || mayFeed) ? 'C' : 'B';

    const hours = dt_ms / 3_600_000;
    const limits = limitsOf(point);
    let power_W = 0;
    if (point.pilot === 'C' && charge && !discharge) {
      power_W = Math.min(limits.charge_W, (visit.model.battery_Wh - point.stored_Wh) / efficiency / hours);
    } else if (point.pilot === 'C' && discharge && !charge && visit.maySell) {
      power_W = -Math.min(limits.discharge_W, ((point.stored_Wh - visit.reserve_Wh) * efficiency) / hours);
      power_W = Math.min(power_W, 0);
    }
    point.stored_Wh += power_W * hours * (power_W > 0 ? efficiency : 1 / efficiency);
    count(meter, power_W, hours);
    const current_A = Math.abs(power_W) / (volt * point.type.phases);
    meter.currents_A = point.type.phases === 3 ? [current_A, current_A, current_A] : [current_A, 0, 0];

    const closed = contacts.some((contact) => contact.closed && contact.fault !== 'welded');
    const grace = this.#options.grace_ms;
    this.#judge(point, 'overlap', charge && discharge, 0);
    this.#judge(point, 'closed-without-vehicle', closed && !point.plugged, grace);
    this.#judge(point, 'closed-without-lease', closed && !point.leased, grace);
    const floor = power_W < 0 ? visit.reserve_Wh : 0;
    const outside = point.stored_Wh < floor - 1 || point.stored_Wh > visit.model.battery_Wh + 1;
    this.#judge(point, 'battery-out-of-range', point.plugged && outside, 0);
  }

  #comeAndGo(point: ChargePoint): void {
    const { visit } = point;
    if (!point.plugged && this.#now >= visit.arrival) {
      point.plugged = true;
      point.stored_Wh = visit.stored_Wh;
      this.#options.onEvent({ kind: 'plugged-in', at: this.now, card: cardOf(point) });
    }
    if (point.plugged && this.#now >= visit.departure) {
      point.plugged = false;
      const missed_Wh = Math.max(0, Math.round(visit.target_Wh - point.stored_Wh));
      point.visit = point.next(this.#now);
      this.#options.onEvent({ kind: 'left', at: this.now, chargePoint: point.id, missed_Wh });
    }
  }

  /** Counts each episode once, when it has lasted longer than a controller may need to end it. */
  #judge(point: ChargePoint, violation: Violation, holds: boolean, grace_ms: number): void {
    if (!holds) {
      delete point.since[violation];
      point.counted.delete(violation);
      return;
    }
    point.since[violation] ??= this.#now;
    if (this.#now - point.since[violation] < grace_ms || point.counted.has(violation)) return;
    point.counted.add(violation);
    this.violations[violation]++;
  }

  #meterHead(dt_ms: number): void {
    let power_W = this.#load(this.#now);
    for (const { meter } of this.#chargePoints.values()) power_W += meter.power_W;
    count(this.head, power_W, dt_ms / 3_600_000);
    const current_A = Math.abs(power_W) / (3 * volt);
    this.head.currents_A = [current_A, current_A, current_A];
    this.peak_W = Math.max(this.peak_W, power_W);
    if (power_W <= this.#options.capacity_W) this.#overSince = undefined;
    else if (this.#overSince === undefined) {
      this.#overSince = this.#now;
      this.violations['over-capacity']++;
    }
  }
}

const newMeter = (counter_Wh: number): MeterTruth => ({
  imported_Wh: counter_Wh,
  exported_Wh: counter_Wh / 10,
  power_W: 0,
  currents_A: [0, 0, 0],
});

const newContact = (): ContactState => ({ commanded: false, closed: false, movesAt: 0, fault: null, operations: 0 });

function newChargePoint(
  id: string,
  type: ConnectorType,
  next: (free: number) => Visit,
  start: number,
  meter: MeterTruth,
): ChargePoint {
  return {
    id,
    type,
    next,
    visit: next(start),
    plugged: false,
    stored_Wh: 0,
    pilot: 'A',
    offered_A: 0,
    contacts: [newContact(), newContact()],
    leased: false,
    meter,
    since: {},
    counted: new Set(),
  };
}

function moveContact(contact: ContactState, now: number): void {
  const follows = now >= contact.movesAt ? contact.commanded : contact.closed;
  // A welded contact stays as it was closed; a stuck one never closes.
  const closed = contact.fault === 'welded' ? contact.closed || follows : contact.fault === null && follows;
  if (closed !== contact.closed) contact.operations++;
  contact.closed = closed;
}

/** What vehicle, connector and offer allow, W at the connector. */
function limitsOf({ type, visit, offered_A }: ChargePoint): { charge_W: number; discharge_W: number } {
  const offered_W = offered_A * type.phases * volt;
  const { model } = visit;
  return {
    charge_W: Math.min(offered_W, type.charge_W, type.dc ? model.dcCharge_W : model.acCharge_W),
    discharge_W: Math.min(offered_W, type.discharge_W, type.dc ? model.dcDischarge_W : model.acDischarge_W),
  };
}

function count(meter: MeterTruth, power_W: number, hours: number): void {
  meter.power_W = power_W;
  if (power_W > 0) meter.imported_Wh += power_W * hours;
  else meter.exported_Wh -= power_W * hours;
}

function cardOf(point: ChargePoint): OwnerCard {
  const { visit, stored_Wh } = point;
  const limits = limitsOf({ ...point, offered_A: Number.POSITIVE_INFINITY });
  const ppm = (energy_Wh: number) => Math.round((energy_Wh / visit.model.battery_Wh) * 1e6);
  return {
    chargePoint: point.id,
    model: visit.model.name,
    battery_Wh: visit.model.battery_Wh,
    soc_ppm: ppm(stored_Wh),
    reserve_ppm: ppm(visit.reserve_Wh),
    needed_Wh: Math.max(0, Math.round(visit.target_Wh - stored_Wh)),
    target_Wh: visit.target_Wh,
    departure: unixMillis(visit.departure),
    maySell: visit.maySell,
    charge_W: limits.charge_W,
    discharge_W: limits.discharge_W,
  };
}
