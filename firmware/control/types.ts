/**
 * What the control of the contacts sees, remembers and decides. All of it is plain data: the state can be saved
 * as JSON, and a cycle is a pure function of state and senses. Ages and `now` are monotonic time; UTC serves
 * the intervals of plans and the owner's departure only, since it may step.
 */
import type { ConnectorStatus, Contact, MeterReading } from '../../hal/ports.ts';
import type { Milliamps, Millis, UnixMillis, WattHours } from '../../hal/units.ts';
import type { Plan } from '../protocol/plan.ts';
import type { Limits } from './limits.ts';

export type Direction = 'charge' | 'discharge';

/** 'absent': the connector has no such contact (a bank of one). 'unknown': it has, but nobody can see it. */
export type Observed = Contact | 'unknown' | 'absent';

/** What was fixed when the connector was commissioned. */
export interface Installation {
  readonly phases: 1 | 2 | 3;
  /** Per phase: the smaller of the connector's rating and the fuse of its circuit. */
  readonly maxCurrent: Milliamps;
  readonly charge_W: number;
  /** 0 where the connector cannot feed back. */
  readonly discharge_W: number;
  /** F_i: what may be drawn without any agreement. */
  readonly safeShare_W: number;
}

/** The owner's need as it stands now (need.ts makes it from what the owner said and what was metered). */
export interface NeedNow {
  /** To be added to the battery to reach the target; negative when it holds more than that. */
  readonly missing: WattHours;
  /** The same at the connector, conversion losses included; never negative. */
  readonly toDraw: WattHours;
  readonly departure: UnixMillis;
  readonly soc: WattHours | 'unknown';
  /** The battery never goes below this for others' sake. */
  readonly reserve: WattHours;
}

/** Why there may be no plan: shown to people when the fallback rules. */
export interface NoPlan {
  readonly round: number;
  /** `outside`: it is yet to join, was removed, or lied. */
  readonly why: 'terminated' | 'cut-off' | 'starting' | 'alone' | 'outside';
}

/** Everything a cycle may know. A sense is null until the device has answered once; then its age tells. */
export interface Senses {
  readonly now: Millis;
  readonly utc: UnixMillis;
  readonly clockTrusted: boolean;
  /** Committed plans of this and coming rounds, in any order; the control picks by time. */
  readonly plans: readonly Plan[];
  readonly noPlan: NoPlan;
  /** `period`: how often the source promises a fresh reading. */
  readonly meter: { readonly reading: MeterReading; readonly age: Millis; readonly period: Millis } | null;
  readonly connector: { readonly status: ConnectorStatus; readonly age: Millis } | null;
  /** `drivenAge`: since the bank last accepted a drive of what this control wanted; null when it never did. */
  readonly relays: {
    readonly contacts: readonly [charge: Observed, discharge: Observed];
    readonly age: Millis;
    readonly drivenAge: Millis | null;
  } | null;
  readonly need: NeedNow | null;
  readonly override: 'stop' | 'charge now' | 'none';
  readonly installation: Installation;
}

export interface ContactMemory {
  readonly wanted: Contact;
  readonly since: Millis;
  /** When the relay bank first accepted the present command. */
  readonly delivered: Millis | null;
  /** Since when it has been seen open without a gap, while commanded open. */
  readonly openSeen: Millis | null;
  /** When data first contradicted the command to open. */
  readonly suspect: Millis | null;
  /** Latched; only a person clears it. */
  readonly welded: boolean;
  /** It was told to close and seen open; cleared when it is next seen closed. */
  readonly failedToClose: boolean;
  /** Since when it has been open as far as its wear is concerned; null if it never was closed. */
  readonly restingSince: Millis | null;
  /** When it closed within the last hour, and when it opened under load within the last day. */
  readonly closings: readonly Millis[];
  readonly loadedOpenings: readonly Millis[];
  /** Life used. */
  readonly operations: number;
  readonly loadedOperations: number;
}

/** A plan with its place on the monotonic clock, fixed while UTC was trusted. */
export interface Slot {
  readonly plan: Plan;
  readonly from: Millis;
  readonly until: Millis;
}

/** What the vehicle has shown of itself since it was plugged in. */
export interface Vehicle {
  /** 0 until it has drawn. */
  readonly phases: number;
  /** What it draws although more is offered; null while it takes whatever is offered. */
  readonly limit_W: number | null;
}

export interface ControlState {
  readonly charge: ContactMemory;
  readonly discharge: ContactMemory;
  readonly slots: readonly Slot[];
  /** The last round whose plan has run out: it is never taken up again, whatever UTC does. */
  readonly lastRound: number;
  readonly offer: { readonly limit: Milliamps | 'none'; readonly since: Millis };
  /** Since when the vehicle asks for current (state C), debounced by the sequence. */
  readonly askedSince: Millis | null;
  readonly overdrawnSince: Millis | null;
  readonly vehicle: Vehicle;
  /** Both clocks at the last switching: tells after a restart how long ago that was. */
  readonly switched: { readonly now: Millis; readonly utc: UnixMillis };
}

export type ReasonCode =
  | 'contact-fault'
  | 'connector-fault'
  | 'read-back-lost'
  | 'connector-silent'
  | 'no-vehicle'
  | 'pilot-error'
  | 'ventilation'
  | 'meter-silent'
  | 'meter-slow'
  | 'overdrawn'
  | 'below-minimum'
  | 'rating'
  | 'interlock'
  | 'wear'
  | 'reserve'
  | 'clock'
  | 'owner'
  | 'plan'
  | 'fallback'
  | 'awaiting-vehicle'
  | 'withdrawing';

/** Why: a code for programs, a sentence for people. */
export interface Reason {
  readonly code: ReasonCode;
  readonly text: string;
}

/** What a level of the arbiter wants. `urgent`: open at once, under load if need be. */
export type Target =
  | { readonly contact: Direction; readonly limit: Milliamps; readonly reason: Reason }
  | { readonly contact: 'none'; readonly urgent: boolean; readonly reason: Reason };

export interface Situation {
  readonly state: ControlState;
  readonly senses: Senses;
  readonly limits: Limits;
}

/** One level's say: it sees what the levels below want and returns that, or something else. */
export type Rule = (at: Situation, below: Target) => Target;

export type FaultCode =
  | 'welded-contact'
  | 'contact-did-not-close'
  | 'connector-fault'
  | 'pilot-error'
  | 'meter-silent'
  | 'connector-silent'
  | 'read-back-lost'
  | 'clock-untrusted';

export interface Fault {
  readonly code: FaultCode;
  readonly text: string;
}

export interface Decision {
  readonly state: ControlState;
  readonly contacts: readonly [charge: Contact, discharge: Contact];
  readonly offer: Milliamps | 'none';
  readonly reason: Reason;
  readonly faults: readonly Fault[];
}
