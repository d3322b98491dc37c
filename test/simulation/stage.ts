/**
 * A stage for one attack: three honest nodes (A, B, C) with their doors and ledgers, a fourth (D) and the head meter in
 * the hands of whoever plays it. Messages arrive at once and in the order sent, unless `lost`; time moves when told.
 */

import { createGate, type Gate } from '../../firmware/adapters/gate.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import type { Instance } from '../../firmware/protocol/benefit/instance.ts';
import { openMessages, openVotes } from '../../firmware/protocol/certificate.ts';
import { encode } from '../../firmware/protocol/codec.ts';
import type { Question } from '../../firmware/protocol/consensus/answer.ts';
import {
  addresseeOf,
  type Block,
  type Body,
  type Header,
  type Order,
  payloadOf,
  type Signed,
  type Site,
  type SyncRequest,
  type SyncResponse,
  signed,
  toWire,
  type Unsigned,
  type Vote,
} from '../../firmware/protocol/messages.ts';
import type { Registry } from '../../firmware/protocol/registry.ts';
import { decidedAt, decisionStart, firstView, roundOfView } from '../../firmware/protocol/round.ts';
import { headerOf, tiesOf } from '../../firmware/protocol/schedule.ts';
import { type BlockNode, type ProtocolState, registryOf } from '../../firmware/protocol/state.ts';
import type { Input } from '../../firmware/protocol/step.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { MemoryLedger } from '../unit/protocol-driver.ts';
import type { Core } from './core.ts';
import { neighbourhoodOf } from './neighbourhood.ts';

export const [A, B, C, D, HEAD] = [0, 1, 2, 3, 4];
const HONEST = [A, B, C];
const NO_SIGNATURE = new Uint8Array(64);
const FIRST_ROUND = 1002;
const ROUND_MS = 300_000;
/** What faults leave open is made up for within two rounds. */
const ROUNDS_AFTER = 2;

interface Player {
  readonly gate: Gate;
  readonly ledger: MemoryLedger;
  readonly state: ProtocolState;
}

export type Verdict = 'goes on' | 'falls behind' | 'halts' | 'forks';

export class Stage {
  /** The first view of the story. Two quiet rounds were played before it, so that there is a chain. */
  readonly view: number;
  readonly registry: Registry;
  readonly players: Player[];
  /** True for a message that never arrives. */
  lost: (message: Signed, to: number, from: number) => boolean = () => false;
  /** The last question of each node to D, and how many messages each has published. */
  readonly asked = new Map<number, SyncRequest>();
  readonly said = [0, 0, 0];
  private readonly echoed = new Set<string>();
  /** How much a page of catch-up holds, if not as much as the device's. */
  room?: { readonly blocks: number; readonly page: number };
  private readonly core: Core;
  private readonly finals = new Map<number, Set<string>>();
  private readonly wires: { readonly to: number; readonly message: Signed }[] = [];
  private now_ms: number;

  /** D leads the given view of the story's SEAL, 0 for the first. */
  constructor(core: Core, ledByD = 0) {
    this.core = core;
    this.registry = core.makeRegistry(neighbourhoodOf(4), sha256);
    this.players = HONEST.map((index) => this.enter(index, new MemoryLedger()));
    let round = FIRST_ROUND;
    while (core.leaderOf(this.registry, firstView(round, 'SEAL') + ledByD) !== D) round += 1;
    this.view = firstView(round, 'SEAL');
    this.now_ms = decisionStart(round - 2, ROUND_MS);
    this.until(300);
    this.until(300);
  }

  get tip(): ProtocolState['finalNode']['state'] {
    return this.players[A].state.finalNode.state;
  }
  /** What the head meter has said for the round being decided, if it has. */
  get site(): Signed<Site> | undefined {
    return this.players[A].state.pool.sites.get(this.deciding);
  }
  /** The round being decided now. */
  get deciding(): number {
    return decidedAt(this.now_ms, ROUND_MS);
  }
  /** Seconds into the interval. */
  get second(): number {
    return (this.now_ms % ROUND_MS) / 1000;
  }

  // Time and the network

  /** Plays up to and including a second of the interval; up to 300, the beginning of the next. */
  until(second: number): void {
    const end_ms = this.now_ms + (second - this.second) * 1000;
    for (; this.now_ms < end_ms; this.now_ms += 1000) {
      this.tick();
      if (this.second === 60) this.readSite();
    }
    if (second < 300) this.tick();
  }
  tick(nodes: readonly number[] = HONEST): void {
    for (const node of nodes) {
      this.feed(node, { kind: 'tick', now_ms: this.now_ms });
      this.deliver();
    }
  }
  /** The power of some nodes goes and comes back, and pages do not reach them until each has asked D too. */
  untilAsked(...nodes: readonly number[]): void {
    this.lost = ({ body }, to) => body.type === 'SYNC_RES' && nodes.includes(to);
    this.restart(...nodes);
    while (nodes.some((node) => !this.asked.has(node))) this.until(this.second + 1);
    this.lost = () => false;
  }
  /** Another second, in which these look at their clocks one after the other. */
  wait(nodes: readonly number[]): void {
    this.now_ms += 1000;
    this.tick(nodes);
  }
  /** Everything under way arrives, and what follows from it. */
  deliver(): void {
    for (let next = this.wires.shift(); next !== undefined; next = this.wires.shift()) this.hear(next.to, next.message);
  }
  /** Hands over messages of D or the head meter at once; what the nodes say to it stays under way. */
  give(nodes: number | readonly number[], ...messages: readonly Signed[]): void {
    for (const to of [nodes].flat()) for (const message of messages) this.hear(to, message);
  }
  /** The power goes and comes back; messages on their way are gone if it was dark everywhere. */
  restart(...nodes: readonly number[]): void {
    if (nodes.length === HONEST.length) this.wires.length = 0;
    for (const node of nodes) this.resume(node);
    this.deliver();
  }

  // What D (or the head meter) may say

  say<B extends Body>(
    sender: number,
    body: B,
    view = 0,
    round = view > 0 ? roundOfView(view) : this.deciding,
  ): Signed<B> {
    const { epoch } = registryOf(this.players[A].state);
    return this.sign({ epoch, round, view, sender, body });
  }
  vote(kind: 'notarize' | 'final', view: number, block: string): Signed<Vote> {
    return this.say(D, { type: 'VOTE', kind, to: view, block }, view);
  }
  skip(from: number, to = from): Signed<Vote> {
    return this.say(D, { type: 'VOTE', kind: 'skip', to, block: '' }, from);
  }
  order(ref: number, changes: Partial<Order> = {}, round = this.deciding): Signed<Order> {
    const wish = {
      side: 'buy',
      price: 1,
      power_W: 1000,
      maxWait_rounds: 0,
      divisible: false,
      minimum_W: 1000,
    } as const;
    return this.say(D, { type: 'ORDER', ref, connector: 0, ...wish, ...changes }, 0, round);
  }
  /** A valid SEAL on the last final block, with the SITE and so many orders of D's: several are as many proposals. */
  seal(view: number, orders: number, author = D): Signed<Block> {
    const site = this.players[A].state.pool.sites.get(roundOfView(view)) as Signed<Site>;
    const own = Array.from({ length: orders }, (_, ref) => this.order(ref)).sort((a, b) => (a.id < b.id ? -1 : 1));
    return this.propose(view, this.tip.tip, [...own, site], author);
  }
  /** Any SEAL. */
  propose(view: number, parent: string, carried: Block['carried'], author = D): Signed<Block> {
    return this.say(author, { type: 'PROPOSE', kind: 'SEAL', parent, carried, checkpoint: '' }, view);
  }
  /** A proposal of D's on a block that nobody has. */
  lure(nobodys = 1): Signed<Block> {
    let view = this.view + 4;
    while (this.core.leaderOf(this.registry, view) !== D) view += 1;
    return this.propose(view, nobodys.toString(16).padStart(64, '0'), []);
  }
  /** The block that a node has proposed in a view. */
  proposed(leader: number, view: number): string {
    const { nodes } = this.players[leader].state;
    return [...nodes.values()].find((node) => node.view === view)?.state.tip ?? '';
  }
  /** D's answer to the last question of a node, or a page that nobody asked for. */
  page(to: number, content: Partial<Pick<SyncResponse, 'blocks' | 'pending'>>): Signed<SyncResponse> {
    const { height } = this.players[to].state.finalNode.state;
    const { height: above, asked_ms } = this.asked.get(to) ?? { height, asked_ms: 0 };
    return this.say(D, { type: 'SYNC_RES', to, height: above, asked_ms, blocks: [], pending: [], ...content });
  }
  /** Two headers of D's for the SEAL, and whether the tie is D's. */
  headers(): { best: Signed<Header>; other: Signed<Header>; wins: boolean } {
    const { nodes } = this.players[A].state;
    const { state: chain } = [...nodes.values()].findLast(({ state }) => state.instance !== null) as BlockNode;
    const instance = chain.instance as Instance;
    const plan = solve(instance, 'eq11', {});
    const body = headerOf(chain.seal, plan, evaluate(instance, plan));
    const ties = tiesOf(chain, sha256);
    const [best, other] = [body, { ...body, lambda: body.lambda - 1 }].map((each) => this.say(D, each));
    return { best, other, wins: ties.every((tie) => ties[D] <= tie) };
  }
  /** An old final block with its true certificate, to end a page with. */
  oldBlock(): SyncResponse['blocks'][number] {
    const { gate, ledger } = this.players[A];
    const old = ledger.blocks.filter(({ certificate }) => certificate !== null)[0];
    return { block: gate.reopen(old.message) as Signed<Block>, votes: openVotes(old.certificate, gate) };
  }

  /** D says to these what the first of them says: the same SKIPs and, of each block it has, the votes of these kinds. */
  echo(nodes: readonly number[], ...kinds: readonly ('notarize' | 'final')[]): void {
    const { own, nodes: tree } = this.players[nodes[0]].state;
    for (const { from, to } of [...own.skipped]) this.give(nodes, this.skip(from, to));
    for (const { block, view } of [...tree.values()]) {
      if (block === null || this.echoed.has(block.id)) continue;
      this.echoed.add(block.id);
      this.give(nodes, ...kinds.map((kind) => this.vote(kind, view, block.id)));
    }
    this.deliver();
  }

  // How it ends

  /** What is left of it some rounds later: by then, unless told otherwise, D is silent and nothing else goes wrong. */
  verdict(play: () => void = () => undefined, rounds = ROUNDS_AFTER): Verdict {
    this.lost = () => false;
    if (this.second > 0) this.until(300);
    const { height } = this.tip;
    for (let round = 0; round < rounds; round++) {
      play();
      this.until(300);
    }
    if ([...this.finals.values()].some((ids) => ids.size > 1)) return 'forks';
    const last = this.deciding - 1;
    if (this.players.every(({ state }) => state.finalNode.state.scheduleRound === last)) return 'goes on';
    return this.tip.height === height ? 'halts' : 'falls behind';
  }

  // The runtime's part

  private enter(self: number, ledger: MemoryLedger): Player {
    const gate = createGate(this.registry, sha256, () => true);
    return { gate, ledger, state: this.core.makeState(this.registry, self, sha256) };
  }

  private resume(node: number): void {
    const { ledger } = this.players[node];
    const player = this.enter(node, ledger);
    this.players[node] = player;
    const { gate, state } = player;
    const own = ledger.votes.map(({ payload }) => gate.reopen(encode([payload, NO_SIGNATURE])) as Signed<Vote>);
    this.core.restore(
      state,
      null,
      ledger.blocks.map(({ message }) => gate.reopen(message) as Signed<Block>),
      own,
    );
    gate.follow(state.finalNode.state);
    const again = own.filter(({ body }) => body.to > state.finalNode.view);
    for (const { to, basis } of ledger.votes)
      if (to > state.finalNode.view) this.feed(node, { kind: 'kept', messages: openMessages(basis, gate) });
    for (const message of again) this.feed(node, { kind: 'message', message });
    for (const message of again) this.cast(node, message);
    this.feed(node, { kind: 'tick', now_ms: this.now_ms });
  }

  private hear(node: number, message: Signed): void {
    const { gate, state } = this.players[node];
    const admission = gate.admit(toWire(message), state.deciding);
    if (admission.verdict === 'accept') this.feed(node, { kind: 'message', message: admission.message });
  }

  private feed(node: number, input: Input): void {
    const { gate, ledger, state } = this.players[node];
    const inputs: Input[] = [input];
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      const out = this.core.step(state, next);
      ledger.append(out.persist);
      if (out.finals.length > 0) gate.follow(state.finalNode.state);
      for (const unsigned of out.send) {
        const message = this.sign(unsigned);
        gate.remember(message);
        this.cast(node, message);
        inputs.push({ kind: 'message', message });
      }
      for (const message of out.relay) this.cast(node, message);
      for (const { block, state: chain } of out.finals)
        this.finals.set(chain.height, (this.finals.get(chain.height) ?? new Set()).add(block.id));
      if (out.solve !== null)
        inputs.push({ kind: 'solved', seal: out.solve.seal, plan: solve(out.solve.instance, 'eq11', {}) });
      if (out.serve !== null) this.serve(node, out.serve);
    }
  }

  private cast(from: number, message: Signed): void {
    this.said[from] += 1;
    const { body } = message;
    if (body.type === 'SYNC_REQ' && body.to === D) this.asked.set(from, body as SyncRequest);
    const only = addresseeOf(message);
    for (const to of HONEST)
      if (to !== from && to === (only ?? to) && !this.lost(message, to, from)) this.wires.push({ to, message });
  }

  private serve(node: number, question: Question): void {
    const { gate, ledger, state } = this.players[node];
    const above = (height: number, maxBytes: number): SyncResponse['blocks'] =>
      ledger.blocksAbove(height, maxBytes).map(({ message, certificate }) => ({
        block: gate.reopen(message) as Signed<Block>,
        votes: openVotes(certificate, gate),
      }));
    const { epoch } = question;
    const checkpointAbove = (height: number, of: number) => ledger.checkpointAbove(height, of);
    const body = this.core.answer(state, question, { checkpointAbove, above }, this.room);
    if (body !== null) this.cast(node, this.sign({ epoch, round: state.deciding, view: 0, sender: node, body }));
  }

  private readSite(): void {
    const takenAt_ms = this.now_ms;
    const imported_Wh = Math.floor(takenAt_ms / 1000);
    const site = { type: 'SITE', takenAt_ms, imported_Wh, exported_Wh: 0, power_W: 1000 } as const;
    this.give(HONEST, this.say(HEAD, site, 0, this.deciding));
    this.deliver();
  }

  private sign<B extends Body>(message: Unsigned<B>): Signed<B> {
    return signed(message, payloadOf(message, this.registry.tag), NO_SIGNATURE, sha256);
  }
}
