/**
 * judge: who has lied, and who says so. Whether a header is what it says follows from the SEAL that it names and the chain
 * under it, which are the same for whoever has them; who does not have them convicts nobody. Proofs are said in turn.
 */
import type { ChainState } from '../chain.ts';
import { type Offence, offenceOf } from '../evidence.ts';
import { MESSAGE_MAX_BYTES, SEALS_KEPT } from '../limits.ts';
import { keyFrom } from '../members.ts';
import type { Evidence, Header, Signed } from '../messages.ts';
import { maySign, type Outcome, type ProtocolState, registryOf } from '../state.ts';

/** The chain as a SEAL left it, with its problem: of an open one, or one of the last that became final. */
export function posedBy(state: ProtocolState, seal: string): ChainState | undefined {
  const open = [...state.nodes.values()].find(({ state: chain }) => chain.seal === seal && chain.instance !== null);
  return open?.state ?? state.posed.get(seal);
}

/** Keeps what a final SEAL posed, so that headers can be judged when the SCHEDULE is there. */
export function keepPosed(state: ProtocolState, chain: ChainState): void {
  state.posed.set(chain.seal, chain);
  for (const seal of state.posed.keys()) if (state.posed.size > SEALS_KEPT) state.posed.delete(seal);
}

/** The proof that this node has against a node's present key: what was proved of a former one shields no second lie. */
export function proofAgainst({ evidence, finalNode }: ProtocolState, culprit: number): Signed<Evidence> | undefined {
  const proof = evidence.get(culprit);
  return proof !== undefined && proof.body.first.epoch >= keyFrom(finalNode.state, culprit) ? proof : undefined;
}

/** What this evidence proves; null when it proves nothing, or nothing that this node could recompute. */
export function verdictOf(state: ProtocolState, { first, second }: Omit<Evidence, 'type'>): Offence | null {
  const offence = offenceOf(first, second);
  if (second !== null || first.body.type !== 'HEADER') return offence;
  const chain = posedBy(state, first.body.seal);
  if (chain === undefined) return null;
  const audited = state.audit.auditHeader(chain, first as Signed<Header>, state.hash);
  const lies = 'code' in audited && audited.code !== 'wrong-epoch' && audited.code !== 'wrong-seal';
  return lies ? offence : null;
}

/**
 * Messages that may prove a lie of their sender. The proof is said when this node's turn comes and nobody has said
 * one: all see the same lie at once, and a hundred proofs of it would be a flood of the liar's making.
 */
export function accuse(state: ProtocolState, first: Signed, second: Signed | null): void {
  const { sender } = first;
  if (sender === state.self || proofAgainst(state, sender) || state.accusations.has(sender)) return;
  if (verdictOf(state, { first, second }) === null) return;
  if (2 * (first.payload.length + (second?.payload.length ?? 0)) > MESSAGE_MAX_BYTES) return; // two large SEALs would not fit
  const turn = registryOf(state).leaders.indexOf(state.self) + 1;
  const at_ms = state.now_ms + Math.floor((turn * state.hours.delta_ms) / 2);
  state.accusations.set(sender, { first, second, at_ms });
}

export function sayEvidence(state: ProtocolState, out: Outcome): void {
  for (const [culprit, { first, second, at_ms }] of state.accusations) {
    if (state.now_ms < at_ms) continue;
    state.accusations.delete(culprit);
    if (proofAgainst(state, culprit) || !maySign(state)) continue;
    const body: Evidence = { type: 'EVIDENCE', first, second };
    out.send.push({ epoch: registryOf(state).epoch, round: state.deciding, view: 0, sender: state.self, body });
  }
}
