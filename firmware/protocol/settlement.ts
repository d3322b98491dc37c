/**
 * settlement: what was ordered, allocated and metered, per order and round, from the METER statements that a SEAL
 * carries. Energy in joules, import positive. A charge point's rows of a statement sum to the difference of its
 * registers exactly (1 Wh = 3,600 J): energy is split among orders, never made or lost, as long as they are those of one meter. Money is an issue of its own.
 */
import type { Neighbourhood } from './genesis.ts';
import { METER_ROUNDS_BACK, VEHICLE_MOST_PERCENT } from './limits.ts';
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

/**
 * Net energy of a statement since the registers before it on the chain. Registers that went back, or moved by more than the connector
 * can do, are those of another meter: then the registers count that the statement itself says it began with. Null where it
 * cannot have moved by that either: so far nobody knows.
 */
export function meteredEnergy_J(
  { round, sender, body }: Signed<MeterStatement>,
  before: Registers | null,
  { nodes, roundTime_s }: Neighbourhood,
): number | null {
  const most_W = vehicleMost_W(nodes[sender]);
  const since = (imported_Wh: number, exported_Wh: number, rounds: number): number | null => {
    const [drawn_Wh, fed_Wh] = [body.imported_Wh - imported_Wh, body.exported_Wh - exported_Wh];
    const net_J = (drawn_Wh - fed_Wh) * WH_J;
    return drawn_Wh >= 0 && fed_Wh >= 0 && Math.abs(net_J) <= most_W * roundTime_s * rounds ? net_J : null;
  };
  const known_J = before && since(before.imported_Wh, before.exported_Wh, round - before.round);
  // A reading may have been late, by less than a round.
  const rounds = before === null ? METER_ROUNDS_BACK : Math.min(METER_ROUNDS_BACK, round - before.round + 1);
  return known_J ?? since(body.importedBefore_Wh, body.exportedBefore_Wh, rounds);
}

/** What a vehicle may draw or feed at most, whatever its meter says. */
export const vehicleMost_W = ({ connector }: Neighbourhood['nodes'][number]): number =>
  connector === undefined
    ? 0
    : Math.floor((Math.max(connector.charge_W, connector.discharge_W) * VEHICLE_MOST_PERCENT) / 100);

/** The rows of one statement: each allocation gets what was metered up to its share, the first in age first. */
export function settle(
  statement: Signed<MeterStatement>,
  before: Registers | null,
  allocations: readonly Allocation[],
  neighbourhood: Neighbourhood,
): SettlementRow[] {
  const { round, sender: node } = statement;
  const rounds = before === null ? 1 : round - before.round;
  const own = allocations.filter((a) => a.node === node && a.round > round - rounds && a.round <= round);
  const { roundTime_s } = neighbourhood;
  let left_J = meteredEnergy_J(statement, before, neighbourhood) ?? 0;
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
