/**
 * The charge point's node: senses its devices, runs the control of the contacts every cycle, places the owner's
 * orders, and states its registers at the end of each round. The control follows the last committed plan and waits
 * for nobody: not for a device, not for the consensus.
 */
import { channel } from 'node:diagnostics_channel';
import { z } from 'zod';
import type { Connector, ConnectorStatus, Meter, MeterReading, RelayBank } from '../hal/ports.ts';
import { type Millis, millis, type UnixMillis, unixMillis, type WattHours, wattHours, watts } from '../hal/units.ts';
import type { ChargePointConfig } from './config.ts';
import { advise } from './control/agent.ts';
import { defaultRules } from './control/arbiter.ts';
import { control } from './control/control.ts';
import { limitsAt } from './control/limits.ts';
import { boot, clearWeld, memento } from './control/memory.ts';
import { type Efficiency, needNow } from './control/need.ts';
import type { ControlState, Decision, Installation, NeedNow, NoPlan, Observed, Senses } from './control/types.ts';
import type { OwnerReply, OwnerRequest } from './page/owner.ts';
import type { Override } from './page/view.ts';
import type { Clock, Ledger } from './ports.ts';
import { PPM } from './protocol/benefit/instance.ts';
import type { Plan } from './protocol/plan.ts';
import type { Registry } from './protocol/registry.ts';
import { decisionStart } from './protocol/round.ts';
import { hasOpenOrder } from './protocol/step.ts';
import type { Runtime } from './runtime.ts';
import { LEAST_PAUSE_WALL_ms, type Sense, startSense } from './sense.ts';
import {
  assumed,
  begin,
  FACT,
  metered,
  OWNER_SPEAKS_WITHIN_ms,
  parsed,
  revive,
  type Session,
  stated,
} from './session.ts';

export interface Devices {
  readonly meter: Meter;
  readonly connector: Connector;
  readonly relays: RelayBank;
}

/** What the page shows of it. */
export interface ChargePointStatus {
  readonly reading: MeterReading | null;
  readonly connector: ConnectorStatus | null;
  readonly observed: readonly [Observed, Observed];
  readonly decision: Decision | null;
  readonly control: ControlState;
  readonly need: NeedNow | null;
  readonly battery: WattHours | null;
  readonly override: Override;
  /** Troubles of the devices, in words. */
  readonly troubles: readonly string[];
}

export interface ChargePoint {
  status(): ChargePointStatus;
  adopt(plan: Plan): void;
  owner(request: OwnerRequest): OwnerReply;
  /** Opens every contact and lets go of the devices. False when a contact was not seen open. */
  stop(): Promise<boolean>;
}

/** One turn of the control loop: its lateness against its schedule, and its length, ms of the wall. */
export interface Cycle {
  readonly late_ms: number;
  readonly took_ms: number;
}

/** For whoever wants to watch the loop of this process from outside (the benchmark): each Cycle, when it is over. */
export const CYCLES = 'p2pebt:cycle';
const cycles = channel(CYCLES);

export interface ChargePointParts {
  readonly config: ChargePointConfig;
  readonly devices: Devices;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly runtime: Runtime;
  readonly brokerConnected: () => boolean;
  readonly changed: () => void;
}

/** Two looks a second, so that every limit of the control (5 s, 10 s) is met with room to spare. */
const CYCLE_ms = 500;
/** The board opens by itself after this long without a word (controller.md 2: safe within 15 s). */
const LEASE_ms = 10_000;
/** On a fast bench the lease must still outlast the hiccups of a busy machine. */
const LEASE_LEAST_WALL_ms = 500;
/** How long a stop may take to see the contacts open, wall. */
const STOP_WALL_ms = 2_000;
/** Silence after which a device's last answer is no longer shown as the present. */
const SHOWN_ms = 10_000;
/** Part of the interval before which no order is placed: the plan in force is then known. */
const ORDERS_FROM = 1 / 30;
/** What a battery may hold when nobody says: no car of today has more. */
const LARGEST_BATTERY = wattHours(150_000);
const TOLD_FACT = 'told';
const CONTACTS_FACT = 'contacts';
const PLANS_FACT = 'plans';
const OVERRIDE_FACT = 'override';

const whole = z.int();
const toldShape = z.strictObject({ round: whole, imported_Wh: whole, exported_Wh: whole });
type Told = z.infer<typeof toldShape>;
const planShape = z.strictObject({
  round: whole,
  block: whole,
  start: whole.transform(unixMillis),
  end: whole.transform(unixMillis),
  direction: z.enum(['charge', 'discharge', 'idle']),
  power: whole.transform(watts),
  orders: z.array(z.string()),
});

/** Facts of another version count as none: energy is then counted from the next reading, and the fallback rules. */
const reviveTold = (fact: string | undefined): Told | null => toldShape.safeParse(parsed(fact)).data ?? null;
const revivePlans = (fact: string | undefined): readonly Plan[] =>
  z.array(planShape).safeParse(parsed(fact)).data ?? [];
const reviveOverride = (fact: string | undefined): Override =>
  z.enum(['stop', 'charge', 'none']).safeParse(fact).data ?? 'none';

export function startChargePoint(parts: ChargePointParts): ChargePoint {
  const { config, devices, clock, ledger, runtime } = parts;
  const { neighbourhood } = config;
  const round_ms = neighbourhood.roundTime_s * 1000;
  const rated = config.self.connector as NonNullable<typeof config.self.connector>;
  const isKnownTo = (members: Registry['members']): boolean => members[config.index]?.name === config.self.name;
  const installation: Installation = {
    phases: config.connector.phases,
    maxCurrent: config.connector.maxCurrent,
    charge_W: rated.charge_W,
    discharge_W: config.relays.discharge === undefined ? 0 : rated.discharge_W,
    /**
     * As the chain has it, the less of now and to come: nothing for one that is yet to join, or has left, or has the number
     * of another, since nobody keeps it free for it.
     */
    get safeShare_W() {
      const { registry, handover } = runtime.state.finalNode.state;
      const shares = [registry, handover?.registry ?? registry].map(({ members }) =>
        isKnownTo(members) ? members[config.index].safeShare_W : 0,
      );
      return Math.min(...shares);
    },
  };
  const efficiency: Efficiency = {
    charging_ppm: neighbourhood.chargingEfficiency_ppm,
    discharging_ppm: neighbourhood.dischargingEfficiency_ppm,
  };
  const limits = limitsAt(clock.scale);
  const startRound = Math.floor(clock.now() / round_ms);

  let state = boot(ledger.recall(CONTACTS_FACT), { now: clock.monotonic(), utc: clock.now() });
  let kept = '';
  let decision: Decision | null = null;
  // What was adopted in time survives a restart; recomputed from the chain, a late FINAL would look the same.
  let plans: readonly Plan[] = revivePlans(ledger.recall(PLANS_FACT)).filter(({ end }) => end > clock.now());
  let told = reviveTold(ledger.recall(TOLD_FACT));
  let session = revive(ledger.recall(FACT));
  let seenGone = false;
  let override = reviveOverride(ledger.recall(OVERRIDE_FACT));
  let observed: readonly [Observed, Observed] = ['unknown', 'unknown'];
  let observedAt: Millis | null = null;
  let drivenAt: Millis | null = null;
  let offered: { readonly limit: Decision['offer']; readonly at: Millis } | null = null;
  /** The offer under way. */
  let offering: Promise<void> | null = null;
  let relayTrouble: string | null = null;
  let stopping = false;
  const stop = new AbortController();

  const meterPeriod = millis(Math.max(config.meter.period, LEAST_PAUSE_WALL_ms * clock.scale));
  const meter: Sense<MeterReading> = startSense(
    clock,
    config.meter.period,
    (signal) => devices.meter.read(signal),
    onReading,
  );
  const connector: Sense<ConnectorStatus> = startSense(
    clock,
    config.connector.period,
    (signal) => devices.connector.read(signal),
    onStatus,
  );

  /** The registers of a round's end: the first reading after it. Said once; a gap is one longer statement. */
  function onReading(reading: MeterReading): void {
    if (runtime.state.deciding < 0) return;
    const round = Math.floor(reading.takenAt / round_ms) - 1;
    const before = told;
    if (before !== null && before.round >= round) return;
    const { imported: imported_Wh, exported: exported_Wh } = reading;
    told = { round, imported_Wh, exported_Wh };
    ledger.remember(TOLD_FACT, JSON.stringify(told));
    if (before === null) return; // the first reading of all: from here on energy is counted
    const led = plans.some((plan) => plan.round === round);
    runtime.feed({
      kind: 'metered',
      round,
      statement: {
        importedBefore_Wh: before.imported_Wh,
        exportedBefore_Wh: before.exported_Wh,
        imported_Wh,
        exported_Wh,
        mode: led ? 'lease' : 'fallback',
      },
    });
  }

  function onStatus(status: ConnectorStatus): void {
    const reading = meter.last?.value;
    // Once is a disturbed frame or a wiggled plug; the vehicle is gone when it is gone twice in a row.
    const gone = status.pilot === 'A' && seenGone;
    seenGone = status.pilot === 'A';
    if (gone) return setSession(null);
    if (reading === undefined || !['B', 'C', 'D'].includes(status.pilot)) return;
    if (session === null) return setSession(begin(reading, clock.now()));
    if (session.need === null && clock.now() - session.since > OWNER_SPEAKS_WITHIN_ms) {
      setSession(assumed(session, config.owner, clock.now(), LARGEST_BATTERY));
    }
  }

  function setSession(next: Session | null): void {
    if (next === session) return;
    session = next;
    if (next === null) setOverride('none'); // the owner's word was about a vehicle that is gone
    ledger.remember(FACT, next === null ? '' : JSON.stringify(next));
  }

  /** Kept, so that a vehicle that was stopped by hand does not charge because the process started again. */
  function setOverride(next: Override): void {
    if (next === override) return;
    override = next;
    ledger.remember(OVERRIDE_FACT, override);
  }

  const needAt = (extra_Wh: number): NeedNow | null => {
    const reading = meter.last?.value;
    if (session?.need == null || reading === undefined) return null;
    const { imported, exported } = metered(session, reading);
    const more = {
      imported: wattHours(imported + Math.max(0, extra_Wh)),
      exported: wattHours(exported + Math.max(0, -extra_Wh)),
    };
    return needNow(session.need, more, efficiency);
  };

  function senses(): Senses {
    const now = clock.monotonic();
    return {
      now,
      utc: clock.now(),
      clockTrusted: clock.now() >= decisionStart(runtime.state.finalNode.state.scheduleRound, round_ms),
      plans,
      noPlan: noPlan(),
      meter: meter.last && { reading: meter.last.value, age: meter.last.age, period: meterPeriod },
      connector: connector.last && { status: connector.last.value, age: connector.last.age },
      relays:
        observedAt === null
          ? null
          : {
              contacts: observed,
              age: millis(now - observedAt),
              drivenAge: drivenAt === null ? null : millis(now - drivenAt),
            },
      need: needAt(0),
      override: override === 'charge' ? 'charge now' : override,
      installation,
    };
  }

  function noPlan(): NoPlan {
    const round = Math.floor(clock.now() / round_ms);
    if (!runtime.agrees) return { round, why: 'alone' };
    const { members, mayTrade } = runtime.state.finalNode.state.registry;
    if (!isKnownTo(members) || !mayTrade[config.index]) return { round, why: 'outside' };
    if (round <= startRound) return { round, why: 'starting' };
    return { round, why: parts.brokerConnected() ? 'terminated' : 'cut-off' };
  }

  async function look(): Promise<void> {
    const contacts = await devices.relays.observe(stop.signal);
    observed = [contacts[0] ?? 'absent', contacts[1] ?? 'absent'];
    observedAt = clock.monotonic();
  }

  async function drive(contacts: Decision['contacts']): Promise<void> {
    const holdFor = millis(Math.max(Math.ceil(LEASE_ms / clock.scale), LEASE_LEAST_WALL_ms));
    await devices.relays.drive(contacts.slice(0, devices.relays.size), holdFor, stop.signal);
    drivenAt = clock.monotonic();
  }

  /** Repeated now and then although unchanged: a pilot controller that was reset must not keep its own idea. */
  async function offer(limit: Decision['offer']): Promise<void> {
    const now = clock.monotonic();
    if (offered !== null && offered.limit === limit && now - offered.at < LEASE_ms) return;
    await devices.connector.offer(limit, stop.signal);
    offered = { limit, at: now };
  }

  /** One at a time: an offer consists of several exchanges, and two of them must not interleave. */
  async function keepOffer(limit: Decision['offer']): Promise<void> {
    try {
      await offer(limit);
    } catch {
      offered = null; // its own poller tells the trouble
    }
    offering = null;
  }

  async function cycle(): Promise<void> {
    const now = clock.now();
    plans = plans.filter((plan) => plan.end > now - round_ms);
    try {
      await look();
      relayTrouble = null;
    } catch (error) {
      relayTrouble = (error as Error).message;
    }
    decision = control(state, senses(), defaultRules, limits);
    state = decision.state;
    const memory = memento(state);
    if (memory !== kept) ledger.remember(CONTACTS_FACT, memory); // durable before a contact closes
    kept = memory;
    try {
      await drive(decision.contacts);
    } catch (error) {
      relayTrouble = (error as Error).message;
    }
    offering ??= keepOffer(decision.offer);
    placeOrder();
    parts.changed();
  }

  function placeOrder(): void {
    const { deciding } = runtime.state;
    const start = unixMillis(deciding * round_ms);
    const offset_ms = clock.now() - decisionStart(deciding, round_ms);
    if (
      deciding < 0 ||
      session === null ||
      offset_ms < ORDERS_FROM * round_ms ||
      offset_ms > runtime.state.hours.orders_ms
    )
      return;
    if (runtime.state.orderedRound >= deciding) return;
    const { order } = advise({
      start,
      roundTime: millis(round_ms),
      maxWait_rounds: neighbourhood.maxWait_rounds,
      need: needAt(stillComing_Wh(clock.now())),
      maySell: session.maySell,
      buyLimit_1e5EURperkWh: config.owner.priceLimit_1e5EUR_kWh,
      efficiency,
      installation,
      vehicle: state.vehicle,
      ...(connector.last?.value.cableRating !== undefined && { cableRating: connector.last.value.cableRating }),
      pilot: connector.last?.value.pilot ?? 'unknown',
      pending: hasOpenOrder(runtime.state),
      override: override === 'charge' ? 'charge now' : override,
    });
    if (order === null) return;
    // Q of a sell order counts on the battery's side: what the converter loses is the seller's (M2).
    const power_W =
      order.side === 'buy'
        ? order.power
        : Math.min(rated.discharge_W, Math.ceil((order.power * PPM) / neighbourhood.dischargingEfficiency_ppm));
    runtime.feed({
      kind: 'wish',
      wish: {
        side: order.side,
        price: order.price_1e5EURperkWh,
        power_W,
        maxWait_rounds: order.maxWait_rounds,
        divisible: false,
        minimum_W: power_W,
      },
    });
  }

  /** What the plan in force still delivers, Wh, positive into the vehicle. */
  function stillComing_Wh(now: UnixMillis): number {
    const plan = plans.find(({ start, end }) => start <= now && now < end);
    if (plan === undefined || plan.direction === 'idle') return 0;
    const energy_Wh = Math.floor((plan.power * (plan.end - now)) / 3_600_000);
    return plan.direction === 'charge' ? energy_Wh : -energy_Wh;
  }

  /** Opens the contacts and looks until all are seen open or the time is over. Unknown is not open. */
  async function openAll(): Promise<boolean> {
    const until = clock.monotonic() + STOP_WALL_ms * clock.scale;
    const open = Array.from({ length: devices.relays.size }, () => 'open' as const);
    while (clock.monotonic() < until) {
      try {
        await devices.relays.drive(open, millis(LEASE_LEAST_WALL_ms), AbortSignal.timeout(STOP_WALL_ms));
        const seen = await devices.relays.observe(AbortSignal.timeout(STOP_WALL_ms));
        if (seen.every((contact) => contact === 'open')) return true;
      } catch {
        // tried again until the time is over
      }
      await new Promise<void>((resolve) => clock.after(millis(Math.ceil(LEAST_PAUSE_WALL_ms * clock.scale)), resolve));
    }
    return false;
  }

  const period_ms = Math.ceil(Math.max(CYCLE_ms, LEAST_PAUSE_WALL_ms * clock.scale));
  /** The schedule's, so that one late turn does not make all that follow it later. */
  let due = clock.monotonic();
  let running: Promise<void> = Promise.resolve();
  let cancel = (): void => undefined;
  const loop = (): void => {
    const began = performance.now();
    const late_ms = (clock.monotonic() - due) / clock.scale;
    running = cycle().then(() => {
      if (cycles.hasSubscribers) cycles.publish({ late_ms, took_ms: performance.now() - began } satisfies Cycle);
      if (stopping) return;
      const now = clock.monotonic();
      due = millis(Math.max(due + period_ms, now));
      cancel = clock.after(millis(due - now), loop);
    });
  };
  loop();

  const reply = (done: boolean, message: string): OwnerReply => ({ done, message });

  return {
    status: () => ({
      reading: meter.last !== null && meter.last.age < SHOWN_ms ? meter.last.value : null,
      connector: connector.last !== null && connector.last.age < SHOWN_ms ? connector.last.value : null,
      observed: observedAt !== null && clock.monotonic() - observedAt < SHOWN_ms ? observed : ['unknown', 'unknown'],
      decision,
      control: state,
      need: needAt(0),
      battery: session?.need?.battery ?? null,
      override,
      troubles: [meter.trouble, connector.trouble, relayTrouble].filter((trouble) => trouble !== null),
    }),
    adopt(plan) {
      plans = [...plans.filter(({ round }) => round !== plan.round), plan];
      ledger.remember(PLANS_FACT, JSON.stringify(plans));
    },
    owner(request) {
      if (request.kind === 'clear-weld') {
        state = clearWeld(state);
        return reply(true, 'The welding alarm is cleared; if a contact is still welded it will come back.');
      }
      if (request.kind === 'override') {
        setOverride(request.override);
        const words = {
          stop: 'Stopped.',
          charge: `Charging now, within the safe share${runtime.agrees ? ' or the plan' : ''}.`,
          none: runtime.agrees ? 'Following the plan.' : 'Charging in time for the departure, within the safe share.',
        };
        return reply(true, words[request.override]);
      }
      const reading = meter.last?.value;
      if (session === null) return reply(false, 'No vehicle is plugged in; plug it in first.');
      if (reading === undefined) return reply(false, 'The meter has not answered yet; try again in a moment.');
      if (request.need.departure_ms <= clock.now())
        return reply(false, 'The departure lies in the past; choose a later time.');
      setSession(stated(session, request.need, reading, LARGEST_BATTERY));
      return reply(true, 'Understood.');
    },
    async stop() {
      stopping = true;
      cancel();
      await running;
      meter.stop();
      connector.stop();
      // The offer first, then the contacts, read back. The lease opens them even if all of this fails.
      await offering;
      await devices.connector.offer('none', AbortSignal.timeout(STOP_WALL_ms)).catch(() => undefined);
      const opened = await openAll();
      stop.abort();
      await Promise.allSettled([devices.meter.close(), devices.connector.close(), devices.relays.close()]);
      return opened;
    },
  };
}
