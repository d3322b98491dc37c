/**
 * What a node answers to a peer that lacks something: a page of the final chain or, to who has all of it, what is open; or a
 * part of a checkpoint, where the next block is kept no longer. Whatever is too long for one page can be asked
 * for in several: the question says what is there already.
 */
import type { Checkpoint } from '../../ports.ts';
import { MESSAGE_MAX_BYTES, SYNC_PAGE_BYTES, TIPS_MAX } from '../limits.ts';
import { closingVotes } from '../membership.ts';
import type { Block, Signed, StatePart, SyncRequest, SyncResponse, Vote } from '../messages.ts';
import { openPath, type ProtocolState } from '../state.ts';
import { electorateOf } from './electorate.ts';
import { allVotes, certificate } from './votes.ts';

/** A question, and who has asked it. */
export type Question = Omit<SyncRequest, 'type'> & { readonly epoch: number };

/** What a node keeps of the final chain. */
export interface Shelf {
  /** The newest above a height that the members of an epoch, or those right after them, can vouch for. */
  checkpointAbove(height: number, epoch: number): Checkpoint | null;
  /** The blocks that follow a height, as many as fit into so many bytes, at least one unless the next one is not kept. */
  above(height: number, maxBytes: number): SyncResponse['blocks'];
}

/** Bytes of blocks in a page, and of all that it holds: a message less what is around it. */
const ROOM = { blocks: SYNC_PAGE_BYTES, page: MESSAGE_MAX_BYTES - 4096 };
/** A signed message inside another, beside its payload: the signature and the CBOR around both. */
const AROUND_BYTES = 64 + 8;

/** Null when there is nothing to tell. */
export function answer(
  state: ProtocolState,
  { to, epoch, height, asked_ms, offset, tips }: Question,
  shelf: Shelf,
  room = ROOM,
): SyncResponse | StatePart | null {
  const page = offset > 0 ? [] : shelf.above(height, room.blocks);
  const kept = page.length > 0 ? null : shelf.checkpointAbove(offset > 0 ? height - 1 : height, epoch);
  if (kept !== null) {
    const from = kept.height === height ? offset : 0; // a newer one, perhaps, than was begun
    const part = partOf(kept.state, from);
    return { type: 'STATE', to, height: kept.height, asked_ms, offset: from, total: kept.state.length, part };
  }
  // Up to the last certificate; a page without one is a part of a run that is longer than a page.
  const whole = ofOneEpoch(page);
  const certified = whole.findLastIndex(({ votes }) => votes.length > 0) + 1;
  const blocks = whole.slice(0, certified === 0 ? whole.length : certified);
  // Whoever lacks blocks asks again. It may learn only from them whose votes those behind them are, and its door would refuse the page.
  const isAtTip = blocks.length === 0 && height >= state.finalNode.state.height;
  const pending = isAtTip ? fitting(openPart(state, tips), room.page) : [];
  return blocks.length + pending.length === 0 ? null : { type: 'SYNC_RES', to, height, asked_ms, blocks, pending };
}

/**
 * The blocks of a page up to the next that takes a hand-over further: whoever reads on must know the members from there on,
 * and learns them from what comes before. The block under that one has its FINAL votes always.
 */
function ofOneEpoch(page: SyncResponse['blocks']): SyncResponse['blocks'] {
  const end = page.findIndex(({ block }, i) => i > 0 && closingVotes(block).length > 0);
  return end < 0 ? page : page.slice(0, end);
}

/** The bytes of a part: as many as fit, so that nobody can keep a node waiting by sending few at a time. */
const partOf = (bytes: Uint8Array, offset: number): Uint8Array => bytes.slice(offset, offset + SYNC_PAGE_BYTES);

export const bytesOf = (messages: readonly Signed[]): number =>
  messages.reduce((sum, { payload }) => sum + payload.length + AROUND_BYTES, 0);

/** The first of the messages, as many as fit. */
function fitting<T extends Signed>(messages: readonly T[], bytes: number): T[] {
  let left = bytes;
  const end = messages.findIndex((message) => {
    left -= bytesOf([message]);
    return left < 0;
  });
  return messages.slice(0, end < 0 ? messages.length : end);
}

/**
 * What is open beyond the final chain, without what the asker has: the notarised blocks in the order in which they stand on
 * one another, each with its certificate, so that a page which is cut anywhere has brought it further; then votes, the
 * latest first, and proposals.
 */
function openPart(state: ProtocolState, tips: readonly string[]): Signed<Block | Vote>[] {
  const { nodes, votes } = state;
  const held = new Set(tips.flatMap((tip) => openPath(nodes.get(tip)).map(({ block }) => block.id)));
  const open = [...nodes.values()].filter(({ final }) => !final).sort((a, b) => a.view - b.view);
  const wanted = new Set<Signed<Block | Vote>>();
  for (const node of open) {
    if (!node.notarized) continue;
    const lacking = openPath(node).flatMap(({ block }) => (held.has(block.id) ? [] : [block]));
    for (const block of lacking) wanted.add(block);
    if (lacking.length > 0)
      for (const vote of certificate(votes, 'notarize', node.view, electorateOf(state)) ?? []) wanted.add(vote);
  }
  const isSettled = new Set(open.filter(({ notarized }) => notarized).map(({ view }) => view));
  for (const vote of allVotes(votes)) if (vote.body.kind !== 'notarize' || !isSettled.has(vote.view)) wanted.add(vote);
  for (const { block } of open) if (block !== null && !held.has(block.id)) wanted.add(block);
  return [...wanted];
}

/** What this node need not be told: the last notarised blocks of each branch, and so all below them. */
export function tipsOf({ nodes }: ProtocolState): string[] {
  const open = [...nodes.values()].filter(({ notarized, final }) => notarized && !final);
  const built = new Set(open.map(({ parent }) => parent));
  return open
    .filter((node) => !built.has(node))
    .sort((a, b) => b.view - a.view)
    .map(({ state }) => state.tip)
    .slice(0, TIPS_MAX);
}
