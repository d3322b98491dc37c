/**
 * The one door of the core. Everything that happens to a node (time passing, a verified message, a wish, a reading,
 * a solution) is an input; everything it owes the world comes back as an outcome, to be carried out in the order
 * persist, send, relay, plan, solve, serve. No clock, no I/O, no chance; nothing else changes the state.
 */
import type { PlanAhead } from './benefit/instance.ts';
import { type BlockRefusal, isRefusal, type PendingEntry } from './chain.ts';
import { openCheckpoint } from './checkpoint.ts';
import { bytesOf } from './consensus/answer.ts';
import { askOn, begunRun, keepRun, nextOfRun, onStatePart } from './consensus/catch-up.ts';
import { bestOf, heldHeaders } from './consensus/choice.ts';
import { electorateOf, isVoter } from './consensus/electorate.ts';
import { forgetOpen } from './consensus/forget.ts';
import { accuse, keepPosed, posedBy, proofAgainst, verdictOf } from './consensus/judge.ts';
import { PoBMine, PoBRound } from './consensus/pob.ts';
import {
  finalize,
  markOwnVote,
  note,
  onProposal,
  onTime,
  onVote,
  progress,
  requestSync,
  tooFar,
} from './consensus/simplex.ts';
import { addCertificates } from './consensus/votes.ts';
import { offenceOf } from './evidence.ts';
import { HEADERS_PER_ROUND, SYNC_PAGE_BYTES } from './limits.ts';
import { everyone, membersOf, statementKeyOf } from './members.ts';
import { isQuorum, type Sets, setsOf } from './membership.ts';
import {
  type Block,
  type Body,
  type Evidence,
  type Header,
  type MeterStatement,
  type Order,
  payloadOf,
  type RegistryChange,
  type Signed,
  type Site,
  type StatePart,
  type SyncRequest,
  type SyncResponse,
  signed,
  type Unsigned,
  type Vote,
} from './messages.ts';
import { refuseOrder } from './order.ts';
import { addChange, addMeter, addOrder, addSite, meterKey, prune } from './pool.ts';
import { decidedAt, decisionStart } from './round.ts';
import { compareHeaders, headerOf } from './schedule.ts';
import { sealable } from './seal.ts';
import {
  type BlockNode,
  emptyOutcome,
  type FinalStep,
  maySign,
  type Outcome,
  offset_ms,
  type ProtocolState,
  registryOf,
  rootOf,
} from './state.ts';

export type OrderWish = Omit<Order, 'type' | 'ref' | 'connector'>;

export type Input =
  /** Time passed. Sent a few times per Δ; nothing in the core looks at a clock. */
  | { readonly kind: 'tick'; readonly now_ms: number }
  /** A message that passed the door, or one of this node's own that the runtime has just signed. */
  | { readonly kind: 'message'; readonly message: Signed }
  /** The owner's agent wants to trade in the round being decided. */
  | { readonly kind: 'wish'; readonly wish: OrderWish }
  /** The registers at the end of a delivery round. */
  | { readonly kind: 'metered'; readonly round: number; readonly statement: Omit<MeterStatement, 'type'> }
  /** The head meter's reading for the round being decided. */
  | { readonly kind: 'site'; readonly reading: Omit<Site, 'type'> }
  /** What a FINAL or NOTARIZE of this node's own ledger rests on: blocks, and the votes of quorums for them. */
  | { readonly kind: 'kept'; readonly messages: readonly Signed[] }
  /** A proof of this node's own ledger: it was checked before it was kept. */
  | { readonly kind: 'convicted'; readonly evidence: Signed<Evidence> }
  /** The registrar's own word. */
  | { readonly kind: 'change'; readonly change: RegistryChange }
  /** What the solver found for a SEAL. */
  | { readonly kind: 'solved'; readonly seal: string; readonly plan: PlanAhead };

export function step(state: ProtocolState, input: Input): Outcome {
  const out = emptyOutcome();
  switch (input.kind) {
    case 'tick':
      tick(state, input.now_ms, out);
      break;
    case 'message':
      onMessage(state, input.message, out);
      break;
    case 'wish':
      placeOrder(state, input.wish, out);
      break;
    case 'metered':
      say(state, out, input.round, { type: 'METER', ...input.statement });
      break;
    case 'site':
      onReading(state, { type: 'SITE', ...input.reading }, out);
      break;
    case 'kept':
      takeUp(state, input.messages, out);
      break;
    case 'convicted':
      convict(state, input.evidence, out);
      break;
    case 'change':
      say(state, out, state.deciding, input.change);
      break;
    case 'solved':
      onSolved(state, input.seal, input.plan, out);
      break;
  }
  if (state.deciding >= 0) progress(state, out);
  return out;
}

/** Persists a statement of this node and sends it; who is not a member (yet, or any more), or lacks its key, says nothing. */
function say(state: ProtocolState, out: Outcome, round: number, body: Body): boolean {
  if (!maySign(state)) return false;
  const message: Unsigned = { epoch: registryOf(state).epoch, round, view: 0, sender: state.self, body };
  if (mayBeSecond(state, message)) return false;
  const payload = payloadOf(message, registryOf(state).tag);
  out.persist.push({ kind: 'statement', statement: { round, kind: body.type, payload } });
  out.send.push(message);
  return true;
}

/**
 * The head meter's word. Registers that stand where they stood at the reading before are those of a meter that hangs, and no
 * reading: nobody else can tell when no block has carried the one before (protocol.md M13).
 */
function onReading(state: ProtocolState, site: Site, out: Outcome): void {
  const before = state.readSite;
  state.readSite = site;
  const stands = before?.imported_Wh === site.imported_Wh && before.exported_Wh === site.exported_Wh;
  if (!stands) say(state, out, state.deciding, site);
}

function tick(state: ProtocolState, now_ms: number, out: Outcome): void {
  state.now_ms = Math.max(state.now_ms, now_ms); // a clock that steps back only makes this node wait
  const round = decidedAt(state.now_ms, state.hours.round_ms);
  if (round > state.deciding) beginRound(state, round, out);
  const { hours } = state;
  const offset = offset_ms(state);
  if (state.heldAtOrders === null && offset >= hours.orders_ms) state.heldAtOrders = heldNow(state);
  if (offset >= hours.solve_ms && offset < hours.headers_ms) askSolver(state, out);
  if (state.mined !== null && state.now_ms >= state.mined.sendAt_ms) sendHeader(state, out);
  if (state.heldAtLock === null && offset >= hours.lock_ms) state.heldAtLock = heldHeaders(state);
  askOn(state, out);
  onTime(state, out);
}

function beginRound(state: ProtocolState, round: number, out: Outcome): void {
  state.deciding = round;
  PoBRound(state.pob, state.finalNode.state, state.now_ms);
  state.news = true;
  state.heldAtOrders = null;
  state.heldAtLock = null;
  state.authors.clear();
  state.orphanHeaders = [];
  state.solving = null;
  state.mined = null;
  state.acted = false;
  prune(state.pool, round);
  forgetOpen(state);
  // A statement that no final block carries may have reached nobody (a broker that died, a peer that was away).
  const { meters, change } = sealable(state.pool, state.finalNode.state, round, state.hash);
  out.relay.push(...[...meters, ...(change ? [change] : [])].filter(({ sender }) => sender === state.self));
  note(state, out, 'round-begins', `round ${round} is being decided`);
}

/** What must not be left out of the SEAL from now on. */
function heldNow(state: ProtocolState): string[] {
  const { orders, site, meters, change } = sealable(state.pool, state.finalNode.state, state.deciding, state.hash);
  return [...orders, ...meters, ...(site ? [site] : []), ...(change ? [change] : [])].map((message) => message.id);
}

/** The tip whose SEAL this round's candidates solve: the one furthest on. */
function sealedTip(state: ProtocolState): BlockNode | undefined {
  return [...state.nodes.values()]
    .filter((node) => node.notarized && node.state.instance !== null && node.state.sealRound === state.deciding)
    .sort((a, b) => b.view - a.view)[0];
}

function askSolver(state: ProtocolState, out: Outcome): void {
  const tip = sealedTip(state);
  if (tip?.state.instance == null || state.solving === tip.state.seal || state.pob.roundBlock === null) return;
  if (statementKeyOf(tip.state, { sender: state.self, epoch: tip.state.registry.epoch }) === null) return;
  state.solving = tip.state.seal;
  out.solve = { seal: tip.state.seal, instance: tip.state.instance };
}

function onSolved(state: ProtocolState, seal: string, plan: PlanAhead, out: Outcome): void {
  const tip = sealedTip(state);
  if (!maySign(state)) return;
  if (tip?.state.instance == null || tip.state.seal !== seal) return; // too late, or the SEAL was skipped
  const refused = ({ code, detail }: BlockRefusal): void =>
    note(state, out, 'refused-header', `own solution: ${code}, ${detail}`);
  const benefit = state.audit.judgePlan(tip.state.instance, plan);
  if ('code' in benefit) return refused(benefit);
  const header: Unsigned<Header> = {
    epoch: registryOf(state).epoch,
    round: state.deciding,
    view: 0,
    sender: state.self,
    body: headerOf(seal, plan, benefit),
  };
  const unsent = signed(header, payloadOf(header, registryOf(state).tag), new Uint8Array(64), state.hash);
  const audited = state.audit.auditHeader(tip.state, unsent, state.hash);
  if ('code' in audited) return refused(audited);
  // Delay rank: whoever would win a tie speaks first, and the rest, no better, stay silent (protocol README).
  const turn = tieRank(state, tip);
  const latest_ms = decisionStart(state.deciding, state.hours.round_ms) + state.hours.headers_ms - state.hours.delta_ms;
  const sendAt_ms = Math.min(
    state.now_ms + Math.floor((turn * 5 * state.hours.delta_ms) / 2),
    Math.max(latest_ms, state.now_ms),
  );
  state.mined = { header, audited, seal, sendAt_ms };
}

/** How many nodes come before this one in the tie hash of the round. */
function tieRank(state: ProtocolState, tip: BlockNode): number {
  const ties = state.audit.tiesOf(tip.state, state.hash);
  return ties.filter((tie) => tie < ties[state.self]).length;
}

function sendHeader(state: ProtocolState, out: Outcome): void {
  const { mined } = state;
  state.mined = null;
  const tip = sealedTip(state);
  if (mined === null || tip === undefined || offset_ms(state) > state.hours.headers_ms) return;
  const own = (header: Signed<Header>): boolean => header.sender === state.self;
  if (state.authors.has(state.self) || state.orphanHeaders.some(own)) return; // sent before a restart
  const earliest_ms = decisionStart(state.deciding, state.hours.round_ms) + state.hours.solve_ms;
  const best = bestOf(state, mined.seal, heldHeaders(state));
  if (!PoBMine(state.pob, mined.audited, tip, best, earliest_ms, state.now_ms)) return;
  if (!say(state, out, state.deciding, mined.header.body)) return;
  note(state, out, 'mined', `HEADER with lambda ${mined.header.body.lambda}`);
}

/**
 * Whether a lost ledger may hold another statement in the place of this one (README.md, "Memory"). A METER is said when its round is
 * over, while the one after the next is decided; what one that is not said would have told, the next one tells.
 */
function mayBeSecond({ memoryFrom_round }: ProtocolState, { round, body }: Unsigned): boolean {
  if (body.type === 'REGISTRY') return false; // its number says which it is
  return (body.type === 'METER' ? round + 2 : round) < memoryFrom_round;
}

/** Whether an order of this node may be waiting on the chain although, having lost its ledger, it does not know of any. */
function mayHaveOrdered({ finalNode, memoryFrom_round }: ProtocolState): boolean {
  return finalNode.state.sealRound < memoryFrom_round - 1;
}

function placeOrder(state: ProtocolState, wish: OrderWish, out: Outcome): void {
  if (
    !registryOf(state).mayTrade[state.self] ||
    mayHaveOrdered(state) ||
    state.orderedRound >= state.deciding ||
    offset_ms(state) >= state.hours.orders_ms
  )
    return;
  const body: Order = { type: 'ORDER', ref: 0, connector: 0, ...wish };
  state.orderedRound = state.deciding;
  if (!say(state, out, state.deciding, body)) return;
  note(
    state,
    out,
    'order-placed',
    `${body.side} ${body.power_W} W for round ${state.deciding}, may wait ${body.maxWait_rounds}`,
  );
}

function onMessage(state: ProtocolState, message: Signed, out: Outcome): void {
  const { body } = message;
  switch (body.type) {
    case 'ORDER':
      if (message.sender === state.self) state.orderedRound = Math.max(state.orderedRound, message.round);
      addOrder(state.pool, message as Signed<Order>, state.deciding, registryOf(state));
      break;
    case 'SITE':
      if (message.sender === registryOf(state).headMeter) {
        accuse(state, state.pool.sites.get(message.round) ?? message, message);
        addSite(state.pool, message as Signed<Site>, state.deciding);
      }
      break;
    case 'METER':
      accuse(state, state.pool.meters.get(meterKey(message)) ?? message, message);
      addMeter(state.pool, message as Signed<MeterStatement>, state.deciding);
      break;
    case 'HEADER':
      onHeader(state, message as Signed<Header>, out);
      break;
    case 'PROPOSE':
      onProposal(state, message as Signed<Block>, out);
      retryHeaders(state, out);
      break;
    case 'VOTE':
      onVote(state, message as Signed<Vote>);
      break;
    case 'REGISTRY':
      addChange(state.pool, message as Signed<RegistryChange>, registryOf(state), state.hash);
      break;
    case 'EVIDENCE':
      onEvidence(state, message as Signed<Evidence>, out);
      break;
    case 'SYNC_REQ':
      if (body.to === state.self) onSyncRequest(state, message as Signed<SyncRequest>, out);
      break;
    case 'SYNC_RES':
      if (body.to === state.self) onSyncResponse(state, message.sender, body, out);
      break;
    case 'STATE':
      if (body.to === state.self) onStatePart(state, message as Signed<StatePart>);
      break;
  }
}

/** Proof of somebody's lie, made here or by a peer. Checked again: a peer may lie about lies. */
function onEvidence(state: ProtocolState, evidence: Signed<Evidence>, out: Outcome): void {
  if (proofAgainst(state, evidence.body.first.sender) || verdictOf(state, evidence.body) === null) return;
  convict(state, evidence, out);
}

function convict(state: ProtocolState, evidence: Signed<Evidence>, out: Outcome): void {
  const { first, second } = evidence.body;
  state.evidence.set(first.sender, evidence);
  out.evidence.push(evidence);
  const { name } = everyone(state.finalNode.state)[first.sender];
  note(state, out, 'evidence', `${name} has signed ${offenceOf(first, second)} (round ${first.round})`);
}

function onHeader(state: ProtocolState, header: Signed<Header>, out: Outcome): void {
  if (header.round !== state.deciding) return;
  const before = state.authors.get(header.sender);
  if (before !== undefined) {
    if (before.header.id === header.id || before.double) return;
    before.double = true;
    out.relay.push(before.header); // whoever holds only the other one must learn that there are two
    return accuse(state, before.header, header);
  }
  const chain = posedBy(state, header.body.seal);
  if (chain === undefined) {
    const authors = state.orphanHeaders.map(({ sender }) => sender);
    const known = authors.includes(header.sender);
    if (!known && inTheWay(state, header, authors) === null) state.orphanHeaders.push(header);
    return;
  }
  const last = inTheWay(state, header, state.authors.keys());
  const best = last === null ? null : bestOf(state, header.body.seal, heldHeaders(state));
  const audited = state.audit.auditHeader(chain, header, state.hash);
  const refused = 'code' in audited;
  if (last === null) state.authors.set(header.sender, { header, audited: refused ? null : audited, double: false });
  else if (!refused && (best === null || compareHeaders(audited, best) < 0)) {
    state.authors.delete(last);
    state.authors.set(header.sender, { header, audited, double: false });
  }
  if (!refused) return;
  note(state, out, 'refused-header', `header of node ${header.sender}: ${audited.code}, ${audited.detail}`);
  accuse(state, header, null);
}

/**
 * Voters, a hundred at most, and this node itself always find room. Of all others so many do; then the author of the first of
 * these headers is in the way, and makes room for one that is better than all that are held.
 */
function inTheWay(state: ProtocolState, { sender }: Signed<Header>, authors: Iterable<number>): number | null {
  const isOther = (node: number): boolean => node !== state.self && !isVoter(state, node);
  const others = [...authors].filter(isOther);
  return isOther(sender) && others.length >= HEADERS_PER_ROUND ? others[0] : null;
}

function retryHeaders(state: ProtocolState, out: Outcome): void {
  const waiting = state.orphanHeaders;
  state.orphanHeaders = [];
  for (const header of waiting) onHeader(state, header, out);
}

/** A page a peer and Δ: a request is small and a page is not. */
function onSyncRequest(state: ProtocolState, { sender: to, epoch, body }: Signed<SyncRequest>, out: Outcome): void {
  if (state.now_ms < (state.served.get(to) ?? Number.NEGATIVE_INFINITY) + state.hours.delta_ms) return;
  state.served.set(to, state.now_ms);
  out.serve = { ...body, to, epoch };
}

/** A page of the chain from a peer: each run of blocks counts only with the FINAL votes of a quorum at its end. */
function onSyncResponse(state: ProtocolState, from: number, page: SyncResponse, out: Outcome): void {
  if (page.asked_ms !== state.asked.get(from)) return;
  state.asked.delete(from);
  let run = [...begunRun(state, from, page.height)];
  let height = page.height;
  for (const { block, votes } of page.blocks) {
    height += 1;
    if (height <= state.finalNode.state.height) continue; // another peer was faster
    const next = nextOfRun(state, run, block);
    if (next === null || (votes.length > 0 && !isProven(state, next, votes))) {
      if (state.incoming?.from === from) state.incoming = null;
      return note(state, out, 'sync', `the page of a peer does not hold at height ${height}`);
    }
    run.push(next);
    if (votes.length === 0) continue;
    // Only now: a block of a run that breaks later on has nobody's votes behind it.
    for (const node of run) state.nodes.set(node.state.tip, node);
    if (state.incoming?.from === from) state.incoming = null;
    finalize(state, next, votes, out);
    run = [];
  }
  if (run.length > 0 && page.blocks.length > 0) return keepRun(state, from, run);
  const votes = page.pending.filter((message): message is Signed<Vote> => message.body.type === 'VOTE');
  const near = votes.filter(({ body }) => !tooFar(state, body.to));
  addCertificates(state.votes, near, electorateOf(state));
  state.news = true;
  const known = state.nodes.size;
  for (const message of page.pending) onMessage(state, message, out);
  retryHeaders(state, out);
  if (page.blocks.length > 0) note(state, out, 'sync', `caught up to height ${state.finalNode.state.height}`);
  // So full a page may have been cut.
  if (page.blocks.length > 0 || (state.nodes.size > known && 2 * bytesOf(page.pending) > SYNC_PAGE_BYTES)) {
    state.syncAt_ms = 0; // more pages may follow at once
    requestSync(state, out);
  }
}

/**
 * True when the block of a page has FINAL votes of a quorum: of the members that this node knows for that epoch, whatever the
 * state under the page says of them, and of all those of the chain.
 */
function isProven(state: ProtocolState, { block, parent }: BlockNode, votes: readonly Signed<Vote>[]): boolean {
  const known = block && membersOf(state.finalNode.state, block.epoch);
  if (!known || !isFinalCertificate([known], block, votes)) return false;
  return parent === null || isFinalCertificate(setsOf(parent.state), block, votes);
}

/** FINAL votes for exactly this block, in its epoch, of a quorum of every set. */
export function isFinalCertificate(sets: Sets, block: Signed<Block>, votes: readonly Signed<Vote>[]): boolean {
  const isFor = ({ epoch, view, body }: Signed<Vote>): boolean =>
    body.type === 'VOTE' &&
    body.kind === 'final' &&
    body.block === block.id &&
    view === block.view &&
    epoch === block.epoch;
  return votes.every(isFor) && isQuorum(sets, new Set(votes.map(({ sender }) => sender)));
}

/** Rebuilds the state from the ledger: its checkpoint, the final chain above, then what this node had signed beyond. */
export function restore(
  state: ProtocolState,
  checkpoint: Uint8Array | null,
  blocks: readonly Signed<Block>[],
  votes: readonly Unsigned<Vote>[],
  onBlock: (step: Omit<FinalStep, 'votes'>, index: number) => void = () => undefined,
): void {
  if (checkpoint !== null) {
    const [first] = blocks; // made durable together with the checkpoint that it names
    if (first === undefined) throw new Error('the ledger has a checkpoint without the block that names it');
    const chain = openCheckpoint(checkpoint, first, registryOf(state), state.hash);
    if (isRefusal(chain)) throw new Error(`the checkpoint of the ledger: ${chain.detail}`);
    state.finalNode = rootOf(chain);
  }
  for (const [index, block] of blocks.entries()) {
    const before = state.finalNode.state;
    const next = state.audit.applyBlock(before, block, state.hash);
    if (isRefusal(next)) throw new Error(`block ${before.height + 1} of the ledger: ${next.code}, ${next.detail}`);
    state.finalNode = { block, view: block.view, parent: null, state: next, notarized: true, final: true };
    state.nodes = new Map([[block.id, state.finalNode]]);
    state.view = block.view + 1;
    if (block.body.kind === 'SEAL') keepPosed(state, next);
    onBlock({ block, before, state: next }, index);
  }
  for (const vote of votes) {
    if (vote.body.to <= state.finalNode.view) continue;
    markOwnVote(state, vote);
    if (vote.body.kind === 'final') state.own.kept.add(vote.view);
  }
}

/** The votes are certificates, and count as such: one by one the earliest of many would be forgotten. */
function takeUp(state: ProtocolState, messages: readonly Signed[], out: Outcome): void {
  for (const message of messages) onMessage(state, message, out);
  const votes = messages.filter((message): message is Signed<Vote> => message.body.type === 'VOTE');
  addCertificates(state.votes, votes, electorateOf(state));
}

/**
 * True when an order of this node is still to be served, or may be on a branch that is not final yet: then its agent places no
 * other.
 */
export function hasOpenOrder(state: ProtocolState): boolean {
  const { self, deciding, finalNode, nodes, pool } = state;
  const isPlaced = [...pool.orders.values()].some(
    (order) =>
      order.sender === self && order.round === deciding && refuseOrder(order, deciding, finalNode.state) === null,
  );
  const tips = [finalNode, ...[...nodes.values()].filter(({ final }) => !final)];
  const isOwn = ({ order }: PendingEntry): boolean => order.sender === self;
  return isPlaced || tips.some((node) => node.state.pending.some(isOwn));
}
