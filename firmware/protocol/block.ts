/**
 * block: one block on its parent. A CARRY adds nothing; it lets a block that is notarised but not final be finalised
 * by a later view (protocol README, voting rule 5).
 */
import type { Hash } from '../ports.ts';
import { type BlockRefusal, type ChainState, refusal } from './chain.ts';
import { checkpointOf } from './checkpoint.ts';
import { statementKeyOf } from './members.ts';
import type { Block, Signed } from './messages.ts';
import { kindOfView } from './round.ts';
import { applySchedule } from './schedule.ts';
import { applySeal } from './seal.ts';

/** Predicate V: the state after the block, or why the block is invalid. A matter of the chain alone. */
export function applyBlock(chain: ChainState, block: Signed<Block>, hash: Hash): ChainState | BlockRefusal {
  const { round, view, body } = block;
  if (body.parent !== chain.tip) return refusal('wrong-round', 'not a child of this chain');
  const { epoch } = chain.registry;
  if (block.epoch !== epoch) return refusal('wrong-epoch', `of epoch ${block.epoch}, not ${epoch}`);
  for (const inner of body.carried)
    if (inner.body.type !== 'VOTE' && statementKeyOf(chain, inner) === null)
      return refusal(
        'wrong-epoch',
        `${inner.body.type} of node ${inner.sender}, which had no key in epoch ${inner.epoch}`,
      );
  if (body.checkpoint !== checkpointOf(chain, body.kind, round, hash))
    return refusal('wrong-checkpoint', 'it does not name the state under it as it should');
  if (body.kind === 'CARRY') {
    const done = kindOfView(view) === 'SEAL' ? chain.sealRound === round : chain.scheduleRound === round;
    if (!done || body.carried.length > 0) return refusal('wrong-kind', 'a CARRY with nothing to carry');
    return { ...chain, tip: block.id, height: chain.height + 1, settled: [] };
  }
  if (body.kind !== kindOfView(view))
    return refusal('wrong-kind', `a ${body.kind} in a view of the ${kindOfView(view)} decision`);
  return body.kind === 'SEAL' ? applySeal(chain, block, hash) : applySchedule(chain, block, hash);
}
