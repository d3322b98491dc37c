/**
 * Agreement: Simplex (Chan and Pass 2023) with the two predicates of PoB. Views run over both decisions of all rounds
 * on one line; a block at a view stands on a notarised parent with every view between certified skipped. The voting
 * rules 1-7 are those of README.md, "Voting"; each is marked where it is kept.
 */

import { certificateOf } from '../certificate.ts';
import { type ChainState, isRefusal } from '../chain.ts';
import { checkpointOf, encodeState } from '../checkpoint.ts';
import { fromHex } from '../codec.ts';
import {
  OPEN_PATH_MOST,
  ORPHANS_MAX,
  ORPHANS_PER_LEADER,
  PROOFS_MAX_BYTES,
  PROPOSALS_PER_VIEW,
  SCHEDULE_VIEWS,
  SEAL_VIEWS,
} from '../limits.ts';
import { lacksSite } from '../load.ts';
import { everyone, isPresent } from '../members.ts';
import { changesOf, closingVotes, isQuorum, refuseProof, setsOf } from '../membership.ts';
import { type Block, type Evidence, payloadOf, type Signed, toWire, type Unsigned, type Vote } from '../messages.ts';
import { planOf } from '../plan.ts';
import { decisionStart, firstView, kindOfView, lastView, leaderOf, roundOfView } from '../round.ts';
import { sealable, sealBlock } from '../seal.ts';
import {
  type BlockNode,
  maySign,
  type NoteCode,
  type Outcome,
  offset_ms,
  openPath,
  type ProtocolState,
  registryOf,
} from '../state.ts';
import { askPeer } from './catch-up.ts';
import { bestOf, heldHeaders, missingFrom } from './choice.ts';
import { backedBlocks, electorateOf, isBacked, isVoter, leastQuorum, registryAt } from './electorate.ts';
import { isForgotten } from './forget.ts';
import { accuse, keepPosed, sayEvidence } from './judge.ts';
import { BENEFIT, IMPLEMENT } from './pob.ts';
import {
  addVote,
  certificate,
  covers,
  type Holders,
  mayCertify,
  pruneVotes,
  rivalsOf,
  skippedUpTo,
  skipsOf,
  viewsOf,
} from './votes.ts';

export function note(state: ProtocolState, out: Outcome, code: NoteCode, text: string): void {
  out.notes.push({ code, round: state.deciding, text });
}

/** Whether this node may sign anything about the round being decided (2.8: not when it may have forgotten votes). */
const mayVote = (state: ProtocolState): boolean =>
  isVoter(state, state.self) && maySign(state) && state.deciding >= state.memoryFrom_round;

/** When a view's clock starts: on entering it, but not before its decision opens. */
function viewStart_ms(state: ProtocolState): number {
  const opens = kindOfView(state.view) === 'SEAL' ? state.hours.seal_ms : state.hours.schedule_ms;
  return Math.max(state.viewSince_ms, decisionStart(roundOfView(state.view), state.hours.round_ms) + opens);
}

/** True when a SKIP of ours covers the view, in whatever epoch it was said: it binds this node in all of them. */
const ownSkipped = (state: ProtocolState, view: number): boolean =>
  state.own.skipped.some(({ from, to }) => from <= view && view <= to);

/** True when one SKIP of ours covers all of these views for the voters of that epoch. */
const hasSkipped = (state: ProtocolState, epoch: number, first: number, last: number): boolean =>
  state.own.skipped.some((own) => own.epoch === epoch && own.from <= first && last <= own.to);

/** The epochs of the chains that may still grow: one, but while the block that ends a hand-over is not final yet. */
function openEpochs({ nodes, finalNode }: ProtocolState): number[] {
  const tips = [...nodes.values()].filter(({ notarized }) => notarized).map(({ state }) => state.registry.epoch);
  return [...new Set([finalNode.state.registry.epoch, ...tips])];
}

/** Views beyond the next round's are nobody's business yet: a clock is wrong, or a liar fills the memory. */
export const tooFar = (state: ProtocolState, view: number): boolean =>
  state.deciding >= 0 && view > lastView(state.deciding + 1, 'SCHEDULE');

/** Marks, persists, sends. The one place where a vote is made. */
function emitVote(
  state: ProtocolState,
  out: Outcome,
  kind: Vote['kind'],
  epoch: number,
  from: number,
  to: number,
  block: Signed<Block> | null,
  basis: Uint8Array | null = null,
): void {
  const body: Vote = { type: 'VOTE', kind, to, block: block?.id ?? '' };
  const vote: Unsigned<Vote> = { epoch, round: roundOfView(from), view: from, sender: state.self, body };
  markOwnVote(state, vote);
  if (kind === 'final') state.own.kept.add(from);
  out.persist.push({ kind: 'vote', vote: { from, to, kind, payload: payloadOf(vote, registryOf(state).tag), basis } });
  out.send.push(vote);
}

export function markOwnVote(state: ProtocolState, { epoch, view: from, body }: Unsigned<Vote>): void {
  const { kind, to } = body;
  if (kind === 'notarize') state.own.notarized.set(from, body.block);
  else if (kind === 'final') state.own.final.add(from);
  else if (!hasSkipped(state, epoch, from, to)) {
    const wider = state.own.skipped.filter((range) => range.epoch !== epoch || range.from < from || range.to > to);
    state.own.skipped = [...wider, { epoch, from, to }];
  }
}

/** True when a decision comes right after the one of a final block: what lies between is skipped by rule 6. */
function opensAfter(final: BlockNode, decision: number): boolean {
  const before = kindOfView(decision) === 'SEAL' ? SCHEDULE_VIEWS : SEAL_VIEWS;
  return final.block === null || final.view >= decision - before;
}

/**
 * Skips what this node has not finalised up to a view, from the view it is in or the start of the decision or, where
 * earlier ones came to nothing, from the last final block: each SKIP says again what earlier ones said and may have been lost, and one
 * of each node ends the longest outage. Only the views with a FINAL of ours are left out (rule 2): those below it may
 * still need this node's SKIP, when the others have lost theirs.
 */
function skip(state: ProtocolState, out: Outcome, to: number): void {
  const { finalNode, memoryFrom_round } = state;
  const decision = firstView(roundOfView(to), kindOfView(to));
  const from = finalNode.block !== null && opensAfter(finalNode, decision) ? Math.min(decision, state.view) : 0;
  const first = Math.max(from, finalNode.view + 1, firstView(memoryFrom_round, 'SEAL'));
  const finals = [...state.own.final].filter((view) => view >= first && view <= to).sort((a, b) => a - b);
  for (const epoch of openEpochs(state)) {
    let start = first;
    for (const end of [...finals, to + 1]) {
      if (start < end && !hasSkipped(state, epoch, start, end - 1))
        emitVote(state, out, 'skip', epoch, start, end - 1, null);
      start = end + 1;
    }
  }
}

export function onProposal(state: ProtocolState, block: Signed<Block>, out: Outcome): void {
  if (state.nodes.has(block.id) || block.view <= state.finalNode.view || tooFar(state, block.view)) return;
  const parent = state.nodes.get(block.body.parent);
  const registry = parent?.state.registry ?? registryAt(state, block.epoch);
  if (leaderOf(registry, block.view) !== block.sender) {
    return note(state, out, 'refused-block', `node ${block.sender} does not lead view ${block.view}`);
  }
  if (isForgotten(state, block)) return;
  const rivals = [...state.nodes.values()].filter((node) => node.view === block.view);
  for (const rival of rivals) if (rival.block !== null) accuse(state, rival.block, block);
  for (const message of block.body.carried)
    if (message.body.type === 'HEADER') accuse(state, state.authors.get(message.sender)?.header ?? message, message);
  if (rivals.length >= PROPOSALS_PER_VIEW && !isBacked(state, block.id)) return; // what honest nodes want is always let in
  if (block.sender === state.self) state.proposedView = Math.max(state.proposedView, block.view);
  if (parent === undefined) {
    const { orphans } = state;
    const known = orphans.some(({ id }) => id === block.id);
    const few =
      orphans.length < ORPHANS_MAX &&
      orphans.filter(({ sender }) => sender === block.sender).length < ORPHANS_PER_LEADER &&
      orphans.filter(({ view }) => view === block.view).length < PROPOSALS_PER_VIEW;
    if (!known && (few || isBacked(state, block.id))) orphans.push(block);
    return;
  }
  if (parent.view >= block.view) return;
  const next = state.audit.applyBlock(parent.state, block, state.hash);
  if (isRefusal(next)) {
    for (const message of block.body.carried) if (message.body.type === 'HEADER') accuse(state, message, null);
    return note(
      state,
      out,
      'refused-block',
      `${block.body.kind} of node ${block.sender}: ${next.code}, ${next.detail}`,
    );
  }
  state.nodes.set(block.id, { block, view: block.view, parent, state: next, notarized: false, final: false });
  const closing = closingVotes(block);
  if (closing.length > 0) state.votes.certified.final.set(parent.view, closing); // it proves its parent final to all
  state.news = true;
  const waiting = state.orphans.filter((orphan) => orphan.body.parent === block.id);
  state.orphans = state.orphans.filter((orphan) => orphan.body.parent !== block.id);
  for (const orphan of waiting) onProposal(state, orphan, out);
}

export function onVote(state: ProtocolState, vote: Signed<Vote>): void {
  if (!isVoter(state, vote.sender) || vote.body.to <= state.finalNode.view) return;
  if (vote.epoch < registryOf(state).epoch) return; // of members that are no longer asked
  if (tooFar(state, vote.body.to)) return;
  if (vote.sender === state.self) markOwnVote(state, vote); // what a lost ledger forgot, peers may know
  for (const other of rivalsOf(state.votes, vote)) accuse(state, other, vote);
  if (
    addVote(state.votes, vote) === 'added' &&
    mayCertify(state.votes, vote, leastQuorum(state)) &&
    mayTeach(state, vote)
  )
    state.news = true;
}

/** False where a certificate would change nothing: for a block that is notarised, or about other views than that of this node. */
const mayTeach = ({ nodes, view }: ProtocolState, vote: Signed<Vote>): boolean =>
  vote.body.kind === 'skip' ? covers(vote, view) : vote.body.kind === 'final' || !nodes.get(vote.body.block)?.notarized;

/** Carries out everything that follows from what is known now. Called after every input. */
export function progress(state: ProtocolState, out: Outcome): void {
  while (state.news) state.news = learn(state, out) || advance(state, out); // one certificate or one view a turn
  voteInView(state, out);
  propose(state, out);
}

/** Certificates: of notarised blocks, and of final ones. True when something new was learned. */
function learn(state: ProtocolState, out: Outcome): boolean {
  const { votes } = state;
  const electorate = electorateOf(state);
  for (const view of viewsOf(votes, 'final')) {
    const final = certificate(votes, 'final', view, electorate);
    if (final === null) continue;
    const node = state.nodes.get(final[0].body.block);
    if (node !== undefined && !node.final) {
      finalize(state, node, final, out);
      return true;
    }
  }
  const known = new Set([...state.nodes.values()].flatMap((node) => (node.notarized ? [node.view] : [])));
  for (const view of viewsOf(votes, 'notarize')) {
    if (known.has(view)) continue; // there is no second one in a view
    const notarized = certificate(votes, 'notarize', view, electorate);
    if (notarized === null) continue;
    const node = state.nodes.get(notarized[0].body.block);
    if (node !== undefined && !node.notarized) {
      node.notarized = true;
      return true;
    }
  }
  return false;
}

/**
 * Rules 3 and 4: leaves the view when it is certified skipped, or when it or a later one is notarised: a quorum has been
 * there, and asks for nothing of the views between any more.
 */
function advance(state: ProtocolState, out: Outcome): boolean {
  const before = state.view;
  let node: BlockNode | undefined;
  for (const other of state.nodes.values()) if (other.notarized && other.view >= (node?.view ?? before)) node = other;
  if (node?.block) {
    const { view } = node;
    if (
      mayVote(state) &&
      roundOfView(view) === state.deciding &&
      !ownSkipped(state, view) &&
      !state.own.final.has(view)
    ) {
      // The certificate stays with the vote, and so does the way to it: whoever has signed FINAL never skips the view, so it must
      // be able to show why the view is over, even when the others have lost the votes and the blocks.
      emitVote(state, out, 'final', node.block.epoch, view, view, node.block, certificateOf(unkept(state, node)));
    }
    state.view = view + 1;
  } else {
    state.view = skippedUpTo(state.votes, before, firstView(state.deciding + 1, 'SEAL'), setsOf(furthest(state).state));
  }
  if (state.view === before) return false;
  state.viewSince_ms = state.now_ms;
  return true;
}

/** The open blocks up to this one that no FINAL of this node has made durable yet, each with its certificate, if it is known. */
function unkept(state: ProtocolState, node: BlockNode): Signed<Block | Vote>[] {
  const path = openPath(node);
  const electorate = electorateOf(state);
  return path
    .slice(path.findLastIndex(({ view }) => state.own.kept.has(view)) + 1)
    .flatMap(({ block, view }) => [block, ...(certificate(state.votes, 'notarize', view, electorate) ?? [])]);
}

/** The notarised block that came furthest: the chain that this node goes on with, as long as nothing else is agreed. */
function furthest({ nodes, finalNode }: ProtocolState): BlockNode {
  let node = finalNode;
  for (const other of nodes.values()) if (other.notarized && other.view > node.view) node = other;
  return node;
}

/** A quorum's FINAL: the block and its ancestors are final, the rest of the tree is history that never was. */
export function finalize(state: ProtocolState, node: BlockNode, votes: readonly Signed<Vote>[], out: Outcome): void {
  const path: BlockNode[] = [];
  for (let at: BlockNode | null = node; at !== null && !at.final; at = at.parent) path.unshift(at);
  for (const [at, each] of path.entries()) {
    each.final = true;
    each.notarized = true;
    const block = each.block as Signed<Block>;
    const { state: before } = each.parent as BlockNode;
    const sets = setsOf(before);
    // Who is about to join has voted too, perhaps; whoever reads this from the beginning does not know its key yet.
    const proof = (each === node ? votes : closingVotes(path[at + 1].block as Signed<Block>)).filter(({ sender }) =>
      sets.some(({ isValidator }) => isValidator[sender]),
    );
    if (block.body.checkpoint !== '') {
      const checkpoint = {
        height: before.height,
        epoch: before.registry.epoch,
        state: encodeState(before, state.hash),
      };
      out.persist.push({ kind: 'checkpoint', checkpoint });
    }
    out.persist.push({
      kind: 'final',
      block: {
        height: each.state.height,
        round: block.round,
        hash: fromHex(block.id),
        message: toWire(block),
        certificate: proof.length > 0 ? certificateOf(proof) : null,
      },
      view: each.view,
    });
    out.finals.push({ block, before, state: each.state, votes: votes.length });
    settleFinal(state, each, out);
    tellMembers(state, before, each.state, out);
  }
  state.finalNode = node;
  state.finalVotes = votes;
  state.news = true; // of the view that follows
  node.parent = null;
  const alive = [...state.nodes].filter(([, other]) => {
    for (let at: BlockNode | null = other; at !== null; at = at.parent) if (at === node) return true;
    return false;
  });
  state.nodes = new Map(alive);
  state.orphans = state.orphans.filter((orphan) => orphan.view > node.view);
  pruneVotes(state.votes, node.view);
  for (const view of state.own.notarized.keys()) if (view <= node.view) state.own.notarized.delete(view);
  for (const views of [state.own.final, state.own.kept])
    for (const view of views) if (view <= node.view) views.delete(view);
  state.own.skipped = state.own.skipped.filter(({ to }) => to > node.view);
  if (state.view <= node.view) {
    state.view = node.view + 1;
    state.viewSince_ms = state.now_ms;
  }
}

function settleFinal(state: ProtocolState, node: BlockNode, out: Outcome): void {
  const { round, body } = node.block as Signed<Block>;
  if (body.kind === 'SEAL') {
    keepPosed(state, node.state);
    for (const message of body.carried) {
      state.pool.orders.delete(message.id);
      if (message.body.type === 'METER') state.pool.meters.delete(`${message.round}/${message.sender}`);
    }
    note(state, out, 'sealed', `round ${round} is sealed with ${body.carried.length} statements`);
  }
  if (body.kind !== 'SCHEDULE') return;
  const inTime = round === state.deciding && offset_ms(state) < state.hours.act_ms;
  const author = body.carried[0].sender;
  if (inTime) out.plan = planOf(node.state, state.self, state.hours.round_ms);
  const lambda = body.carried[0].body.type === 'HEADER' ? body.carried[0].body.lambda : 0;
  note(
    state,
    out,
    inTime ? 'committed' : 'committed-late',
    `block ${node.state.height} schedules round ${round}: author ${everyone(node.state)[author].name}, lambda ${lambda}${inTime ? '' : ', too late to act on'}`,
  );
}

function tellMembers(state: ProtocolState, before: ChainState, after: ChainState, out: Outcome): void {
  const { epoch, n } = after.registry;
  if (before.handover === null && after.handover !== null)
    note(state, out, 'members', `epoch ${epoch + 1} is agreed: ${changesOf(before.registry, after.handover.registry)}`);
  if (after.registry !== before.registry) note(state, out, 'members', `epoch ${epoch} begins with ${n} voters`);
}

/** Rule 1: one NOTARIZE a view, for the first proposal of its leader, if V and R hold and the parent's way is certified. */
function voteInView(state: ProtocolState, out: Outcome): void {
  const { view } = state;
  if (!mayVote(state) || roundOfView(view) !== state.deciding) return; // rule 7
  if (state.own.notarized.has(view) || ownSkipped(state, view)) return;
  if (state.now_ms < viewStart_ms(state) || offset_ms(state) >= state.hours.act_ms) return;
  const node = [...state.nodes.values()].find((other) => other.view === view);
  if (!node?.block || node.parent === null || !standsOn(state, node.parent, view)) return;
  const missing = missingFrom(state, node.block, node.parent);
  if (missing.length === 0)
    return emitVote(state, out, 'notarize', node.block.epoch, view, view, node.block, certificateOf([node.block]));
  if (state.shownView < view) {
    state.shownView = view;
    out.relay.push(...missing);
    note(
      state,
      out,
      'refused-choice',
      `${node.block.body.kind} of view ${view} leaves out ${missing.length} better or earlier statements`,
    );
  }
}

/** A parent carries a block at `view` when it is notarised and every view between is certified skipped. */
const standsOn = (state: ProtocolState, parent: BlockNode, view: number): boolean =>
  parent.notarized && skippedUpTo(state.votes, parent.view + 1, view, setsOf(parent.state)) === view;

/** The leader of the view proposes once, on the tip of greatest benefit; among equals the one that came furthest. */
function propose(state: ProtocolState, out: Outcome): void {
  const { view, hours } = state;
  const round = roundOfView(view);
  if (!mayVote(state) || round !== state.deciding) return;
  if (state.proposedView >= view || ownSkipped(state, view)) return;
  if (state.now_ms < viewStart_ms(state) || offset_ms(state) >= hours.act_ms) return;
  const tips = [...state.nodes.values()].filter(
    (node) => node.view < view && leaderOf(node.state.registry, view) === state.self && standsOn(state, node, view),
  );
  const [tip] = tips.sort((a, b) => BENEFIT(b) - BENEFIT(a) || b.view - a.view);
  const body = tip && nextBlock(state, tip);
  if (!body) return;
  const { epoch } = tip.state.registry;
  const proposal: Unsigned<Block> = { epoch, round, view, sender: state.self, body };
  state.proposedView = view;
  out.persist.push({
    kind: 'statement',
    statement: { round, kind: 'PROPOSE', payload: payloadOf(proposal, registryOf(state).tag) },
  });
  out.send.push(proposal);
  out.relay.push(...standing(state, tip));
  note(state, out, 'proposed', `${body.kind} in view ${view}`);
}

/**
 * Rule 3, where it matters: the votes that let a proposal in this view stand on that tip, for those who have lost
 * some. Nothing in the first view of a decision that opens right after that of the tip, as it should.
 */
function standing(state: ProtocolState, tip: BlockNode): Signed<Vote>[] {
  const { view, votes } = state;
  const decision = firstView(roundOfView(view), kindOfView(view));
  if (tip.final && view === decision && opensAfter(tip, decision)) return [];
  const notarized = tip.final ? null : certificate(votes, 'notarize', tip.view, electorateOf(state));
  return [...(notarized ?? []), ...skipsOf(votes, tip.view + 1, view - 1)];
}

/** What this decision needs on that tip; null when there is nothing to say yet. */
function nextBlock(state: ProtocolState, tip: BlockNode): Block | null {
  const { view } = state;
  const round = roundOfView(view);
  const chain = tip.state;
  const done = kindOfView(view) === 'SEAL' ? chain.sealRound === round : chain.scheduleRound === round;
  if (done) {
    if (tip.final || openPath(tip).length >= OPEN_PATH_MOST) return null;
    // Rule 5. A short wait: mostly the FINAL votes are already on their way.
    const due = state.now_ms >= viewStart_ms(state) + state.hours.delta_ms;
    return due ? { type: 'PROPOSE', kind: 'CARRY', parent: chain.tip, carried: [], checkpoint: '' } : null;
  }
  if (kindOfView(view) === 'SEAL') {
    const carried = sealable(state.pool, chain, round, state.hash);
    if (lacksSite(chain, round, carried.site)) return null;
    const checkpoint = checkpointOf(chain, 'SEAL', round, state.hash);
    const closing = checkpoint === '' ? closingFor(state, tip) : [];
    return sealBlock(chain.tip, { ...carried, proofs: proofsFor(state, chain), closing }, checkpoint);
  }
  const best = chain.sealRound === round ? bestOf(state, chain.seal, heldHeaders(state), false) : null;
  return best === null ? null : IMPLEMENT(best.header, tip);
}

/** The proofs of lies that this leader holds and that strike somebody; not while the members change anyway. */
function proofsFor(state: ProtocolState, { registry, handover }: ChainState): Signed<Evidence>[] {
  let room = handover === null ? PROOFS_MAX_BYTES : 0;
  return [...state.evidence.values()].filter((proof) => {
    if (proof.payload.length > room || refuseProof(registry, proof) !== null) return false;
    room -= proof.payload.length;
    return true;
  });
}

/** What takes a hand-over further: the FINAL votes for the block under this SEAL, if this node has them. */
function closingFor(state: ProtocolState, tip: BlockNode): readonly Signed<Vote>[] {
  const { handover } = tip.state;
  if (handover === null || handover.stage === 'agreed' || tip !== state.finalNode) return [];
  const voters = new Set(state.finalVotes.map(({ sender }) => sender));
  return isQuorum(setsOf(tip.state), voters) ? state.finalVotes : []; // of the block that opened the joint stage only the old have voted
}

/**
 * Rule 6: when the last final block is of this round, what is left of its decision, so that the next one can open. Not at once:
 * nobody waits for it, and the FINAL votes that others still need go first.
 */
function closeDecision(state: ProtocolState, out: Outcome): void {
  const { block, view } = state.finalNode;
  const isDue = state.now_ms >= state.viewSince_ms + state.hours.delta_ms;
  if (block !== null && roundOfView(view) === state.deciding && isDue)
    skip(state, out, lastView(state.deciding, kindOfView(view)));
}

/** What time alone brings about: view timeouts, T_act, and mending what was left open. */
export function onTime(state: ProtocolState, out: Outcome): void {
  const { hours, deciding } = state;
  const first = firstView(deciding, 'SEAL');
  const late = state.now_ms >= viewStart_ms(state) + 3 * hours.delta_ms;
  if (mayVote(state)) {
    closeDecision(state, out);
    if (state.view < first)
      skip(state, out, first - 1); // rounds that ended open
    else if (roundOfView(state.view) === deciding && late && !ownSkipped(state, state.view)) {
      skip(state, out, state.view); // rule 2
      note(
        state,
        out,
        'view-skipped',
        `view ${state.view} of node ${leaderOf(registryOf(state), state.view)} timed out`,
      );
    }
  }
  if (!state.acted && offset_ms(state) >= hours.act_ms) {
    state.acted = true;
    if (mayVote(state)) skip(state, out, lastView(deciding, 'SCHEDULE'));
    if (state.finalNode.state.scheduleRound < deciding) {
      note(state, out, 'terminated', `round ${deciding} is terminated: no schedule was agreed in time`);
    }
  }
  mend(state, out, state.view < first);
  sayEvidence(state, out);
}

/** How long a message that was repeated may keep the others waiting: then it is repeated less and less often. */
const HEAL_FIRST_DELTAS = 3;
const HEAL_LAST_DELTAS = 15;

/**
 * Makes up for what was lost on the way: asks for a block that others have and, when this node cannot leave its view
 * though the votes of a timeout should long be here, repeats its own votes. Both wait, since nearly always the
 * message is on its way, and a hundred nodes that ask at once would drown it.
 */
function mend(state: ProtocolState, out: Outcome, behind: boolean): void {
  const { now_ms, hours } = state;
  const [missing] = backedBlocks(state, state.nodes); // what fewer name, or a proposal builds on, may not exist
  if (missing === undefined) state.missing = null;
  else {
    const [block, holders] = missing;
    if (state.missing?.block !== block)
      state.missing = { block, since_ms: state.missing?.since_ms ?? now_ms, asked: new Set() };
    if (now_ms >= state.missing.since_ms + hours.delta_ms) {
      // Each holder once, then anybody: a block that stays away must not keep this node from what else it lacks.
      const { asked } = state.missing;
      const to = inTurn(state, holders).find((node) => !asked.has(node));
      if (requestSync(state, out, to) && to !== undefined) asked.add(to);
    }
  }

  const open = roundOfView(state.view) === state.deciding && now_ms >= viewStart_ms(state) + 5 * hours.delta_ms;
  if (!behind && !open) state.healWait_ms = 0;
  else if (state.healWait_ms === 0) waitToHeal(state);
  else if (now_ms >= state.healAt_ms) heal(state, out);
}

/** The holders that can be asked, those first who have signed FINAL; each node begins with another. */
function inTurn(state: ProtocolState, { final, others }: Holders): number[] {
  return [final, others].flatMap((holders) => {
    const peers = [...holders].filter((node) => canAnswer(state, node));
    const first = state.self % Math.max(1, peers.length);
    return [...peers.slice(first), ...peers.slice(0, first)];
  });
}

function waitToHeal(state: ProtocolState): void {
  const { delta_ms } = state.hours;
  const wait_ms = Math.max(2 * state.healWait_ms, HEAL_FIRST_DELTAS * delta_ms);
  state.healWait_ms = Math.min(wait_ms, HEAL_LAST_DELTAS * delta_ms);
  state.healAt_ms = state.now_ms + state.healWait_ms;
}

/**
 * Repeats what others may have missed, and asks for what this node has: votes are idempotent. A proposal is repeated by its
 * leader alone; who hears the votes of f + 1 for it asks one of them.
 */
function heal(state: ProtocolState, out: Outcome): void {
  waitToHeal(state);
  const { notarize, final, skip: skips } = state.votes;
  for (const views of [notarize, final]) {
    for (const [view, voters] of views) {
      const own = voters.get(state.self);
      if (view >= state.view - 1 && own) out.relay.push(own);
    }
  }
  out.relay.push(...(skips.get(state.self) ?? []));
  for (const { block, view } of state.nodes.values())
    if (block?.sender === state.self && view >= state.view - 1) out.relay.push(block);
  requestSync(state, out);
}

/** Whether this node may ask that one: a member that is no registrar, and there. */
const canAnswer = ({ self, finalNode }: ProtocolState, node: number): boolean =>
  node !== self && everyone(finalNode.state)[node].role !== 'registrar' && isPresent(finalNode.state, node);

/**
 * Asks this peer, or one after the other, the head meter too, for what follows the last final block. Each begins with another.
 * False where it is too early to ask again, or nobody is there.
 */
export function requestSync(state: ProtocolState, out: Outcome, to?: number): boolean {
  if (state.deciding < 0 || state.now_ms < state.syncAt_ms) return false;
  const peers = [...everyone(state.finalNode.state).keys()].filter((node) => canAnswer(state, node));
  if (peers.length === 0) return false;
  askPeer(state, out, to ?? peers[(state.self + state.syncPeer++) % peers.length], state.finalNode.state.height, 0);
  return true;
}
