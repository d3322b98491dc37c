/**
 * What a charge point needs of its hardware, in the words of the trade. Imports units and errors only; the
 * drivers of hal/drivers and the in-memory twins of sim-hardware/ports implement it and pass the same
 * compliance suite (test/compliance). Every call takes an AbortSignal: a deadline belongs to the caller.
 */
import type { Milliamps, Millis, UnixMillis, WattHours, Watts } from './units.ts';

/** An energy meter. Energy flowing to the vehicle (or from the grid, for a head meter) counts positive. */
export interface Meter {
  readonly id: string;
  /** One consistent reading, fresh from the device. Throws HalError; never repeats an old value. */
  read(signal: AbortSignal): Promise<MeterReading>;
  close(): Promise<void>;
}

export interface MeterReading {
  /** When it was asked for, by the clock given to the driver: a late answer counts for the time of the question. */
  readonly takenAt: UnixMillis;
  /** Registers. They never go down unless the device was reset, which is an `implausible` fault. */
  readonly imported: WattHours;
  readonly exported: WattHours;
  /** Negative when the vehicle (or the neighbourhood) feeds back. */
  readonly power: Watts;
  readonly phaseCurrents: readonly [Milliamps, Milliamps, Milliamps];
}

export type Contact = 'open' | 'closed';

/** Contactors. What we asked for and what is so are two different facts. */
export interface RelayBank {
  readonly id: string;
  /** How many contacts; their order is that of the configuration: charge, discharge. */
  readonly size: number;
  /** Sets all contacts together; the board opens them by itself unless renewed within holdFor. */
  drive(wanted: readonly Contact[], holdFor: Millis, signal: AbortSignal): Promise<void>;
  /** Read back from auxiliary contacts; 'unknown' where there are none or nothing fresh is known. */
  observe(signal: AbortSignal): Promise<readonly (Contact | 'unknown')[]>;
  close(): Promise<void>;
}

/** IEC 61851-1 pilot states: A no vehicle, B connected, C charging, D charging with ventilation, E/F error. */
export type PilotState = 'A' | 'B' | 'C' | 'D' | 'E' | 'F';

export type ConnectorFault =
  | 'ground-fault'
  | 'overcurrent'
  | 'over-temperature'
  | 'pilot-out-of-range'
  | 'welded-contact';

export interface ConnectorStatus {
  readonly takenAt: UnixMillis;
  readonly pilot: PilotState;
  /** Absent with a fixed cable. */
  readonly cableRating?: Milliamps;
  readonly faults: ReadonlySet<ConnectorFault>;
}

/** The pilot controller of one connector. */
export interface Connector {
  readonly id: string;
  /** Fresh from the device. Throws HalError. */
  read(signal: AbortSignal): Promise<ConnectorStatus>;
  /** The current per phase that the vehicle may draw; 'none' withdraws the offer. The duty cycle is the driver's. */
  offer(limit: Milliamps | 'none', signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
