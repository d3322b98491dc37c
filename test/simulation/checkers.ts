/**
 * The invariants of protocol.md 2.12, checked beside the nodes on what they said, made final and were told to do.
 * Nothing here asks a node's rules: quorums are counted anew, and every final block is applied to the chain again.
 */

import { sha256 } from '../../firmware/adapters/sha256.ts';
import type { Instance } from '../../firmware/protocol/benefit/instance.ts';
import { breach, type Running } from '../../firmware/protocol/benefit/safety.ts';
import { applyBlock } from '../../firmware/protocol/block.ts';
import { type ChainState, genesisState, isRefusal } from '../../firmware/protocol/chain.ts';
import { offenceOf } from '../../firmware/protocol/evidence.ts';
import { ORDERS_PER_NODE, VIEWS_PER_ROUND } from '../../firmware/protocol/limits.ts';
import type { Block, Evidence, Header, Signed, Vote } from '../../firmware/protocol/messages.ts';
import type { Plan } from '../../firmware/protocol/plan.ts';
import type { Registry } from '../../firmware/protocol/registry.ts';
import { makeRegistry } from '../../firmware/protocol/registry.ts';
import { type AuditedHeader, auditHeader, compareHeaders } from '../../firmware/protocol/schedule.ts';
import { isMeter } from '../../firmware/protocol/seal.ts';
import { meteredEnergy_J, type Registers } from '../../firmware/protocol/settlement.ts';
import { type Outcome, offset_ms } from '../../firmware/protocol/state.ts';
import type { Cluster, SimNode, Watch } from './cluster.ts';
import type { Core } from './core.ts';
import type { Flow } from './world.ts';

export const INVARIANTS = {
  I1: 'no two final blocks conflict, and each has the FINAL votes of a quorum',
  I2: 'at most one SCHEDULE a round on the chain',
  I3: 'a plan only with a final SCHEDULE of its round, before T_act',
  I4: 'the site draws no more than its capacity and feeds no more than its limit',
  I5: 'every connector keeps to its rating, every battery to its size',
  I6: 'every final block holds when recomputed from the chain alone',
  I7: 'no worse schedule, and no order left out, against what more than n-q honest nodes held in time',
  I8: 'no honest node contradicts itself, whatever its restarts',
  I9: 'energy is conserved to the joule',
  I11: 'an order at its cap runs unless safety forbids it',
  I13: 'after faults stop, final again within two rounds',
  I15: 'nobody is convicted who has not lied, and who has lied about a header is convicted by all who heard it',
} as const;
export type Invariant = keyof typeof INVARIANTS;

export class Violation extends Error {
  readonly invariant: Invariant;
  readonly round: number;
  constructor(invariant: Invariant, round: number, detail: string) {
    super(`${invariant} in round ${round}: ${detail} (${INVARIANTS[invariant]})`);
    this.name = 'Violation';
    this.invariant = invariant;
    this.round = round;
  }
}

interface Said {
  readonly notarized: Map<number, string>;
  readonly proposed: Map<number, string>;
  /** HEADERs, METERs and SITEs, by round and type. */
  readonly stated: Map<string, string>;
  finals: number[];
  skips: { from: number; to: number }[];
}

/** Views this far back cannot be voted on any more; what was said about them is let go. */
const VIEWS_KEPT = VIEWS_PER_ROUND * 64;
const ROUNDS_KEPT = 16;

/** Counted anew: a mutant may have another. */
const quorumOf = (voters: number): number => Math.floor((2 * voters) / 3) + 1;

/** Progress is owed from so many calm rounds on (the first of them may still be lost to the storm). */
const CALM_BEFORE_PROGRESS = 2;

export class Checkers implements Partial<Watch> {
  /** Rounds decided, and in how many of them a quorum had the schedule in time. */
  decidedRounds = 0;
  inTime = 0;
  private readonly cluster: () => Cluster;
  private readonly said_ = new Map<number, Said>();
  /** The one final chain: block ids and states by height - 1. */
  private readonly chain: { readonly id: string; readonly round: number; readonly sets: readonly Registry[] }[] = [];
  private tip: ChainState;
  /** As the last SEAL left it. */
  private posedState: ChainState | null = null;
  /** Of the last rounds. */
  private dishonest: Signed[] = [];
  private readonly finalVotes = new Map<string, Set<number>>();
  private readonly headers = new Map<string, Set<string>>();
  private readonly heights = new Map<number, number>();
  private readonly registers = new Map<number, number>();
  /** I15: the headers that each honest node has heard in this round, and what it owed at the end of the last one. */
  private readonly headersHeard = new Map<SimNode, Map<string, Signed<Header>>>();
  private convictions: { readonly node: SimNode; readonly culprit: number; readonly lie: string }[] = [];
  /** Nodes against which a proof is known. */
  readonly convicted = new Set<number>();
  /** I11: SEALs so far, the problem that the last one poses, and by order the SEAL at which it must run. */
  private sealsSoFar = 0;
  private posed: Instance | null = null;
  private readonly waits = new Map<string, { readonly until: number; readonly round: number }>();
  private readonly planned = new Map<number, Set<number>>();
  /** Of the last rounds: the SEAL's and SCHEDULE's problem, and what was held in time. */
  private readonly schedules = new Map<number, { readonly before: ChainState; readonly block: Signed<Block> }>();
  private readonly seals = new Map<number, { readonly before: ChainState; readonly block: Signed<Block> }>();
  private readonly held = new Map<
    number,
    {
      readonly orders: ReadonlyMap<string, number>;
      readonly headers: ReadonlyMap<string, [AuditedHeader, number]>;
      readonly registry: Registry;
    }
  >();

  /** `cluster` is asked late, since the cluster is made with its watch. */
  constructor(cluster: () => Cluster, registry: Registry) {
    this.cluster = cluster;
    // Not the cluster's registry: a mutant may have another quorum.
    this.tip = genesisState(makeRegistry(registry.neighbourhood, sha256));
  }

  said(message: Signed, honest: boolean): void {
    const { body, sender, view, round } = message;
    if (body.type === 'VOTE' && body.kind === 'final') {
      const voters = this.finalVotes.get(body.block) ?? new Set();
      this.finalVotes.set(body.block, voters.add(sender));
    }
    if (body.type === 'HEADER') {
      const key = `${round}/${sender}`;
      this.headers.set(key, (this.headers.get(key) ?? new Set()).add(message.id));
    }
    if (!honest) {
      this.dishonest.push(message);
      return;
    }
    const own = this.ownOf(sender);
    const contradiction = (what: string): never => {
      throw new Violation('I8', round, `node ${sender} ${what} in view ${view}`);
    };
    if (body.type === 'PROPOSE') {
      if ((own.proposed.get(view) ?? message.id) !== message.id) contradiction('proposed twice');
      own.proposed.set(view, message.id);
    } else if (body.type === 'HEADER' || body.type === 'METER' || body.type === 'SITE') {
      const key = `${round}/${body.type}`;
      if ((own.stated.get(key) ?? message.id) !== message.id) contradiction(`said two ${body.type}s`);
      own.stated.set(key, message.id);
    } else if (body.type === 'VOTE') this.vote(own, view, body, contradiction);
  }

  private vote(own: Said, view: number, body: Vote, contradiction: (what: string) => never): void {
    const { kind, to, block } = body;
    if (kind === 'notarize') {
      if ((own.notarized.get(view) ?? block) !== block) contradiction('signed two NOTARIZE');
      own.notarized.set(view, block);
    } else if (kind === 'final') {
      if (own.skips.some((skip) => skip.from <= view && view <= skip.to)) contradiction('signed FINAL after SKIP');
      own.finals.push(view);
    } else {
      if (own.finals.some((final) => view <= final && final <= to)) contradiction('signed SKIP after FINAL');
      own.skips.push({ from: view, to });
    }
  }

  /** Nodes of which two messages prove a lie, among all that was said of late by those who are not honest. */
  implicated(core: Pick<Core, 'offenceOf'>): number[] {
    const lied = (message: Signed): boolean =>
      this.dishonest.some((other) => other.sender === message.sender && core.offenceOf(message, other) !== null);
    return [...new Set(this.dishonest.filter(lied).map(({ sender }) => sender))];
  }

  private ownOf(sender: number): Said {
    let own = this.said_.get(sender);
    if (own === undefined) {
      own = { notarized: new Map(), proposed: new Map(), stated: new Map(), finals: [], skips: [] };
      this.said_.set(sender, own);
    }
    return own;
  }

  final(node: SimNode, { block, state }: Outcome['finals'][number]): void {
    if (!node.honest) return;
    const { height } = state;
    const known = this.chain[height - 1];
    const round = block.round;
    if (height > Math.max(0, ...this.heights.values())) this.caps(block, state);
    this.heights.set(node.index, height);
    if (known !== undefined) {
      if (known.id !== block.id) throw new Violation('I1', round, `two final blocks at height ${height}`);
      return;
    }
    if (height !== this.chain.length + 1)
      throw new Violation('I1', round, `height ${height} is final without its parent`);
    const before = this.tip;
    if (block.body.kind === 'SCHEDULE' && before.scheduleRound >= round)
      throw new Violation('I2', round, 'a second SCHEDULE');
    const after = applyBlock(before, block, sha256);
    if (isRefusal(after)) throw new Violation('I6', round, `${after.code}: ${after.detail}`);
    const { registry, handover } = before;
    // Members that are agreed, or named, do not vote yet.
    this.chain.push({
      id: block.id,
      round,
      sets: handover?.stage === 'joint' ? [registry, handover.registry] : [registry],
    });
    this.tip = after;
    if (block.body.kind === 'SEAL') {
      this.posedState = after;
      this.seals.set(round, { before, block });
      this.energy(block, before, state);
    }
    if (block.body.kind === 'SCHEDULE') {
      this.schedules.set(round, { before, block });
    }
    const books = ({ settled, allocations, registers }: ChainState): string =>
      JSON.stringify([settled, allocations, registers]);
    if (books(state) !== books(after)) throw new Violation('I6', round, `node ${node.index} keeps other books`);
    this.choice(round);
  }

  /** I15: nobody is convicted who has not lied. */
  evidence(_node: SimNode, { body, round }: Signed<Evidence>): void {
    const { sender } = body.first;
    if (this.cluster().nodes[sender].honest)
      throw new Violation('I15', round, `node ${sender} is honest, but ${offenceOf(body.first, body.second)}`);
    this.convicted.add(sender);
  }

  heard(node: SimNode, message: Signed): void {
    if (message.body.type !== 'HEADER' || !node.honest || message.round !== node.state.deciding) return;
    const heard = this.headersHeard.get(node) ?? new Map<string, Signed<Header>>();
    this.headersHeard.set(node, heard.set(message.id, message as Signed<Header>));
  }

  /** What a node was about to say is lost. */
  crashed(node: SimNode): void {
    this.headersHeard.delete(node);
    this.convictions = this.convictions.filter((each) => each.node !== node);
  }

  /**
   * I15, the other half: what a node heard in a calm round, and a person would call a lie, it has proof of a round later.
   * Only about headers: whether two votes reach one node while they count is a matter of luck.
   */
  private complete(round: number, calmRounds: number): void {
    for (const { node, culprit, lie } of this.convictions)
      if (!node.state.evidence.has(culprit))
        throw new Violation('I15', round - 1, `node ${node.index} has no proof that node ${culprit} ${lie}`);
    this.convictions = [];
    const chain = this.tip.sealRound === round ? this.posedState : null;
    /** By header: the same for all who heard it. */
    const audits = new Map<string, boolean>();
    const isFalse = (header: Signed<Header>, posed: ChainState): boolean => {
      const known = audits.get(header.id) ?? 'code' in auditHeader(posed, header, sha256);
      audits.set(header.id, known);
      return known;
    };
    if (calmRounds >= CALM_BEFORE_PROGRESS)
      for (const [node, heard] of this.headersHeard)
        for (const header of heard.values()) {
          const culprit = header.sender;
          const twice = [...heard.values()].some(({ id, sender }) => sender === culprit && id !== header.id);
          if (twice) this.convictions.push({ node, culprit, lie: 'sent two headers' });
          else if (chain?.seal === header.body.seal && isFalse(header, chain))
            this.convictions.push({ node, culprit, lie: 'sent a false header' });
        }
    this.headersHeard.clear();
  }

  /** I3 for the plan, and for I1 the certificate that it stands on. */
  plan(node: SimNode, plan: Plan): void {
    if (!node.honest) return;
    const { round } = plan;
    const { state } = node;
    if (offset_ms(state) >= state.hours.act_ms || round !== state.deciding)
      throw new Violation('I3', round, `node ${node.index} got its plan ${offset_ms(state)} ms into ${state.deciding}`);
    const above = this.chain.slice(plan.block - 1);
    const certified = above.some(({ id, sets }) =>
      sets.every(({ leaders }) => {
        const votes = leaders.filter((voter) => this.finalVotes.get(id)?.has(voter)).length;
        return votes >= quorumOf(leaders.length);
      }),
    );
    if (this.chain[plan.block - 1]?.round !== round || !certified)
      throw new Violation('I3', round, `node ${node.index} got a plan without a FINAL quorum`);
    const nodes = this.planned.get(round) ?? new Set();
    this.planned.set(round, nodes.add(node.index));
  }

  /** I4 and I5. A limit that the households break with everybody in the fallback is not the trade's fault. */
  flow(round: number, { power_W, site_W, load_W, stored_Wh }: Flow): void {
    const { capacity_W, exportLimit_W, nodes } = this.cluster().street;
    const fallback_W = nodes.reduce((sum, { safeShare_W }) => sum + safeShare_W, load_W);
    if (site_W > Math.max(capacity_W, fallback_W))
      throw new Violation('I4', round, `the site draws ${site_W} W of ${capacity_W} W, households ${load_W} W`);
    if (-site_W > Math.max(exportLimit_W, -load_W))
      throw new Violation('I4', round, `the site feeds ${-site_W} W of ${exportLimit_W} W, households ${load_W} W`);
    const members = this.cluster().nodes;
    power_W.forEach((power, node) => {
      const { charge_W, discharge_W } = nodes[node].connector ?? { charge_W: 0, discharge_W: 0 };
      if (power > charge_W || -power > discharge_W)
        throw new Violation('I5', round, `the connector of node ${node} carries ${power} W`);
      // A liar may wish for more than its own vehicle takes, and harms nobody else by it.
      if (members[node].honest && (stored_Wh[node] < 0 || stored_Wh[node] > this.cluster().world.battery_Wh))
        throw new Violation('I5', round, `the battery at node ${node} holds ${Math.round(stored_Wh[node])} Wh`);
    });
  }

  decided(round: number, calmRounds: number): void {
    const cluster = this.cluster();
    const { honest } = cluster;
    const { registry } = this.tip;
    const voters = honest.filter(({ index }) => registry.isValidator[index]);
    const orders = new Map<string, number>();
    const headers = new Map<string, [AuditedHeader, number]>();
    for (const { state, alive } of voters) {
      if (!alive || state.deciding !== round) continue;
      for (const id of state.heldAtOrders ?? []) orders.set(id, (orders.get(id) ?? 0) + 1);
      for (const audited of state.heldAtLock ?? []) {
        const { id } = audited.header;
        headers.set(id, [audited, (headers.get(id)?.[1] ?? 0) + 1]);
      }
    }
    this.held.set(round, { orders, headers, registry });
    this.complete(round, calmRounds);
    this.choice(round);
    const served = [...(this.planned.get(round) ?? [])].filter((node) => registry.isValidator[node]).length;
    this.decidedRounds += 1;
    const quorum = quorumOf(registry.leaders.length);
    if (served >= quorum) this.inTime += 1;
    if (calmRounds >= CALM_BEFORE_PROGRESS) this.progress(round, served, quorum, voters);
    this.forget(round);
  }

  /** I13: in a calm, a quorum has the schedule in time, and every honest node that is up has caught up. */
  private progress(round: number, served: number, quorum: number, voters: readonly SimNode[]): void {
    if (served < quorum) throw new Violation('I13', round, `only ${served} nodes have a schedule in time`);
    for (const { index, alive, state } of voters) {
      if (alive && state.finalNode.state.scheduleRound !== round)
        throw new Violation(
          'I13',
          round,
          `node ${index} has not caught up, it knows round ${state.finalNode.state.scheduleRound}`,
        );
    }
  }

  /** I7, when both are known: what was held in time, and what was agreed (which may be late). */
  private choice(round: number): void {
    const held = this.held.get(round);
    if (held === undefined) return;
    const { registry } = held;
    const holders = registry.leaders.length - quorumOf(registry.leaders.length);
    const seal = this.seals.get(round);
    if (seal !== undefined && seal.before.registry === registry) {
      const inside = new Map(seal.block.body.carried.map((message) => [message.id, message]));
      const { nodes } = this.cluster();
      for (const [id, count] of held.orders) {
        if (count <= holders || inside.has(id)) continue;
        const order = nodes[0].state.pool.orders.get(id) ?? nodes[1].state.pool.orders.get(id);
        if (order === undefined || order.round !== round || !nodes[order.sender].honest) continue;
        const open = seal.before.pending.filter((entry) => entry.order.sender === order.sender).length;
        if (open >= ORDERS_PER_NODE) continue; // of rounds that were sealed and came to nothing
        throw new Violation('I7', round, `the SEAL leaves out order ${id.slice(0, 8)} that ${count} honest nodes held`);
      }
    }
    const schedule = this.schedules.get(round);
    if (schedule === undefined || schedule.before.registry !== registry) return; // held by other voters than those who chose
    const { before, block } = schedule;
    const won = auditHeader(before, block.body.carried[0] as Signed<Header>, sha256) as AuditedHeader;
    for (const [audited, count] of held.headers.values()) {
      const { header } = audited;
      const single = (this.headers.get(`${round}/${header.sender}`)?.size ?? 0) <= 1;
      if (count <= holders || header.body.seal !== before.seal || !single) continue;
      if (compareHeaders(audited, won) < 0)
        throw new Violation('I7', round, `${count} honest nodes held a better header, of node ${header.sender}`);
    }
  }

  /** I9: the rows of each statement sum to what its registers say, and the registers follow one another. */
  private energy(block: Signed<Block>, before: ChainState, after: ChainState): void {
    const registers: (Registers | null)[] = [...before.registers];
    for (const statement of block.body.carried.filter(isMeter)) {
      const { body, sender, round } = statement;
      const rows = after.settled.filter((row) => row.node === sender && row.round === round);
      const settled_J = rows.reduce((sum, row) => sum + row.metered_J, 0);
      const metered_J = meteredEnergy_J(statement, registers[sender], before.registry.neighbourhood) ?? 0;
      registers[sender] = { round, imported_Wh: body.imported_Wh, exported_Wh: body.exported_Wh };
      if (settled_J !== metered_J)
        throw new Violation('I9', block.round, `node ${sender}: ${settled_J} J settled of ${metered_J} J metered`);
      const total_J = (this.registers.get(sender) ?? 0) + metered_J;
      this.registers.set(sender, total_J);
      const register_J = (body.imported_Wh - body.exported_Wh) * 3600;
      if (this.cluster().nodes[sender].honest && total_J !== register_J)
        throw new Violation(
          'I9',
          block.round,
          `node ${sender}: ${total_J} J settled so far, registers say ${register_J} J`,
        );
    }
  }

  /**
   * I11, on what the first node that holds the block believes: where everything that must run could have run together,
   * it does. How often an order was passed over is counted anew: once a SEAL after its own.
   */
  private caps(block: Signed<Block>, state: ChainState): void {
    if (block.body.kind === 'SEAL') {
      this.sealsSoFar += 1;
      this.posed = state.instance;
      for (const { body, id } of block.body.carried)
        if (body.type === 'ORDER')
          this.waits.set(id, { until: this.sealsSoFar + body.maxWait_rounds, round: block.round });
    }
    if (block.body.kind !== 'SCHEDULE' || this.posed === null) return;
    const { pending } = this.posed;
    const due: Running[] = pending.flatMap(({ id, power_W }, index) =>
      this.sealsSoFar >= (this.waits.get(id)?.until ?? 0) ? [{ index, power_W }] : [],
    );
    if (breach(this.posed, due) !== null) return;
    const left = new Set(state.pending.map(({ order }) => order.id));
    for (const { index } of due) {
      const { id, node } = pending[index];
      if (left.has(id))
        throw new Violation('I11', block.round, `order ${id.slice(0, 8)} of node ${node} was held back at its cap`);
    }
  }

  private forget(round: number): void {
    for (const rounds of [this.held, this.seals, this.schedules, this.planned])
      for (const key of rounds.keys()) if (key < round - ROUNDS_KEPT) rounds.delete(key);
    for (const key of this.headers.keys()) if (Number.parseInt(key, 10) < round - ROUNDS_KEPT) this.headers.delete(key);
    for (const [id, wait] of this.waits) if (wait.round < round - ROUNDS_KEPT) this.waits.delete(id);
    this.dishonest = this.dishonest.filter((message) => message.round >= round - ROUNDS_KEPT);
    const least = Math.min(...this.cluster().nodes.map(({ state }) => state.finalNode.view)) - VIEWS_KEPT;
    for (const own of this.said_.values()) {
      for (const views of [own.notarized, own.proposed])
        for (const view of views.keys()) if (view < least) views.delete(view);
      for (const key of own.stated.keys()) if (Number.parseInt(key, 10) < round - ROUNDS_KEPT) own.stated.delete(key);
      own.finals = own.finals.filter((view) => view >= least);
      own.skips = own.skips.filter(({ to }) => to >= least);
    }
    for (const id of this.finalVotes.keys()) {
      if (this.finalVotes.size <= 4 * ROUNDS_KEPT) break;
      this.finalVotes.delete(id);
    }
  }
}
