/**
 * A neighbourhood in one process: the identical core of the device, counted time, a queue for a network, memories
 * that lose what was not yet written, and an invented physical world. Everything follows from one seed. The loop that
 * carries out a node's obligations is the runtime's, with other parts; what nodes do is watched by checkers.ts.
 */

import { sha256 } from '../../firmware/adapters/sha256.ts';
import { BEGINS_WITHIN } from '../../firmware/head-meter.ts';
import type { Instance, PlanAhead } from '../../firmware/protocol/benefit/instance.ts';
import { openMessages } from '../../firmware/protocol/certificate.ts';
import type { ChainState } from '../../firmware/protocol/chain.ts';
import { decode } from '../../firmware/protocol/codec.ts';
import { bytesOf, type Question } from '../../firmware/protocol/consensus/answer.ts';
import type { Neighbourhood } from '../../firmware/protocol/genesis.ts';
import { isQuorum, type Sets, setsOf } from '../../firmware/protocol/membership.ts';
import {
  type Amendment,
  addresseeOf,
  type Block,
  type Body,
  type Evidence,
  messageTopic,
  payloadOf,
  readPayload,
  type Signed,
  type SyncResponse,
  signed,
  type Unsigned,
  type Vote,
} from '../../firmware/protocol/messages.ts';
import type { Plan } from '../../firmware/protocol/plan.ts';
import type { Registry } from '../../firmware/protocol/registry.ts';
import { decidedAt, firstView, leaderOf } from '../../firmware/protocol/round.ts';
import {
  type Audit,
  firstAfterLoss,
  type Note,
  type Outcome,
  offset_ms,
  type ProtocolState,
} from '../../firmware/protocol/state.ts';
import type { Input } from '../../firmware/protocol/step.ts';
import { type Rule, solve } from '../../firmware/solver/solve.ts';
import { LIES, type Liar, type Lie, makeLiar, type Utterance } from './byzantine.ts';
import { type Core, device } from './core.ts';
import { Door, hasKey } from './door.ts';
import { type Crash, type Fault, Faults, type Trouble } from './faults.ts';
import { neighbourhoodOf, type Sizing } from './neighbourhood.ts';
import { Network, type Packet } from './network.ts';
import { type Random, randomStream } from './random.ts';
import { Disk } from './storage.ts';
import { TwinSchedule } from './twins.ts';
import { type Flow, type Registers, World } from './world.ts';

export interface ClusterOptions {
  readonly nodes: number;
  readonly seed: number;
  readonly faults?: readonly Fault[];
  /** The first round to be decided; a day begins with every 288th. */
  readonly firstRound?: number;
  /** One storm without end instead of storms and calms. */
  readonly steady?: boolean;
  /** What malicious nodes choose from; everything unless given. */
  readonly lies?: readonly Lie[];
  /** So many nodes run twice under one key, and a schedule of partitions takes the place of all other faults (twins.ts). */
  readonly twins?: number;
  /** In place of the faults drawn from the seed. */
  readonly trouble?: (registry: Registry) => Trouble;
  readonly core?: Core;
  readonly rule?: Rule;
  /** How much the site's connection can carry. */
  readonly sizing?: Sizing;
  /** By round, counted from 0: what a registrar says in it. Who is to join is there from then on. */
  readonly changes?: ReadonlyMap<number, readonly Amendment[]>;
  /** False: disks that lose their last writes at a crash. */
  readonly syncs?: boolean;
  /** True: a node whose tail is lost does not know it (negative control). */
  readonly forgetful?: boolean;
  /** How many may lose their memory; more than may be faulty, and nothing may split, but all may stand still. */
  readonly fragile?: number;
  readonly watch?: Partial<Watch>;
}

/** What the checkers see. */
export interface Watch {
  /** A message was signed and leaves (its first time). Honest says by whom. */
  said(message: Signed, honest: boolean): void;
  final(node: SimNode, final: Outcome['finals'][number]): void;
  plan(node: SimNode, plan: Plan): void;
  note(node: SimNode, note: Note): void;
  heard(node: SimNode, message: Signed): void;
  /** Its sender has no key in its epoch. */
  refused(node: SimNode, message: Signed): void;
  evidence(node: SimNode, proof: Signed<Evidence>): void;
  crashed(node: SimNode): void;
  restarted(node: SimNode): void;
  /** What flows from now on, while `round` is being delivered. */
  flow(round: number, flow: Flow): void;
  /** The deciding interval of `round` is over; the states are still those of its end. */
  decided(round: number, calmRounds: number): void;
}

export interface SimNode {
  readonly index: number;
  /** In the network: its index, except for the second copy of a twin. */
  readonly place: number;
  /** Neither a liar nor a twin. */
  readonly honest: boolean;
  readonly name: string;
  readonly liar: Liar | null;
  state: ProtocolState;
  alive: boolean;
  readonly disk: Disk;
  door: Door;
  ticked_ms: number;
  crash: Crash | null;
  backAt_ms: number;
  /** How often it was started. */
  starts: number;
  /** The last two: the one being followed and the one to come. */
  plans: Plan[];
}

const NO_SIGNATURE = new Uint8Array(64);
const FIRST_ROUND = 1000;
const SLOTS_PER_DELTA = 20;
/**
 * Ticks while a decision is open, between decisions, and outside of both. A message that arrives long after the last
 * tick brings one with it.
 */
const OPEN_TICKS_PER_DELTA = 2;
const QUIET_TICK_DELTAS = 2;
const STALE_PER_DELTA = 4;
/** When meters are read in each interval. */
const METERS_AFTER_DELTAS = 2;
/** What a head meter of its class may be wrong by. */
const HEAD_BIAS_W = -2000;

export class Cluster {
  readonly registry: Registry;
  /** Everybody there will ever be. */
  readonly street: Neighbourhood;
  readonly nodes: SimNode[];
  readonly network: Network;
  readonly faults: Trouble;
  now_ms: number;
  private readonly options: ClusterOptions;
  private readonly core: Core;
  readonly world: World;
  private readonly people: Random;
  private readonly audit: Audit;
  private readonly solutions = new Map<string, PlanAhead>();
  private readonly blocks = new Map<string, Signed<Block>>();
  private readonly finalVotes = new Map<string, Signed<Vote>[]>();
  /** Whose FINAL votes each final block has. */
  private readonly sets = new Map<string, Sets>();
  private headSaid: Registers & { readonly power_W: number } = { imported_Wh: 0, exported_Wh: 0, power_W: 0 };
  private site_W = 0;
  private rounds = 0;
  private saidChanges = 0;

  constructor(options: ClusterOptions) {
    this.options = options;
    this.core = options.core ?? device;
    const changes = [...(options.changes ?? [])];
    const neighbourhood = neighbourhoodOf(options.nodes, options.sizing, changes.length > 0);
    const newcomers = changes.flatMap(([round, amendments]) =>
      amendments.flatMap((each) => (each.op === 'add' ? [{ round, ...each, role: 'charge-point' as const }] : [])),
    );
    this.street = { ...neighbourhood, nodes: [...neighbourhood.nodes, ...newcomers] };
    this.registry = this.core.makeRegistry(neighbourhood, sha256);
    this.people = randomStream(options.seed, 'world');
    this.audit = shared(this.core);
    const lies = randomStream(options.seed, 'lies');
    const { hours } = this.core.makeState(this.registry, 0, sha256);
    const { faults: kinds = [], steady = false, lies: menu = LIES, seed, nodes: n, twins = 0 } = options;
    const schedule = new TwinSchedule({ seed, n, twins, hours });
    const leads = (view: number): number => leaderOf(this.registry, view);
    this.faults =
      options.trouble?.(this.registry) ??
      (twins > 0
        ? schedule
        : new Faults({ kinds, steady, lies: menu, seed, n, hours, leaderOf: leads, fragile: options.fragile }));
    this.network = new Network(Math.max(1, Math.floor(hours.delta_ms / SLOTS_PER_DELTA)));
    const { firstRound = FIRST_ROUND } = options;
    this.now_ms = (firstRound - 1) * hours.round_ms;
    this.world = new World(this.street, this.people, randomStream(seed, 'things'), firstRound - 1, this.now_ms);
    const present = schedule.keys.length;
    const keys = [...schedule.keys, ...[...this.street.nodes.keys()].slice(n + 1)];
    this.nodes = keys.map((index, place) => ({
      index,
      place,
      honest: !this.faults.liars.has(index) && keys.indexOf(index) === keys.lastIndexOf(index),
      name: this.street.nodes[index].name,
      liar: this.faults.liars.has(index) ? makeLiar(options.nodes + 1, lies, (message) => this.sign(message)) : null,
      state: this.core.makeState(this.registry, index, sha256, this.audit),
      alive: place < present,
      disk: new Disk(options.syncs ?? true),
      door: new Door(),
      ticked_ms: 0,
      crash: null,
      starts: 0,
      backAt_ms: place < present ? 0 : this.arrival_ms(newcomers[index - neighbourhood.nodes.length]),
      plans: [],
    }));
  }

  /** When a newcomer starts; never for the registrar, who is no node. */
  private arrival_ms(newcomer: { readonly round: number } | undefined): number {
    return newcomer === undefined
      ? Number.POSITIVE_INFINITY
      : this.now_ms + newcomer.round * this.registry.neighbourhood.roundTime_s * 1000;
  }

  get honest(): SimNode[] {
    return this.nodes.filter(({ honest }) => honest);
  }

  /** One interval: everything in which one round is decided. */
  runRound(): void {
    const { hours } = this.nodes[0].state;
    const start_ms = this.now_ms;
    this.faults.begin(this.rounds, start_ms);
    for (const crash of this.faults.crashes) this.nodes[crash.node].crash = crash;
    for (const { liar, index } of this.nodes) liar?.turn(this.faults.lieOf(index));
    const slots = hours.round_ms / this.network.slot_ms;
    const round = decidedAt(start_ms, hours.round_ms);
    const { delta_ms } = hours;
    const wishes_ms = hours.orders_ms / 2;
    for (let slot = 0; slot < slots; slot++) {
      this.now_ms = start_ms + slot * this.network.slot_ms;
      const offset = slot * this.network.slot_ms;
      const quiet = offset < hours.orders_ms - delta_ms || offset > hours.act_ms + 4 * delta_ms;
      if (offset % (delta_ms / OPEN_TICKS_PER_DELTA) === 0) {
        if (offset % (QUIET_TICK_DELTAS * delta_ms) === 0) this.powerFlows(round - 1);
        const every = quiet ? QUIET_TICK_DELTAS * delta_ms : delta_ms;
        if (offset % every === 0 || (!quiet && this.isOpen(round, offset))) this.tickAll();
      }
      if (offset === METERS_AFTER_DELTAS * hours.delta_ms) for (const node of this.nodes) this.readMeter(node);
      if (offset === wishes_ms) {
        this.registrarSpeaks(round);
        this.peopleWish();
        this.thievesWish(round);
      }
      this.network.arrivals(this.now_ms, (to, packet) => this.deliver(this.nodes[to], packet));
    }
    this.rounds += 1;
    this.options.watch?.decided?.(round, this.faults.calmRounds);
    this.now_ms = start_ms + hours.round_ms;
    this.world.turn(round);
  }

  /** Some node is still in a view of the decision that should be under way. */
  private isOpen(round: number, offset_ms: number): boolean {
    const { hours } = this.nodes[0].state;
    const ends = offset_ms < hours.lock_ms ? firstView(round, 'SCHEDULE') : firstView(round + 1, 'SEAL');
    return this.nodes.some(({ alive, state }) => alive && state.view < ends);
  }

  kill(node: SimNode): void {
    node.alive = false;
    node.crash = null;
    node.backAt_ms = Number.POSITIVE_INFINITY;
    node.plans = [];
    node.disk.crash();
    this.options.watch?.crashed?.(node);
  }

  /** Starts a node from what it had made durable, as the runtime does. */
  restart(node: SimNode, lostTail = false): void {
    const { core, registry } = this;
    node.state = core.makeState(registry, node.index, sha256, this.audit);
    node.door = new Door();
    const { votes, statements } = node.disk.load();
    const { checkpoint } = node.disk;
    const blocks = node.disk.above(checkpoint?.height ?? 0).map(({ id }) => this.blockOf(id));
    const own = votes.map(({ payload }) => this.reopen(payload) as Signed<Vote>);
    core.restore(node.state, checkpoint?.state ?? null, blocks, own);
    const local_ms = this.now_ms + this.faults.skew_ms(node.index, this.now_ms);
    const round = decidedAt(local_ms, node.state.hours.round_ms);
    if (lostTail && this.options.forgetful !== true)
      node.disk.memoryFrom_round = firstAfterLoss(node.state, round, node.disk.signedTo_round);
    node.state.memoryFrom_round = node.disk.memoryFrom_round;
    node.alive = true;
    node.starts += 1;
    const settled = node.state.finalNode.state.registers[node.index]?.round ?? -1;
    const again = statements
      .filter((said) => said.round >= round || (said.kind === 'METER' && said.round > settled))
      .map(({ payload }) => this.reopen(payload));
    again.push(...own.filter(({ body }) => body.to > node.state.finalNode.view));
    // Before the first tick, so that nothing new is said until all that was said is known; headers need the round.
    const opener = { reopen: (wire: Uint8Array) => this.reopen((decode(wire) as [Uint8Array, Uint8Array])[0]) };
    for (const { to, basis } of votes)
      if (to > node.state.finalNode.view) this.feed(node, { kind: 'kept', messages: openMessages(basis, opener) });
    for (const message of again) if (message.body.type !== 'HEADER') this.feed(node, { kind: 'message', message });
    for (const message of again) {
      this.options.watch?.said?.(message, node.honest);
      this.broadcast(node.place, message);
    }
    this.tick(node);
    for (const evidence of node.disk.proofs) this.feed(node, { kind: 'convicted', evidence });
    for (const message of again) if (message.body.type === 'HEADER') this.feed(node, { kind: 'message', message });
    this.options.watch?.restarted?.(node);
    if (this.now_ms % node.state.hours.round_ms > METERS_AFTER_DELTAS * node.state.hours.delta_ms) this.readMeter(node);
  }

  private tickAll(): void {
    for (const node of this.nodes) {
      if (!node.alive && this.now_ms >= node.backAt_ms) {
        const lost = node.crash?.lost ?? 0;
        node.crash = null;
        if (lost > 0) node.disk.lose(lost);
        this.restart(node, lost > 0);
      } else if (node.alive) this.tick(node);
    }
  }

  private tick(node: SimNode): void {
    node.ticked_ms = this.now_ms;
    if (node.liar) for (const utterance of node.liar.ticks(node.state)) this.utter(node, utterance);
    this.feed(node, { kind: 'tick', now_ms: this.now_ms + this.faults.skew_ms(node.index, this.now_ms) });
  }

  private deliver(node: SimNode, packet: Packet): void {
    if (!node.alive) return;
    const { message } = packet;
    this.network.count(packet);
    if (this.now_ms - node.ticked_ms > node.state.hours.delta_ms / STALE_PER_DELTA) this.tick(node);
    const chain = node.state.finalNode.state;
    if (!hasKey(message, chain)) this.options.watch?.refused?.(node, message);
    if (message.body.type === 'VOTE' && this.core.isSurplus(node.state, message as Signed<Vote>)) return;
    if (!node.door.admits(packet, node.state.deciding, chain)) return;
    this.options.watch?.heard?.(node, message);
    if (node.liar) for (const utterance of node.liar.hears(message, node.state)) this.utter(node, utterance);
    this.feed(node, { kind: 'message', message });
  }

  /** The runtime's loop: persist, send, and back to the core. A crash may strike between any two of these. */
  private feed(node: SimNode, input: Input): void {
    const queue: Input[] = [input];
    for (const next of queue) {
      if (!node.alive) return;
      const outcome = this.core.step(node.state, next);
      const strikes = this.strikes(node.crash, outcome);
      if (strikes && node.crash?.stage === 'before-persist') return this.dies(node);
      if (outcome.persist.length > 0) node.disk.append(outcome.persist);
      if (strikes && node.crash?.stage === 'before-send') return this.dies(node);
      for (const [at, unsigned] of outcome.send.entries()) {
        const message = this.sign(unsigned);
        node.door.remember(this.network.serialOf(message));
        if (node.liar) for (const utterance of node.liar.twist(unsigned, node.state)) this.utter(node, utterance);
        else {
          this.options.watch?.said?.(message, node.honest);
          this.broadcast(node.place, message);
        }
        queue.push({ kind: 'message', message });
        if (strikes && at >= (node.crash?.sends ?? 0)) return this.dies(node);
      }
      if (strikes) return this.dies(node);
      if (node.liar === null) for (const message of outcome.relay) this.broadcast(node.place, message);
      for (const final of outcome.finals) {
        this.sets.set(final.block.id, setsOf(final.before));
        this.options.watch?.final?.(node, final);
        node.disk.prune(final.block);
      }
      for (const proof of outcome.evidence) {
        if (input.kind !== 'convicted') node.disk.proofs.push(proof);
        this.options.watch?.evidence?.(node, proof);
      }
      if (outcome.plan !== null) {
        node.plans = [...node.plans.slice(-1), outcome.plan];
        this.options.watch?.plan?.(node, outcome.plan);
      }
      for (const note of outcome.notes) this.options.watch?.note?.(node, note);
      if (outcome.solve !== null) {
        const { seal, instance } = outcome.solve;
        node.liar?.poses(seal, instance);
        queue.push({ kind: 'solved', seal, plan: this.solution(node, seal, instance) });
      }
      if (outcome.serve !== null) this.serve(node, outcome.serve);
    }
  }

  private strikes(crash: Crash | null, { persist }: Outcome): boolean {
    if (crash === null || this.now_ms < crash.at_ms) return false;
    return persist.some((entry) => !crash.aim || (entry.kind === 'vote' && entry.vote.kind === crash.aim));
  }

  private dies(node: SimNode): void {
    const { crash } = node;
    this.kill(node);
    node.crash = crash;
    const back_ms = crash === null ? 0 : crash.aim ? this.now_ms + crash.back_ms - crash.at_ms : crash.back_ms;
    node.backAt_ms = Math.max(back_ms, this.now_ms + 1);
  }

  /** Half of the nodes have a good solver and half another, and who starts again has the other one. Each is asked once. */
  private solution({ index, starts }: SimNode, seal: string, instance: Instance): PlanAhead {
    const rule = this.options.rule ?? ((index + starts) % 2 === 0 ? 'once' : 'eq11');
    const key = `${rule}/${seal}`;
    let plan = this.solutions.get(key);
    if (plan === undefined) {
      plan = solve(instance, rule, {});
      if (this.solutions.size > 16) this.solutions.clear();
      this.solutions.set(key, plan);
    }
    return plan;
  }

  private utter(node: SimNode, { message: unsigned, to }: Utterance): void {
    const message = this.sign(unsigned);
    this.options.watch?.said?.(message, false);
    this.broadcast(node.place, message, to);
  }

  private sign<B extends Body>(unsigned: Unsigned<B>): Signed<B> {
    return this.kept(signed(unsigned, payloadOf(unsigned, this.registry.tag), NO_SIGNATURE, sha256));
  }

  private kept<B extends Body>(message: Signed<B>): Signed<B> {
    if (message.body.type === 'PROPOSE') this.blocks.set(message.id, message as unknown as Signed<Block>);
    return message;
  }

  private reopen(payload: Uint8Array): Signed {
    const open = (pair: { payload: Uint8Array }): Signed => this.reopen(pair.payload);
    return this.kept(signed(readPayload(payload, this.registry.tag, open), payload, NO_SIGNATURE, sha256));
  }

  private blockOf(id: string): Signed<Block> {
    const block = this.blocks.get(id);
    if (block === undefined) throw new Error(`nobody proposed block ${id}`);
    return block;
  }

  private serve(node: SimNode, question: Question): void {
    if (node.liar) return;
    const body = this.core.answer(node.state, question, {
      checkpointAbove: (height, epoch) => node.disk.checkpointAbove(height, epoch),
      above: (height, maxBytes) => this.pageAbove(node, height, maxBytes),
    });
    if (body === null) return;
    const { epoch } = question;
    this.broadcast(node.place, this.sign({ epoch, round: node.state.deciding, view: 0, sender: node.index, body }));
  }

  private pageAbove(node: SimNode, height: number, maxBytes: number): SyncResponse['blocks'] {
    const page: SyncResponse['blocks'][number][] = [];
    let left = maxBytes;
    for (let kept = node.disk.blocks.get(height + 1); kept; kept = node.disk.blocks.get(height + 1 + page.length)) {
      const block = this.blockOf(kept.id);
      const votes = kept.certified ? this.certificateOf(block) : [];
      left -= bytesOf([block, ...votes]);
      if (left < 0 && page.length > 0) break;
      page.push({ block, votes });
    }
    return page;
  }

  /** As few FINAL votes as make a quorum. */
  private certificateOf(block: Signed<Block>): Signed<Vote>[] {
    const said = (this.finalVotes.get(block.id) ?? []).filter(({ epoch }) => epoch === block.epoch);
    const sets = this.sets.get(block.id) ?? [this.registry];
    const votes: Signed<Vote>[] = [];
    for (const vote of said) {
      if (isQuorum(sets, new Set(votes.map(({ sender }) => sender)))) break;
      votes.push(vote);
    }
    return votes;
  }

  private broadcast(from: number, message: Signed, to?: readonly number[]): void {
    const { body } = message;
    if (body.type === 'VOTE' && body.kind === 'final') {
      const votes = this.finalVotes.get(body.block) ?? [];
      if (!votes.some(({ sender }) => sender === message.sender)) votes.push(message as Signed<Vote>);
      this.finalVotes.set(body.block, votes);
    }
    const packet = this.network.pack(message, this.topicOf(message));
    const only = addresseeOf(message);
    for (let node = 0; node < this.nodes.length; node++) {
      if (node === from || (to !== undefined && !to.includes(node)) || node !== (only ?? node)) continue;
      this.network.carry(from, node, packet, this.now_ms, this.faults);
    }
  }

  private topicOf(message: Signed): string {
    const to = addresseeOf(message);
    const { microgrid } = this.registry.neighbourhood;
    const { type } = message.body;
    return messageTopic(microgrid, type, this.nodes[message.sender].name, to === undefined ? to : this.nodes[to].name);
  }

  /** Contacts follow what their controllers hold for the round that is being delivered. */
  private powerFlows(round: number): void {
    const told = this.nodes.map(({ alive, plans }) =>
      alive ? (plans.find((plan) => plan.round === round) ?? 'fallback') : 'dead',
    );
    const absent = this.absent(told);
    const flow = this.world.flow(this.now_ms, told, (node) =>
      absent.has(node) ? 'stuck-open' : (this.faults.ailment?.(node, this.now_ms) ?? null),
    );
    this.site_W = flow.site_W;
    this.options.watch?.flow?.(round, flow);
  }

  /** The f + 1 largest that do nothing, where nobody else is missing: so many may be. */
  private absent(told: readonly (Plan | 'fallback' | 'dead')[]): ReadonlySet<number> {
    const { noShow = null } = this.faults;
    const plans = told.filter((plan) => typeof plan === 'object');
    if (noShow === null || plans.length < told.length) return new Set();
    const wanted = plans.flatMap(({ direction, power }, node) => (direction === noShow ? [{ node, power }] : []));
    const largest = wanted.sort((a, b) => b.power - a.power).slice(0, this.registry.f + 1);
    return new Set(largest.map(({ node }) => node));
  }

  /**
   * Once a round, by the clock of the node; again, if its disk does not know of it. Of the head meter as head-meter.ts does it: a
   * node that starts later in the interval has missed its beginning, and one that has seen no reading yet has seen no register move.
   */
  private readMeter(node: SimNode): void {
    const round = decidedAt(this.now_ms, node.state.hours.round_ms);
    if (!node.alive || node.state.deciding !== round) return;
    const isHead = node.index === this.registry.headMeter;
    const [kind, of] = isHead ? (['SITE', round] as const) : (['METER', round - 2] as const);
    if (node.disk.load().statements.some((said) => said.kind === kind && said.round >= of)) return;
    if (isHead) {
      const { round_ms } = node.state.hours;
      if (this.faults.head === 'absent' || this.now_ms % round_ms > BEGINS_WITHIN * round_ms) return;
      if (this.faults.head === 'frozen' && node.state.readSite === null) return;
      if (this.faults.head !== 'frozen') {
        const bias_W = this.faults.head === 'biased' ? HEAD_BIAS_W : 0;
        this.headSaid = { ...this.world.read('head'), power_W: this.site_W + bias_W };
      }
      return this.feed(node, { kind: 'site', reading: { takenAt_ms: this.now_ms, ...this.headSaid } });
    }
    const { imported_Wh, exported_Wh } = this.world.read(node.index);
    const settled = node.state.finalNode.state.registers[node.index];
    const before = {
      importedBefore_Wh: settled?.imported_Wh ?? 0,
      exportedBefore_Wh: settled?.exported_Wh ?? 0,
    };
    const statement = { ...before, imported_Wh, exported_Wh, mode: 'lease' as const };
    this.feed(node, { kind: 'metered', round: of, statement });
  }

  /** It knows the chain, and says a thing once. It is no node: nothing reaches it. */
  private registrarSpeaks(round: number): void {
    const amendments = this.options.changes?.get(this.rounds);
    if (amendments === undefined) return;
    const { registrar } = this.registry;
    this.saidChanges += 1;
    const [{ epoch }] = this.honest
      .map(({ state }) => state.finalNode.state.registry)
      .sort((a, b) => b.epoch - a.epoch);
    const body = { type: 'REGISTRY' as const, number: this.saidChanges, amendments };
    const message = this.sign({ epoch, round, view: 0, sender: registrar, body });
    this.options.watch?.said?.(message, true);
    this.broadcast(registrar, message);
  }

  /** What a first key signs is of the first epoch: no door would take it for the signature of another. */
  private thievesWish(round: number): void {
    for (const sender of this.faults.stolen ?? []) {
      const { charge_W: power_W = 0 } = this.street.nodes[sender].connector ?? {};
      const terms = { price: 20_000, power_W, maxWait_rounds: 2, divisible: false, minimum_W: power_W };
      const body = { type: 'ORDER' as const, ref: 1, connector: 0, side: 'buy' as const, ...terms };
      this.broadcast(sender, this.sign({ epoch: 0, round, view: 0, sender, body }));
    }
  }

  private peopleWish(): void {
    for (const node of this.nodes) {
      const connector = this.street.nodes[node.index].connector;
      const wishes = this.people.chance(0.6);
      const sells = this.people.chance(1 / 3);
      if (!node.alive || !connector || !wishes || this.core.hasOpenOrder(node.state)) continue;
      const power_W = sells ? connector.discharge_W : connector.charge_W;
      const side = sells ? 'sell' : 'buy';
      if (!this.world.mayWish(node.index, side)) continue;
      const wish = { side, price: 20_000, power_W, maxWait_rounds: 2, divisible: false, minimum_W: power_W } as const;
      this.feed(node, { kind: 'wish', wish });
    }
  }
}

/** Predicate V, computed once a block and header for all nodes; the checkers compute it again from the chain alone. */
function shared(core: Core): Audit {
  const states = new Map<string, ReturnType<Audit['applyBlock']>>();
  const headers = new Map<string, ReturnType<Audit['auditHeader']>>();
  const [STATES_KEPT, HEADERS_KEPT] = [1024, 4096];
  const ties = new WeakMap<ChainState, ReturnType<Audit['tiesOf']>>();
  const worth = new WeakMap<
    PlanAhead,
    { readonly instance: Instance; readonly judged: ReturnType<Audit['judgePlan']> }
  >();
  const judgePlan: Audit['judgePlan'] = (instance, plan) => {
    const known = worth.get(plan);
    if (known?.instance === instance) return known.judged;
    const judged = core.judgePlan(instance, plan);
    worth.set(plan, { instance, judged });
    return judged;
  };
  return {
    judgePlan,
    applyBlock(chain, block, hash) {
      const key = `${chain.tip}/${block.id}`;
      let next = states.get(key);
      if (next === undefined) {
        if (states.size > STATES_KEPT) states.delete(states.keys().next().value as string);
        next = core.applyBlock(chain, block, hash);
        states.set(key, next);
      }
      return next;
    },
    auditHeader(chain, header, hash) {
      const key = `${chain.tip}/${header.id}`;
      let audited = headers.get(key);
      if (audited === undefined) {
        if (headers.size > HEADERS_KEPT) headers.clear();
        audited = core.auditHeader(chain, header, hash, judgePlan);
        headers.set(key, audited);
      }
      return audited;
    },
    tiesOf(chain, hash) {
      const known = ties.get(chain) ?? core.tiesOf(chain, hash);
      ties.set(chain, known);
      return known;
    },
  };
}

/** For transcripts: a node's own idea of how far into the round it is. */
export const localOffset_s = (node: SimNode): number => Math.max(0, offset_ms(node.state)) / 1000;
