/**
 * forget: proposals of the past that came to nothing. Nothing final lets the tree of open blocks end, so in an outage it would
 * grow with whatever the leaders, liars among them, propose. What a quorum has voted for stays, and so does all below it: a
 * FINAL vote may stand on it, and whoever has signed that never skips the view.
 */
import { OPEN_ROUNDS_KEPT } from '../limits.ts';
import type { Block, Signed } from '../messages.ts';
import { firstView } from '../round.ts';
import type { BlockNode, ProtocolState } from '../state.ts';
import { electorateOf, isBacked } from './electorate.ts';
import { certificate, viewsOf } from './votes.ts';

/** True for a view so long ago that its proposals count only with votes behind them; for none before the first tick. */
const isLongPast = ({ deciding }: ProtocolState, view: number): boolean =>
  view < firstView(deciding - OPEN_ROUNDS_KEPT, 'SEAL');

/** Whether somebody wants this block, or one that waits for it. */
const isWanted = (state: ProtocolState, block: string): boolean =>
  isBacked(state, block) || state.orphans.some(({ id, body }) => body.parent === block && isWanted(state, id));

/** True for a proposal of the past that nobody wants. */
export const isForgotten = (state: ProtocolState, { id, view }: Signed<Block>): boolean =>
  isLongPast(state, view) && !isWanted(state, id);

/** Drops the proposals of long past views for which no certificate is known, all that stands on them, and the votes for them. */
export function forgetOpen(state: ProtocolState): void {
  const { votes, nodes } = state;
  const certified = new Set<string>();
  for (const kind of ['notarize', 'final'] as const)
    for (const view of viewsOf(votes, kind))
      for (const { body } of certificate(votes, kind, view, electorateOf(state))?.slice(0, 1) ?? [])
        certified.add(body.block);

  const kept = new Set<BlockNode>([state.finalNode]);
  for (const [id, node] of nodes)
    if (certified.has(id)) for (let at: BlockNode | null = node; at !== null; at = at.parent) kept.add(at);
  // A parent came before its children.
  for (const node of nodes.values())
    if (!isLongPast(state, node.view) && node.parent !== null && kept.has(node.parent)) kept.add(node);
  state.nodes = new Map([...nodes].filter(([, node]) => kept.has(node)));
  state.orphans = state.orphans.filter((orphan) => !isForgotten(state, orphan));

  // Votes about what nobody has any more would make this node ask for it.
  for (const views of [votes.notarize, votes.final])
    for (const view of views.keys())
      if (isLongPast(state, view) && !votes.certified.notarize.has(view) && !votes.certified.final.has(view))
        views.delete(view);
}
