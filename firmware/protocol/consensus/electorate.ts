/** electorate: whose votes count, by the chain that a block is on. Between two epochs that is not the same for all blocks. */
import { membersOf } from '../members.ts';
import { setsOf } from '../membership.ts';
import type { Registry } from '../registry.ts';
import type { ProtocolState } from '../state.ts';
import { backed, type Electorate, type Holders } from './votes.ts';

/** The members of an epoch, as far as this node knows them: those of the last final block, or those to come after it. */
export const registryAt = ({ finalNode }: ProtocolState, epoch: number): Registry =>
  membersOf(finalNode.state, epoch) ?? finalNode.state.registry;

/** Whose votes count for a block: the sets of the chain under it. Of one that is not here the door knows the epoch. */
export const electorateOf = (state: ProtocolState): Electorate => ({
  least: leastQuorum(state),
  of(block, epoch) {
    const parent = state.nodes.get(block)?.parent;
    return parent ? setsOf(parent.state) : [registryAt(state, epoch)];
  },
});

/** The smallest quorum of all sets. */
export const leastQuorum = ({ finalNode }: ProtocolState): number =>
  setsOf(finalNode.state).reduce((least, { q }) => Math.min(least, q), Number.POSITIVE_INFINITY);

/** Whose votes are heard: those of today, and those that are agreed, who may be needed before this node knows it. */
export const isVoter = ({ finalNode }: ProtocolState, node: number): boolean => {
  const { registry, handover } = finalNode.state;
  return registry.isValidator[node] || handover?.registry.isValidator[node] === true;
};

/** So many of those that are heard may lie. */
const mostLiars = ({ finalNode }: ProtocolState): number => {
  const { registry, handover } = finalNode.state;
  return registry.f + (handover?.registry.f ?? 0);
};

/**
 * The blocks that are none of the known ones and for which more than can lie have voted, or a quorum has: so an honest node holds
 * each of them, and all below it. And who.
 */
export const backedBlocks = (
  state: ProtocolState,
  known: { has(block: string): boolean },
): ReadonlyMap<string, Holders> => backed(state.votes, mostLiars(state) + 1, electorateOf(state), known);

/** Whether this very block has such voters. */
export const isBacked = (state: ProtocolState, id: string): boolean =>
  backedBlocks(state, { has: (block) => block !== id }).size > 0;
