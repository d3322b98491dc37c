/**
 * settlement: what was ordered, allocated and metered, per order and round, from the METER statements that a SEAL
 * carries. Energy in joules, import positive. A charge point's rows of a statement sum to the difference of its
 * registers exactly (1 Wh = 3,600 J): energy is split among orders, never made or lost. Money is an issue of its own.
 */
import type { MeterStatement, Signed } from './messages.ts';

export interface SettlementRow {
  /** Last delivery round covered, and how many: more than one where statements were missing in between. */
  readonly round: number;
  readonly rounds: number;
  readonly node: number;
  /** Order id; null for energy that no allocation covers (fallback, or drawn beyond the plan). */
  readonly order: string | null;
  readonly ordered_J: number;
  readonly allocated_J: number;
  readonly metered_J: number;
}

export interface Allocation {
  readonly round: number;
  readonly node: number;
  readonly order: string;
  /** What the order asked for and what the schedule gave, as power at the head meter, import positive. */
  readonly ordered_W: number;
  readonly allocated_W: number;
}

export interface Registers {
  readonly round: number;
  readonly imported_Wh: number;
  readonly exported_Wh: number;
}

const WH_J = 3600;

/** Net energy of a statement since the registers before it. A register that went back was reset: its own "before" counts. */
export function meteredEnergy_J(statement: MeterStatement, before: Registers | null): number {
  const reset =
    before === null || statement.imported_Wh < before.imported_Wh || statement.exported_Wh < before.exported_Wh;
  const imported_Wh = statement.imported_Wh - (reset ? statement.importedBefore_Wh : before.imported_Wh);
  const exported_Wh = statement.exported_Wh - (reset ? statement.exportedBefore_Wh : before.exported_Wh);
  return (imported_Wh - exported_Wh) * WH_J;
}

/** The rows of one statement: each allocation gets what was metered up to its share, the first in age first. */
export function settle(
  statement: Signed<MeterStatement>,
  before: Registers | null,
  allocations: readonly Allocation[],
  roundTime_s: number,
): SettlementRow[] {
  const { round, sender: node } = statement;
  const rounds = before === null ? 1 : round - before.round;
  const own = allocations.filter((a) => a.node === node && a.round > round - rounds && a.round <= round);
  let left_J = meteredEnergy_J(statement.body, before);
  const rows: SettlementRow[] = own.map((allocation) => {
    const allocated_J = allocation.allocated_W * roundTime_s;
    // The part of what is left that lies between nothing and the allocation, whichever way energy flows.
    const metered_J =
      allocated_J >= 0 ? Math.max(0, Math.min(left_J, allocated_J)) : Math.min(0, Math.max(left_J, allocated_J));
    left_J -= metered_J;
    const ordered_J = allocation.ordered_W * roundTime_s;
    return { round, rounds, node, order: allocation.order, ordered_J, allocated_J, metered_J };
  });
  if (left_J !== 0 || rows.length === 0) {
    rows.push({ round, rounds, node, order: null, ordered_J: 0, allocated_J: 0, metered_J: left_J });
  }
  return rows;
}
