/**
 * The thin runtime: feeds inputs to the core and carries out what it owes, in order: make durable, sign and publish,
 * adopt the plan, solve, serve a peer. Knows no rule of the protocol. One runtime is one node; the charge point and
 * the head meter are what feeds it.
 */
import { millis } from '../hal/units.ts';
import { createDoor } from './adapters/door.ts';
import type { Admission, Gate, Refusal } from './adapters/gate.ts';
import type { Account, Bus, Clock, Hash, Ledger, LedgerEntry, Past, Signer } from './ports.ts';
import { accountOf } from './protocol/account.ts';
import type { Instance, PlanAhead } from './protocol/benefit/instance.ts';
import { openMessages, openVotes, votesOf } from './protocol/certificate.ts';
import { encode, sameBytes } from './protocol/codec.ts';
import { answer, type Question, type Shelf } from './protocol/consensus/answer.ts';
import { isSurplus } from './protocol/consensus/surplus.ts';
import { CLOCK_LEAP_ROUNDS } from './protocol/limits.ts';
import { everyone, isPresent, keyFrom, type Members, publicKeyOf } from './protocol/members.ts';
import {
  addresseeOf,
  type Block,
  type Evidence,
  envelopeOf,
  messageTopic,
  payloadOf,
  readPayload,
  type Signed,
  signed,
  toSign,
  toWire,
  type Unsigned,
  type Vote,
} from './protocol/messages.ts';
import type { Plan } from './protocol/plan.ts';
import type { Registry } from './protocol/registry.ts';
import { decidedAt } from './protocol/round.ts';
import { canAgree } from './protocol/seats.ts';
import {
  type FinalStep,
  firstAfterLoss,
  makeState,
  type Note,
  type Outcome,
  type ProtocolState,
  registryOf,
} from './protocol/state.ts';
import { type Input, restore, step } from './protocol/step.ts';

export interface RuntimeParts {
  /** Where the chain begins. */
  readonly registry: Registry;
  /** This node's index, and the name under which it publishes; both may be of a node that is yet to join. */
  readonly self: number;
  readonly name: string;
  readonly hash: Hash;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly ledger: Ledger;
  /** The node's key; where it is being replaced, the old one first. */
  readonly signers: readonly Signer[];
  readonly gate: Gate;
  /** Null from a node that only follows. */
  readonly solve: (instance: Instance) => PlanAhead | null;
}

export interface RuntimeEvents {
  /** At start, when the chain is taken up at a checkpoint: what remains of all before it. Comes before the blocks. */
  past?(past: Past): void;
  /** A committed plan of this node, before its round begins. */
  plan?(plan: Plan): void;
  /** A block became final, and what is kept of it for good; also called for each block of the ledger at start. */
  final?(block: FinalStep, account: Account): void;
  note?(note: Note): void;
  /** `name` is the one that it was published under. */
  refused?(code: Refusal, detail: string, name: string): void;
}

export interface Runtime {
  /** False where too few could vote: then the core is never fed, nothing is said, and there is never a plan. */
  readonly agrees: boolean;
  readonly state: Readonly<ProtocolState>;
  readonly refusals: ReadonlyMap<Refusal, number>;
  /** Peers heard of, by presence message: alive or not. */
  readonly peers: ReadonlyMap<string, boolean>;
  feed(input: Input): void;
  /** Looks at the clock now, and not only at the next tick. */
  wake(): void;
  start(): void;
  stop(): void;
}

/** A few times per Δ, which is 2 s in a five-minute round, on the hours of the round where it divides them; never faster than the wall can follow. */
const TICKS_PER_DELTA = 10;
const TICK_LEAST_WALL_ms = 10;
const MEMORY_FACT = 'memory-from';
const OTHER_LIFE_FACT = 'other-life-until';
const NO_KEY = new Uint8Array(0);
/** One for each key that a node has had, by the first epoch of the key. */
const evidenceFact = (members: Members, culprit: number): string => `evidence-${culprit}-${keyFrom(members, culprit)}`;

export function createRuntime(parts: RuntimeParts, events: RuntimeEvents): Runtime {
  const { registry, self, name, hash, clock, bus, ledger, signers, gate } = parts;
  const { microgrid } = registry.neighbourhood;
  const agrees = canAgree(registry.n);
  const ownKeys = signers.map(({ publicKey }) => publicKey);
  const state = makeState(registry, self, hash, undefined, ownKeys);
  const refusals = new Map<Refusal, number>();
  const peers = new Map<string, boolean>();
  const queue: Input[] = [];
  let draining = false;
  let last: { readonly now: number; readonly at: number } | null = null;
  let cancelTick = (): void => undefined;
  /** Until when it keeps silent for fear of a former life, 0 for no longer; and what the chain says about that. */
  let otherLife_round = 0;
  let [isNewcomer, hasSpoken] = [false, false];
  /** Peers that had no block for this node since the last one. */
  const atTheEnd = new Set<number>();

  const topicOf = (message: Unsigned): string => {
    const to = addresseeOf(message);
    return messageTopic(
      microgrid,
      message.body.type,
      name,
      to === undefined ? to : everyone(state.finalNode.state)[to].name,
    );
  };
  const publish = (message: Signed): void => bus.publish(topicOf(message), toWire(message));

  /** Of this node's keys the one that it has in an epoch; who is not a member yet has but one. */
  const signerIn = (epoch: number): Signer => {
    const publicKey = publicKeyOf(state.finalNode.state, self, epoch);
    return signers.find((signer) => publicKey !== null && sameBytes(signer.publicKey, publicKey)) ?? signers[0];
  };
  const sign = (message: Unsigned): Signed => {
    const payload = payloadOf(message, registry.tag);
    const own = signed(message, payload, signerIn(message.epoch).sign(toSign(payload)), hash);
    gate.remember(own);
    return own;
  };

  const carryOut = (outcome: Outcome): void => {
    if (outcome.finals.length > 0) gate.follow(state.finalNode.state);
    const finals = outcome.finals.map((final) => ({ final, account: accountOf(final, self) }));
    const accounts = finals.map(({ account }): LedgerEntry => ({ kind: 'account', account }));
    if (outcome.persist.length > 0) ledger.append([...outcome.persist, ...accounts]);
    for (const unsigned of outcome.send) {
      const message = sign(unsigned);
      if (unsigned.body.type === 'SYNC_REQ') door.asked(everyone(state.finalNode.state)[unsigned.body.to].name);
      publish(message);
      // A question is answered whatever its epoch, by whoever knows one of the keys: this node may not know that it has a new one.
      if (unsigned.body.type === 'SYNC_REQ')
        for (const signer of signers.slice(1)) publish({ ...message, signature: signer.sign(toSign(message.payload)) });
      queue.push({ kind: 'message', message });
    }
    for (const message of outcome.relay) publish(message);
    for (const proof of outcome.evidence)
      ledger.remember(
        evidenceFact(state.finalNode.state, proof.body.first.sender),
        Buffer.from(toWire(proof)).toString('base64'),
      );
    for (const { final } of finals) lookForOtherLife(final);
    if (finals.length > 0) atTheEnd.clear();
    judgeOtherLife();
    for (const { final, account } of finals) events.final?.(final, account);
    if (outcome.plan !== null) events.plan?.(outcome.plan);
    for (const note of outcome.notes) events.note?.(note);
    if (outcome.solve !== null) {
      const { seal, instance } = outcome.solve;
      const plan = parts.solve(instance);
      if (plan !== null) queue.push({ kind: 'solved', seal, plan });
    }
    if (outcome.serve !== null) serve(outcome.serve);
  };

  const feed = (input: Input): void => {
    if (!agrees) return;
    queue.push(input);
    if (draining) return;
    draining = true;
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) carryOut(step(state, next));
    } finally {
      draining = false;
    }
  };

  const shelf: Shelf = {
    checkpointAbove: (height, epoch) => ledger.checkpointAbove(height, epoch),
    above: (height, maxBytes) =>
      ledger.blocksAbove(height, maxBytes).map(({ message, certificate }) => ({
        block: gate.reopen(message) as Signed<Block>,
        votes: openVotes(certificate, gate),
      })),
  };
  /** Signed in the epoch of the question: whoever is behind knows no later keys. */
  const serve = (question: Question): void => {
    const body = answer(state, question, shelf);
    const { epoch } = question;
    if (body !== null) publish(sign({ epoch, round: state.deciding, view: 0, sender: self, body }));
  };

  const isMember = (who: string): boolean =>
    everyone(state.finalNode.state).some(
      (member, node) => member.name === who && isPresent(state.finalNode.state, node),
    );

  const onBus = (topic: string, wire: Uint8Array): void => {
    const [, , , type, ...names] = topic.split('/');
    const from = names.at(-1) ?? '';
    if (type === 'status') onPresence(from, wire);
    else if (state.deciding >= 0) door.knock(from, wire);
  };

  const onAdmission = (from: string, admission: Admission): void => {
    if (admission.verdict === 'accept') {
      const { message } = admission;
      if (message.body.type === 'SYNC_RES' && message.body.blocks.length === 0) atTheEnd.add(message.sender);
      return feed({ kind: 'message', message });
    }
    const { code, detail } = admission;
    if (code === 'for-another' || code === 'settled') return;
    if (code === 'duplicate' && from === name) return; // its own echo
    refusals.set(code, (refusals.get(code) ?? 0) + 1);
    events.refused?.(code, detail, from);
  };
  const door = createDoor({
    isName: isMember,
    gate,
    clock,
    reader: () => ({
      deciding: state.deciding,
      self,
      settled: state.finalNode.view,
      isSurplus: (vote) => isSurplus(state, vote),
    }),
    told: onAdmission,
  });

  const onPresence = (who: string, json: Uint8Array): void => {
    if (!isMember(who) || json.length > 1024) return;
    try {
      const status = JSON.parse(new TextDecoder().decode(json)) as { alive?: unknown } | null;
      peers.set(who, status?.alive === true);
    } catch {
      // unsigned and informal: whoever writes nonsense here is simply not alive
      peers.set(who, false);
    }
  };

  const tick = (): void => {
    const period_ms = Math.ceil(Math.max(state.hours.delta_ms / TICKS_PER_DELTA, TICK_LEAST_WALL_ms * clock.scale));
    // On the hours themselves: a proposal waits for its leader's tick, and a quorum for those of its voters.
    cancelTick = clock.after(millis(period_ms - (clock.now() % period_ms)), tick);
    wake();
  };

  /**
   * Time passed. A leap of the clock beyond the next round is believed when it has lasted a round: under a wrong time this
   * node would skip the views up to it, and must then keep silent until that time is really there.
   */
  const wake = (): void => {
    const [now, at] = [clock.now(), clock.monotonic()];
    const leapt = last !== null && now - last.now - (at - last.at) > CLOCK_LEAP_ROUNDS * state.hours.round_ms;
    if (leapt && at - last!.at < state.hours.round_ms) return;
    last = { now, at };
    feed({ kind: 'tick', now_ms: now });
  };

  /** From the ledger: the chain, then what this node has signed beyond it, said again. */
  const resume = (): void => {
    const { checkpoint, blocks, votes, statements, whole, signedTo_round } = ledger.load();
    if (checkpoint !== null) events.past?.(ledger.past(checkpoint.height));
    const chain = blocks.map((block) => ({
      message: gate.reopen(block.message) as Signed<Block>,
      certificate: block.certificate,
    }));
    const own = votes.map((vote) => ({ ...vote, body: readPayload(vote.payload, registry.tag, refuseNested) }));
    restore(
      state,
      checkpoint?.state ?? null,
      chain.map(({ message }) => message),
      own.map(({ body }) => body as Unsigned<Vote>),
      (final, at) => {
        lookForOtherLife(final);
        events.final?.({ ...final, votes: votesOf(chain, at) }, accountOf(final, self));
      },
    );
    gate.follow(state.finalNode.state);
    const deciding = decidedAt(clock.now(), state.hours.round_ms);
    state.memoryFrom_round = whole ? Number(ledger.recall(MEMORY_FACT) ?? 0) : memoryFrom(deciding, signedTo_round);
    heedOtherLife(deciding);
    const settled = state.finalNode.state.registers[self]?.round ?? -1;
    const again = [
      ...statements.filter(({ round, kind }) => round >= deciding || (kind === 'METER' && round > settled)),
      ...own.filter(({ to }) => to > state.finalNode.view),
    ].map(({ payload }) => gate.reopen(encode([payload, signerIn(envelopeOf(payload).epoch).sign(toSign(payload))])));
    // Before the first tick, so that nothing new is said until all that was said is known; headers need the round.
    for (const { to, basis } of own)
      if (to > state.finalNode.view) feed({ kind: 'kept', messages: openMessages(basis, gate) });
    for (const message of again) if (message.body.type !== 'HEADER') feed({ kind: 'message', message });
    for (const message of again) publish(message);
    wake();
    for (const culprit of everyone(state.finalNode.state).keys()) {
      const proof = ledger.recall(evidenceFact(state.finalNode.state, culprit));
      if (proof !== undefined)
        feed({ kind: 'convicted', evidence: gate.reopen(Buffer.from(proof, 'base64')) as Signed<Evidence> });
    }
    for (const message of again) if (message.body.type === 'HEADER') feed({ kind: 'message', message });
  };

  /**
   * The first round about which this node may vote. After a ledger was lost, wholly or in part, votes of earlier rounds
   * may be forgotten; that too must be remembered, since the next start finds a ledger that looks whole.
   */
  const memoryFrom = (deciding: number, signedTo_round: number | null): number => {
    const first = firstAfterLoss(state, deciding, signedTo_round);
    return abstain(MEMORY_FACT, deciding, Math.max(first, Number(ledger.recall(MEMORY_FACT) ?? 0)));
  };

  const abstain = (fact: string, deciding: number, round: number): number => {
    ledger.remember(fact, String(round));
    const text = `votes of this node may be lost with its ledger: it votes from round ${round} on, and on nothing before`;
    events.note?.({ code: 'abstains', round: deciding, text });
    return round;
  };

  /**
   * A key that has replaced another may have had a former life, of which its new ledger knows nothing: from its first start on it
   * votes about later rounds only, unless the chain shows that it is the first key of a number that is new and has said nothing yet.
   */
  const heedOtherLife = (deciding: number): void => {
    const isAnother = !sameBytes(signers[0].publicKey, registry.publicKeys[self] ?? NO_KEY);
    const known = ledger.recall(OTHER_LIFE_FACT);
    if (known !== undefined) otherLife_round = Number(known);
    else if (isAnother && state.finalNode.block === null)
      otherLife_round = abstain(OTHER_LIFE_FACT, deciding, deciding + 1);
    state.memoryFrom_round = Math.max(state.memoryFrom_round, otherLife_round);
  };
  const lookForOtherLife = ({ block, state: chain }: Omit<FinalStep, 'votes'>): void => {
    const key = chain.registry.members[self] === undefined ? chain.handover?.registry.publicKeys[self] : undefined;
    if (key !== undefined && sameBytes(key, signers[0].publicKey)) isNewcomer = true;
    if ([block, ...block.body.carried].some(({ sender }) => sender === self)) hasSpoken = true;
  };
  /** While it says nothing for fear of a former life, whatever the chain carries of it is of that life. It may come on a later page. */
  const judgeOtherLife = (): void => {
    if (otherLife_round === 0) return;
    const memory_round = Number(ledger.recall(MEMORY_FACT) ?? 0);
    if (hasSpoken) ledger.remember(MEMORY_FACT, String(Math.max(otherLife_round, memory_round)));
    else if (!isNewcomer || atTheEnd.size <= registryOf(state).f) return;
    otherLife_round = 0;
    ledger.remember(OTHER_LIFE_FACT, '0');
    state.memoryFrom_round = Number(ledger.recall(MEMORY_FACT) ?? 0);
  };

  bus.onMessage(onBus);
  bus.onConnection((connected) => {
    if (!connected) for (const name of peers.keys()) peers.set(name, false);
  });

  return {
    agrees,
    state,
    refusals,
    peers,
    feed,
    wake,
    start() {
      if (!agrees) return;
      resume();
      tick();
    },
    stop() {
      cancelTick();
      door.close();
    },
  };
}

const refuseNested = (): never => {
  throw new Error('a vote holds no messages');
};
