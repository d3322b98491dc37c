/**
 * account: what remains of a block once it is pruned. How much was ordered, given and metered by all, and the rows of this
 * node's own charge point: what its owner may ask for long after the neighbours' orders are gone.
 */
import type { Account } from '../ports.ts';
import { siteEffect_W } from './benefit/instance.ts';
import { decode, encode, fromHex, toHex } from './codec.ts';
import type { Registry } from './registry.ts';
import type { SettlementRow } from './settlement.ts';
import type { FinalStep } from './state.ts';

/** What is kept of a final block for good (ports.ts). `self` names the charge point whose rows are kept one by one. */
export function accountOf(
  { block, before, state }: Omit<FinalStep, 'votes'>,
  registry: Registry,
  self: number,
): Account {
  const { neighbourhood } = registry;
  const seal = block.body.kind === 'SEAL';
  const total_J = (of: (row: SettlementRow) => number): number =>
    state.settled.reduce((sum, row) => sum + Math.abs(of(row)), 0);
  const own = state.settled.filter(
    ({ node, order, metered_J }) => node === self && (order !== null || metered_J !== 0),
  );
  return {
    height: state.height,
    round: block.round,
    rounds: !seal ? 0 : before.sealRound < 0 ? 1 : block.round - before.sealRound,
    committed: block.body.kind === 'SCHEDULE' ? 1 : 0,
    ordered_J: block.body.carried.reduce(
      (sum, { body }) =>
        body.type === 'ORDER'
          ? sum + Math.abs(siteEffect_W(neighbourhood, body.side, body.power_W)) * neighbourhood.roundTime_s
          : sum,
      0,
    ),
    allocated_J: total_J((row) => row.allocated_J),
    metered_J: total_J((row) => row.metered_J),
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

type RowFields = [number, number, number, Uint8Array | null, number, number, number];

/** The rows that an account keeps one by one. */
export const rowsOf = (own: Uint8Array): SettlementRow[] =>
  (decode(own) as unknown as RowFields[]).map(([round, rounds, node, order, ordered_J, allocated_J, metered_J]) => {
    return { round, rounds, node, order: order && toHex(order), ordered_J, allocated_J, metered_J };
  });
