/** A pilot controller on Modbus, as data: where it shows the IEC 61851 state and takes the current limit. */
import type { ConnectorFault } from '../ports.ts';

export interface ConnectorTable {
  readonly model: string;
  readonly source: string;
  /** Factory setting of the unit id. */
  readonly unit: number;
  /** Input registers (function 4), zero-based, read in one block. */
  readonly status: {
    readonly address: number;
    readonly count: number;
    /** Offset of the pilot state: its low byte is ASCII A to F. */
    readonly pilot: number;
    /** Offset of the cable's rating in A; 0 without a cable or with a fixed one. */
    readonly cable_A: number;
    /** Offset of the error bits. */
    readonly errors: number;
  };
  /** What each error bit means to us. Bits that are not named concern nothing that we act on. */
  readonly faults: readonly { readonly bit: number; readonly fault: ConnectorFault }[];
  /** Holding register (function 6): current limit in whole A. Less than the least cannot be offered. */
  readonly limit: { readonly address: number; readonly least_A: number; readonly most_A: number };
  /** Coil (function 5): the offer stands. */
  readonly enable: { readonly address: number };
}
