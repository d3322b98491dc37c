/**
 * Catching up where the blocks that follow one's own are pruned everywhere: the state of a checkpoint comes in parts from
 * one peer and is believed once a quorum's FINAL stands behind the block that names its hash. Until then it is bytes,
 * bounded, and thrown away with the next peer's.
 */
import { isRefusal } from '../chain.ts';
import { openCheckpoint } from '../checkpoint.ts';
import { concat } from '../codec.ts';
import { SYNC_PAGE_BYTES } from '../limits.ts';
import type { Block, Signed, StatePart } from '../messages.ts';
import { type BlockNode, type Outcome, type ProtocolState, registryOf, rootOf } from '../state.ts';

const NOTHING = new Uint8Array(0);

/** How long a peer has for its answer, and when the same one is asked again: it answers once a Δ. */
const ANSWER_DELTAS = 3;
const AGAIN_DELTAS = 2;

/** Asks a peer for what follows a height, or for the rest of the state at that height. */
export function askPeer(state: ProtocolState, out: Outcome, to: number, height: number, offset: number): void {
  state.syncAt_ms = state.now_ms + ANSWER_DELTAS * state.hours.delta_ms;
  state.asked.set(to, state.now_ms);
  const body = { type: 'SYNC_REQ', to, height, asked_ms: state.now_ms, offset } as const;
  out.send.push({ epoch: registryOf(state).epoch, round: state.deciding, view: 0, sender: state.self, body });
}

/** Asks on where a state is coming in: for the next part, or for the blocks that prove the whole. */
export function askOn(state: ProtocolState, out: Outcome): void {
  const { incoming } = state;
  if (incoming === null || state.now_ms < incoming.askAt_ms) return;
  state.incoming = { ...incoming, askAt_ms: Number.POSITIVE_INFINITY };
  askPeer(state, out, incoming.from, incoming.height, incoming.complete ? 0 : incoming.bytes.length);
}

/**
 * The blocks of a page up to the next that takes a hand-over further: whoever reads on must know the members from there on,
 * and learns them from what comes before. The block under that one has its FINAL votes always.
 */
export function ofOneEpoch(blocks: readonly Signed<Block>[]): readonly Signed<Block>[] {
  const end = blocks.findIndex(({ body }, i) => i > 0 && body.carried.some((message) => message.body.type === 'VOTE'));
  return end < 0 ? blocks : blocks.slice(0, end);
}

/** The bytes of a part: as many as fit, so that nobody can keep a node waiting by sending few at a time. */
export const partOf = (bytes: Uint8Array, offset: number): Uint8Array => bytes.slice(offset, offset + SYNC_PAGE_BYTES);

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
  state.incoming = { from: sender, height, bytes, complete: bytes.length === total, askAt_ms };
}

/**
 * The node under a run of blocks whose last one has FINAL votes of a quorum: the last final block, or the checkpoint that
 * has come in, if the run begins with the block that names it.
 */
export function baseOf(state: ProtocolState, run: readonly Signed<Block>[]): BlockNode | null {
  const { finalNode, incoming, hash } = state;
  const [first] = run;
  if (first.body.parent === finalNode.state.tip) return finalNode;
  if (!incoming?.complete || incoming.height <= finalNode.state.height) return null;
  state.incoming = null; // it holds now, or never
  if (run.some(({ body }, i) => i > 0 && body.parent !== run[i - 1].id)) return null;
  const chain = openCheckpoint(incoming.bytes, first, registryOf(state), hash);
  return isRefusal(chain) || chain.height !== incoming.height ? null : rootOf(chain);
}
