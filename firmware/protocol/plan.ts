/**
 * The plan: this charge point's share of a committed schedule, for one round. It is all that the control of
 * the contacts ever learns from the consensus, and it ends by itself.
 */
import { type UnixMillis, unixMillis, type Watts, watts } from '../../hal/units.ts';
import type { ChainState } from './chain.ts';

export interface Plan {
  readonly round: number;
  /** Height of the block that commits it; shown to people as the reason. */
  readonly block: number;
  /** Delivery interval [start, end). */
  readonly start: UnixMillis;
  readonly end: UnixMillis;
  /** AC power at the connector: what the vehicle draws or feeds back. Zero with direction 'idle'. */
  readonly direction: 'charge' | 'discharge' | 'idle';
  readonly power: Watts;
  /** The orders it serves (hash, hexadecimal); none when idle. */
  readonly orders: readonly string[];
}

/** This node's share of the SCHEDULE that the chain has just committed; an idle plan where it has none. */
export function planOf(chain: ChainState, self: number, round_ms: number): Plan {
  const round = chain.scheduleRound;
  const own = chain.allocations.filter((allocation) => allocation.round === round && allocation.node === self);
  const net_W = own.reduce((total, { allocated_W }) => total + allocated_W, 0);
  return {
    round,
    block: chain.height,
    start: unixMillis(round * round_ms),
    end: unixMillis((round + 1) * round_ms),
    direction: net_W > 0 ? 'charge' : net_W < 0 ? 'discharge' : 'idle',
    power: watts(Math.abs(net_W)),
    orders: own.map(({ order }) => order),
  };
}
