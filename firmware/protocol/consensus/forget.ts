/**
 * forget: proposals of the past that came to nothing. Nothing final lets the tree of open blocks end, so in an outage it would
 * grow with whatever the leaders, liars among them, propose. What a quorum has voted for stays, and so does all below it: a
 * FINAL vote may stand on it, and whoever has signed that never skips the view.
 */
import { OPEN_ROUNDS_KEPT } from '../limits.ts';
import type { Block, Signed } from '../messages.ts';
import { firstView } from '../round.ts';
import type { BlockNode, ProtocolState } from '../state.ts';
import { backedBlocks, electorateOf } from './electorate.ts';
import { certificate, viewsOf } from './votes.ts';

/** True for a view so long ago that its proposals count only with votes behind them; for none before the first tick. */
const isLongPast = ({ deciding }: ProtocolState, view: number): boolean =>
  view < firstView(deciding - OPEN_ROUNDS_KEPT, 'SEAL');

/** The blocks that somebody wants, and those for which one of them waits. */
function wantedBlocks(state: ProtocolState): ReadonlySet<string> {
  const wanted = new Set(backedBlocks(state, { has: () => false }).keys());
  const waits = ({ id, body }: Signed<Block>): boolean => wanted.has(id) && !wanted.has(body.parent);
  for (let next = state.orphans.find(waits); next !== undefined; next = state.orphans.find(waits))
    wanted.add(next.body.parent);
  return wanted;
}

/** True for a proposal of the past that nobody wants. */
export const isForgotten = (state: ProtocolState, { id, view }: Signed<Block>): boolean =>
  isLongPast(state, view) && !wantedBlocks(state).has(id);

/** Drops the proposals of long past views for which no certificate is known, all that stands on them, and the votes for them. */
export function forgetOpen(state: ProtocolState): void {
  const { votes, nodes } = state;
  const electorate = electorateOf(state);
  const certified = new Set<string>();
  for (const kind of ['notarize', 'final'] as const)
    for (const view of viewsOf(votes, kind)) {
      const block = certificate(votes, kind, view, electorate)?.[0].body.block;
      if (block !== undefined) certified.add(block);
    }

  const kept = new Set<BlockNode>([state.finalNode]);
  for (const [id, node] of nodes)
    if (certified.has(id)) for (let at: BlockNode | null = node; at !== null; at = at.parent) kept.add(at);
  // A parent came before its children.
  for (const node of nodes.values())
    if (!isLongPast(state, node.view) && node.parent !== null && kept.has(node.parent)) kept.add(node);
  state.nodes = new Map([...nodes].filter(([, node]) => kept.has(node)));
  const wanted = wantedBlocks(state);
  state.orphans = state.orphans.filter(({ id, view }) => !isLongPast(state, view) || wanted.has(id));

  // Votes about what nobody has any more would make this node ask for it.
  for (const views of [votes.notarize, votes.final])
    for (const view of views.keys())
      if (isLongPast(state, view) && !votes.certified.notarize.has(view) && !votes.certified.final.has(view))
        views.delete(view);
}
