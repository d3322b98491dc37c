/**
 * surplus: votes that a quorum has cast already. Of a hundred votes 67 decide; the others change nothing, so the door need
 * not check who signed them. Why nothing is lost by that: README.md, "The door".
 */
import { offenceOf } from '../evidence.ts';
import { setsOf } from '../membership.ts';
import type { Signed, Vote } from '../messages.ts';
import type { ProtocolState } from '../state.ts';
import { rivalsOf, skippedUpTo } from './votes.ts';

/** True when this vote, whoever has signed it, would change nothing here. What this node said itself it may have forgotten. */
export function isSurplus(state: ProtocolState, vote: Signed<Vote>): boolean {
  if (vote.sender === state.self || !isCertified(state, vote)) return false;
  return rivalsOf(state.votes, vote).every((other) => offenceOf(other, vote) === null); // no proof of a lie
}

function isCertified({ nodes, finalNode, votes }: ProtocolState, { view, body: { kind, to, block } }: Signed<Vote>) {
  switch (kind) {
    case 'notarize': {
      const node = nodes.get(block);
      return node?.view === view && node.notarized;
    }
    case 'skip': {
      // During a hand-over the chains differ in whose SKIPs they need.
      const from = Math.max(view, finalNode.view + 1);
      return finalNode.state.handover === null && skippedUpTo(votes, from, to + 1, setsOf(finalNode.state)) > to;
    }
    case 'final':
      return false; // then the view is final
  }
}
