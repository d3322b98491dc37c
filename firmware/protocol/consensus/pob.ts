/**
 * Proof of Benefit under the paper's names (Algorithms 1 and 2). What each line became, and why, is the table in
 * README.md. The monotonic counter is the vote memory of the ledger: durable before a vote leaves.
 */
import type { ChainState } from '../chain.ts';
import type { Block, Header, Signed } from '../messages.ts';
import { type AuditedHeader, compareHeaders, scheduleBlock } from '../schedule.ts';
import type { BlockNode } from '../state.ts';

/** roundBlock and roundTime of Algorithm 1; null before the first round and after a mining (C4: one mine a round). */
export interface PoBState {
  roundBlock: string | null;
  roundTime_ms: number | null;
}

/** PoBRound(block): binds this round's mining to the highest final block. */
export function PoBRound(pob: PoBState, block: ChainState, now_ms: number): void {
  pob.roundBlock = block.tip;
  pob.roundTime_ms = now_ms;
}

/**
 * PoBMine(header, previousBlock): may this header be published? Its parent must be the SEAL that it solves, the mandatory
 * wait must be over, and it must beat the best header heard (suppression). That the SEAL's chain extends roundBlock need not
 * be asked: a node keeps only blocks that stand on its last final one. Clears the round, so that a node mines once.
 */
export function PoBMine(
  pob: PoBState,
  mined: AuditedHeader,
  previousBlock: BlockNode,
  best: AuditedHeader | null,
  earliest_ms: number,
  now_ms: number,
): boolean {
  if (pob.roundBlock === null || pob.roundTime_ms === null) return false;
  if (mined.header.body.seal !== previousBlock.state.seal) return false;
  if (now_ms < earliest_ms) return false;
  pob.roundBlock = null;
  pob.roundTime_ms = null;
  return best === null || compareHeaders(mined, best) < 0;
}

/** IMPLEMENT(newTXs, chain): the block that extends the chain by the winning header's transactions. */
export const IMPLEMENT = (header: Signed<Header>, previousBlock: BlockNode): Block =>
  scheduleBlock(previousBlock.state.tip, header);

/** BENEFIT(chain): sum of lambda over the schedule blocks that are not final yet. Orders rival tips, nothing else. */
export function BENEFIT(tip: BlockNode): number {
  let benefit = 0;
  for (let at: BlockNode | null = tip; at !== null && !at.final; at = at.parent) {
    const [header] = at.block?.body.kind === 'SCHEDULE' ? at.block.body.carried : [];
    if (header?.body.type === 'HEADER') benefit += header.body.lambda;
  }
  return benefit;
}
