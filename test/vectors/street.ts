/** Streets lived through by hand: SEALs with what a test says was read and metered, and after them what a SCHEDULE would have allocated. */
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { applyBlock } from '../../firmware/protocol/block.ts';
import { type ChainState, genesisState, isRefusal } from '../../firmware/protocol/chain.ts';
import {
  type Body,
  type MeterStatement,
  payloadOf,
  type Signed,
  type Site,
  signed,
} from '../../firmware/protocol/messages.ts';
import { firstView } from '../../firmware/protocol/round.ts';
import { sealBlock } from '../../firmware/protocol/seal.ts';
import { registry } from './messages.ts';

const HEAD = registry.headMeter;

/** The chain asks for no signature: that is the door's. So none is made, which is most of the time that a street takes. */
const NO_SIGNATURE = new Uint8Array(64);
function said<B extends Body>(
  sender: number,
  body: B,
  place: { readonly round: number; readonly view?: number },
): Signed<B> {
  const message = { epoch: 0, view: 0, sender, ...place, body };
  return signed(message, payloadOf(message, registry.tag), NO_SIGNATURE, sha256);
}

export interface Limits {
  readonly capacity_W: number;
  readonly exportLimit_W: number;
  readonly margin_W: number;
  /** Of each connector, both ways. */
  readonly rating_W: number;
  /** Of each charge point. */
  readonly safeShares_W: readonly number[];
}

/** A street of the charge points of the vectors, with limits of its own, of which nothing has been sealed. */
export const emptyStreet = ({ safeShares_W, rating_W, ...limits }: Limits): ChainState => {
  const { neighbourhood } = registry;
  const rating = { charge_W: rating_W, discharge_W: rating_W };
  const nodes = neighbourhood.nodes.map((node, i) => ({
    ...node,
    safeShare_W: safeShares_W[i] ?? 0,
    ...(node.connector && { connector: { ...node.connector, ...rating } }),
  }));
  return genesisState({ ...registry, neighbourhood: { ...neighbourhood, ...limits, nodes } });
};

export type Reading = Omit<Site, 'type'>;
export const meterOf = (node: number, round: number, registers: Omit<MeterStatement, 'type' | 'mode'>) =>
  said<MeterStatement>(node, { type: 'METER', ...registers, mode: 'lease' }, { round });

/** The chain after a SEAL of the round; null where it must not be sealed for want of a reading. */
export function sealed(
  chain: ChainState,
  round: number,
  { site, meters }: { readonly site: Reading | null; readonly meters: readonly Signed<MeterStatement>[] },
  apply = applyBlock,
): ChainState | null {
  const reading = site && said<Site>(HEAD, { type: 'SITE', ...site }, { round });
  const body = sealBlock(chain.tip, { orders: [], meters, site: reading }, '');
  const next = apply(chain, said(2, body, { round, view: firstView(round, 'SEAL') }), sha256);
  if (!isRefusal(next)) return next;
  if (next.code !== 'site-missing') throw new Error(`${next.code}: ${next.detail}`);
  return null;
}

/** The chain as a SCHEDULE of the round just sealed leaves it that allocates so many W at the head meter, by node. */
export function scheduled(chain: ChainState, told_W: readonly number[]): ChainState {
  const round = chain.sealRound;
  const allocations = told_W.map((told, node) => ({ round, node, order: 'aa', ordered_W: told, allocated_W: told }));
  const scheduled_W = told_W.reduce((sum, told) => sum + told, 0);
  return {
    ...chain,
    allocations: [...chain.allocations.filter((a) => a.round >= round - 12), ...allocations],
    rounds: chain.rounds.with(-1, { ...chain.rounds.at(-1)!, committed: true, scheduled_W, vehicles_W: scheduled_W }),
  };
}
