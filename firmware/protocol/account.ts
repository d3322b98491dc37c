/**
 * account: what remains of a block once it is pruned. How much was ordered, given and metered of the orders that it
 * settles, what was metered without one (safe share, beyond the plan), and the rows of this node's own charge point: what its owner may ask for long after the neighbours' orders are gone.
 */
import type { Account } from '../ports.ts';
import type { ChainState } from './chain.ts';
import { decode, encode, fromHex, toHex } from './codec.ts';
import type { SettlementRow } from './settlement.ts';
import type { FinalStep } from './state.ts';

/** What is kept of a final block for good (ports.ts). `self` names the charge point whose rows are kept one by one. */
export function accountOf({ block, before, state }: Omit<FinalStep, 'votes'>, self: number): Account {
  const seal = block.body.kind === 'SEAL';
  const total_J = (rows: readonly SettlementRow[], of: (row: SettlementRow) => number): number =>
    rows.reduce((sum, row) => sum + Math.abs(of(row)), 0);
  const orders = state.settled.filter(({ order }) => order !== null);
  const rest = state.settled.filter(({ order }) => order === null);
  const own = state.settled.filter(
    ({ node, order, metered_J }) => node === self && (order !== null || metered_J !== 0),
  );
  return {
    height: state.height,
    round: block.round,
    rounds: !seal ? 0 : before.sealRound < 0 ? 1 : block.round - before.sealRound,
    committed: block.body.kind === 'SCHEDULE' ? 1 : 0,
    ordered_J: total_J(firstRows(orders, before), (row) => row.ordered_J),
    allocated_J: total_J(orders, (row) => row.allocated_J),
    metered_J: total_J(orders, (row) => row.metered_J),
    unordered_J: total_J(rest, (row) => row.metered_J),
    own: encode(
      own.map((row) => [
        row.round,
        row.rounds,
        row.node,
        row.order === null ? null : fromHex(row.order),
        row.ordered_J,
        row.allocated_J,
        row.metered_J,
      ]),
    ),
  };
}

/** One row for each order, the first: one that was served in parts was ordered once. */
function firstRows(rows: readonly SettlementRow[], { allocations }: ChainState): SettlementRow[] {
  const seen = new Set<string | null>();
  return rows.filter(({ order, round, rounds }) => {
    const begun = allocations.some((a) => a.order === order && a.round <= round - rounds);
    if (begun || seen.has(order)) return false;
    seen.add(order);
    return true;
  });
}

type RowFields = [number, number, number, Uint8Array | null, number, number, number];

/** The rows that an account keeps one by one. */
export const rowsOf = (own: Uint8Array): SettlementRow[] =>
  (decode(own) as unknown as RowFields[]).map(([round, rounds, node, order, ordered_J, allocated_J, metered_J]) => {
    return { round, rounds, node, order: order && toHex(order), ordered_J, allocated_J, metered_J };
  });
