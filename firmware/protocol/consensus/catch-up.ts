/**
 * Catching up in more than one page: the state of a checkpoint, where the blocks that follow one's own are pruned everywhere,
 * and a run of blocks that became final together come in parts from one peer, and are believed once a quorum's FINAL stands
 * at their end. Until then they are bounded, and thrown away with the next peer's.
 */
import { type ChainState, isRefusal } from '../chain.ts';
import { openCheckpoint } from '../checkpoint.ts';
import { concat } from '../codec.ts';
import { RUN_MAX_BYTES, SYNC_PAGE_BYTES } from '../limits.ts';
import type { Block, Signed, StatePart } from '../messages.ts';
import { leaderOf } from '../round.ts';
import { type BlockNode, type Outcome, type ProtocolState, registryOf, rootOf } from '../state.ts';
import { bytesOf, tipsOf } from './answer.ts';

const NOTHING = new Uint8Array(0);

/** How long a peer has for its answer, and when the same one is asked again: it answers once a Δ. */
const ANSWER_DELTAS = 3;
const AGAIN_DELTAS = 2;

/** Asks a peer for what follows a height, or for the rest of the state at that height. */
export function askPeer(state: ProtocolState, out: Outcome, to: number, height: number, offset: number): void {
  state.syncAt_ms = state.now_ms + ANSWER_DELTAS * state.hours.delta_ms;
  state.asked.set(to, state.now_ms);
  const body = { type: 'SYNC_REQ', to, height, asked_ms: state.now_ms, offset, tips: tipsOf(state) } as const;
  out.send.push({ epoch: registryOf(state).epoch, round: state.deciding, view: 0, sender: state.self, body });
}

/** Asks on where something is coming in: for the next part of a state, or for the next blocks of a run. */
export function askOn(state: ProtocolState, out: Outcome): void {
  const { incoming } = state;
  if (incoming === null || state.now_ms < incoming.askAt_ms) return;
  state.incoming = { ...incoming, askAt_ms: Number.POSITIVE_INFINITY };
  const { from, height, run, complete, bytes } = incoming;
  askPeer(state, out, from, height + run.length, complete ? 0 : bytes.length);
}

/** One part more: the answer to what was asked, and in order. */
export function onStatePart(state: ProtocolState, { sender, body }: Signed<StatePart>): void {
  const { height, offset, total, part } = body;
  if (body.asked_ms !== state.asked.get(sender) || height <= state.finalNode.state.height) return;
  const { incoming } = state;
  const before = offset === 0 ? NOTHING : incoming?.height === height ? incoming.bytes : null;
  if (before?.length !== offset || part.length !== Math.min(SYNC_PAGE_BYTES, total - offset)) return;
  const bytes = concat(before, part);
  const askAt_ms = state.now_ms + AGAIN_DELTAS * state.hours.delta_ms;
  state.asked.delete(sender);
  state.syncAt_ms = askAt_ms + ANSWER_DELTAS * state.hours.delta_ms;
  state.incoming = { from: sender, height, bytes, complete: bytes.length === total, run: [], askAt_ms };
}

/** What came before a page of this peer: the run that the page continues, as long as nothing else has taken its place. */
export function begunRun(state: ProtocolState, from: number, height: number): readonly BlockNode[] {
  const { incoming, finalNode } = state;
  if (incoming?.from !== from || incoming.height < finalNode.state.height) return [];
  return height === incoming.height + incoming.run.length ? incoming.run : [];
}

/** The next block of a run, if it can stand there: in a later view, by the leader of that view, valid by V. Else null. */
export function nextOfRun(state: ProtocolState, run: readonly BlockNode[], block: Signed<Block>): BlockNode | null {
  const parent = run.at(-1) ?? baseOf(state, block);
  if (parent?.state.tip !== block.body.parent || block.view <= parent.view) return null;
  if (leaderOf(parent.state.registry, block.view) !== block.sender) return null;
  const next = applied(state, parent, block);
  if (next === null) return null;
  const node = { block, view: block.view, parent, state: next, notarized: false, final: false };
  return state.nodes.get(block.id) ?? node;
}

/** The state after a block of a page; null if it is not valid, or if the state under it, still unproven, makes no sense. */
function applied(state: ProtocolState, parent: BlockNode, block: Signed<Block>): ChainState | null {
  try {
    const next = state.audit.applyBlock(parent.state, block, state.hash);
    return isRefusal(next) ? null : next;
  } catch (error) {
    if (state.nodes.has(parent.state.tip)) throw error; // a state of this node's own: a bug
    return null;
  }
}

/** Keeps a run whose certificate is in a later page, and asks the same peer on; one that grows too long is thrown away. */
export function keepRun(state: ProtocolState, from: number, run: readonly BlockNode[]): void {
  const { incoming } = state;
  const { height } = (run[0].parent as BlockNode).state;
  const bytes = incoming?.from === from && incoming.height === height ? incoming.bytes : NOTHING;
  const askAt_ms = state.now_ms + AGAIN_DELTAS * state.hours.delta_ms;
  state.syncAt_ms = askAt_ms + ANSWER_DELTAS * state.hours.delta_ms;
  const isLong = bytesOf(run.map(({ block }) => block as Signed<Block>)) > RUN_MAX_BYTES;
  state.incoming = isLong ? null : { from, height, bytes, complete: true, run, askAt_ms };
}

/**
 * The node under the first block of a run: the last final block, or the checkpoint that has come in, if it is the block that
 * names it.
 */
function baseOf(state: ProtocolState, first: Signed<Block>): BlockNode | null {
  const { finalNode, incoming, hash } = state;
  if (first.body.parent === finalNode.state.tip) return finalNode;
  if (!incoming?.complete || incoming.height <= finalNode.state.height) return null;
  const chain = openCheckpoint(incoming.bytes, first, registryOf(state), hash);
  return isRefusal(chain) || chain.height !== incoming.height ? null : rootOf(chain);
}
