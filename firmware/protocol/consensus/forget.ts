/**
 * forget: proposals of the past that came to nothing. Nothing final lets the tree of open blocks end, so in an outage it would
 * grow with whatever the leaders, liars among them, propose. What a quorum has voted for stays, and so does all below it: a
 * FINAL vote may stand on it, and whoever has signed that never skips the view.
 */
import { OPEN_ROUNDS_KEPT } from '../limits.ts';
import { firstView } from '../round.ts';
import type { BlockNode, ProtocolState } from '../state.ts';
import { electorateOf } from './electorate.ts';
import { certificate, type VoteBook } from './votes.ts';

/** The first view whose proposals are kept whether or not anybody wants them. Before the first tick all are. */
const keptFrom = ({ deciding }: ProtocolState): number => firstView(deciding - OPEN_ROUNDS_KEPT, 'SEAL');

/** True for a view so long ago that its proposals count only with votes behind them. */
export const isLongPast = (state: ProtocolState, view: number): boolean => view < keptFrom(state);

/** Drops the proposals of long past views for which no certificate is known, all that stands on them, and the votes for them. */
export function forgetOpen(state: ProtocolState): void {
  const { votes, nodes } = state;
  const electorate = electorateOf(state);
  const certified = new Set<string>();
  for (const kind of ['notarize', 'final'] as const)
    for (const view of longPast(state, [votes[kind], votes.certified[kind]]))
      for (const { body } of certificate(votes, kind, view, electorate)?.slice(0, 1) ?? []) certified.add(body.block);

  const kept = new Set<BlockNode>([state.finalNode]);
  for (const [id, node] of nodes)
    if (certified.has(id)) for (let at: BlockNode | null = node; at !== null; at = at.parent) kept.add(at);
  // A parent came before its children.
  for (const node of nodes.values())
    if (!isLongPast(state, node.view) && node.parent !== null && kept.has(node.parent)) kept.add(node);
  state.nodes = new Map([...nodes].filter(([, node]) => kept.has(node)));
  forgetVotes(state, votes);
}

/** The votes about a view without a certificate: otherwise they would name a block that nobody has any more. */
function forgetVotes(state: ProtocolState, { notarize, final, certified }: VoteBook): void {
  for (const views of [notarize, final])
    for (const view of longPast(state, [views]))
      if (!certified.notarize.has(view) && !certified.final.has(view)) views.delete(view);
}

const longPast = (state: ProtocolState, views: readonly ReadonlyMap<number, unknown>[]): number[] =>
  [...new Set(views.flatMap((each) => [...each.keys()]))].filter((view) => isLongPast(state, view));
