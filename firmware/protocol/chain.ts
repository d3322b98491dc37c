/**
 * The state of a chain: what its blocks add up to. `seal.ts`, `schedule.ts` make the next state from a state and a
 * block and refuse an invalid block (predicate V); states are never changed, so that rival tips can share them.
 */
import type { Instance } from './benefit/instance.ts';
import type { RoundRecord } from './benefit/pose.ts';
import type { Handover } from './members.ts';
import type { Order, Signed } from './messages.ts';
import type { Registry } from './registry.ts';
import type { Allocation, Registers, SettlementRow } from './settlement.ts';

export interface PendingEntry {
  readonly order: Signed<Order>;
  /** Committed rounds waited. */
  readonly age: number;
  /** What is still to be served: less than the order's for a divisible one that was served in part. */
  readonly remaining_W: number;
}

/** What the chain keeps of a delivery round. */
export interface ChainRound extends RoundRecord {
  /** Net power at the head meter of the orders that were placed for this round, had they run at once. */
  readonly placed_W: number;
  readonly committed: boolean;
  /** Net power of the schedule; 0 unless committed. */
  readonly scheduled_W: number;
  /** Net power of the charge points: of each what it metered or, until that is on the chain, what it was allocated. */
  readonly vehicles_W: number;
  /** First of the rounds between the two readings that gave Theta, which is the average of them. There where Theta is. */
  readonly averagedFrom_round?: number;
}

/** Of a node's last METER. */
export interface NodeRegisters extends Registers {
  /** Bit i: its METER of round - i was of that round alone. */
  readonly alone: number;
}

/** Of the last SITE. */
export interface SiteRegisters extends Registers {
  readonly takenAt_ms: number;
}

export interface ChainState {
  /** Who takes part, and by which numbers. */
  readonly registry: Registry;
  /** Who is about to, null mostly. */
  readonly handover: Handover | null;
  /** Id of the last block; the neighbourhood's hash before the first. */
  readonly tip: string;
  readonly height: number;
  /** Round and id of the last SEAL, and the problem that it poses (null before the first). */
  readonly sealRound: number;
  readonly seal: string;
  readonly instance: Instance | null;
  /** Round and id of the last SCHEDULE; the id is the seed of ties. */
  readonly scheduleRound: number;
  readonly schedule: string;
  /** In the order of the instance. */
  readonly pending: readonly PendingEntry[];
  /** Oldest first, a few days. */
  readonly rounds: readonly ChainRound[];
  readonly allocations: readonly Allocation[];
  /** By node: the registers of its last statement. */
  readonly registers: readonly (NodeRegisters | null)[];
  readonly site: SiteRegisters | null;
  /** What the last block, if a SEAL, settled. */
  readonly settled: readonly SettlementRow[];
}

export const genesisState = (registry: Registry): ChainState => ({
  registry,
  handover: null,
  tip: registry.genesis,
  height: 0,
  sealRound: -1,
  seal: registry.genesis,
  instance: null,
  scheduleRound: -1,
  schedule: registry.genesis,
  pending: [],
  rounds: [],
  allocations: [],
  registers: registry.publicKeys.map(() => null),
  site: null,
  settled: [],
});

/** Why a block is invalid on its parent: a bug or a lie of its leader, never a matter of time. */
export interface BlockRefusal {
  readonly code:
    | 'wrong-kind'
    | 'wrong-checkpoint'
    | 'wrong-round'
    | 'wrong-epoch'
    | 'bad-membership'
    | 'unsorted'
    | 'bad-order'
    | 'bad-meter'
    | 'bad-site'
    | 'site-missing'
    | 'wrong-seal'
    | 'infeasible'
    | 'wrong-benefit';
  readonly detail: string;
}

export const refusal = (code: BlockRefusal['code'], detail: string): BlockRefusal => ({ code, detail });
export const isRefusal = (result: ChainState | BlockRefusal): result is BlockRefusal => 'code' in result;
