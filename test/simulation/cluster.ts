/**
 * A neighbourhood in one process: the identical core of the device, counted time, a queue for a network, memories
 * that lose what was not yet written, and an invented physical world. Everything follows from one seed.
 */
import { createHash } from 'node:crypto';
import type { FinalBlock, LedgerEntry, OwnVote } from '../../firmware/ports.ts';
import type { Neighbourhood } from '../../firmware/protocol/genesis.ts';
import {
  type Block,
  payloadOf,
  type Signed,
  signed,
  type Unsigned,
  type Vote,
} from '../../firmware/protocol/messages.ts';
import type { Plan } from '../../firmware/protocol/plan.ts';
import { makeRegistry, type Registry } from '../../firmware/protocol/registry.ts';
import { makeState, type Note, type ProtocolState } from '../../firmware/protocol/state.ts';
import { hasOpenOrder, type Input, pendingOf, restore, step } from '../../firmware/protocol/step.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { type Random, randomStream } from './random.ts';

export const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

export interface Fate {
  /** Milliseconds on the way; null for a message that is lost. */
  (from: number, to: number, message: Signed, now_ms: number, random: Random): number | null;
}

export interface ClusterOptions {
  readonly nodes: number;
  readonly seed: number;
  readonly fate?: Fate;
  readonly roundTime_s?: number;
  readonly rule?: 'once' | 'eq11' | 'spread' | 'plan';
  /** May replace a node's step, for Byzantine ones and mutants. */
  readonly stepOf?: (node: number) => typeof step;
}

export interface SimNode {
  readonly index: number;
  state: ProtocolState;
  alive: boolean;
  /** Durable: what `persist` asked for. */
  readonly blocks: Map<
    number,
    { readonly block: Signed<Block>; readonly votes: readonly Signed<Vote>[]; readonly entry: FinalBlock }
  >;
  votes: OwnVote[];
  readonly said: Map<string, Signed>;
  readonly plans: Plan[];
  readonly notes: Note[];
  imported_Wh: number;
  exported_Wh: number;
  /** Registers as of the last statement. */
  told: { imported_Wh: number; exported_Wh: number };
}

const NO_SIGNATURE = new Uint8Array(64);

export function neighbourhoodOf(nodes: number, roundTime_s = 300): Neighbourhood {
  const kinds = [
    { kind: 'slow', charge_W: 3000, discharge_W: 3000 },
    { kind: 'fast', charge_W: 7360, discharge_W: 7360 },
    { kind: 'fast', charge_W: 11_000, discharge_W: 11_000 },
    { kind: 'rapid', charge_W: 50_000, discharge_W: 11_000 },
  ] as const;
  const key = (index: number): string => createHash('sha256').update(`key ${index}`).digest('hex');
  return {
    microgrid: 'simulated',
    roundTime_s,
    capacity_W: 800_000,
    exportLimit_W: 800_000,
    margin_W: 0,
    maxWait_rounds: 2,
    lookAhead_rounds: 12,
    chargingEfficiency_ppm: 930_000,
    dischargingEfficiency_ppm: 930_000,
    nodes: [
      ...Array.from({ length: nodes }, (_, i) => ({
        name: `cp${i + 1}`,
        publicKey: key(i),
        role: 'charge-point' as const,
        connector: kinds[i % kinds.length],
        safeShare_W: 1380,
      })),
      { name: 'head', publicKey: key(nodes), role: 'head-meter' as const, safeShare_W: 0 },
    ],
  };
}

export class Cluster {
  readonly registry: Registry;
  readonly nodes: SimNode[];
  readonly messages = { count: 0, bytes: 0 };
  now_ms: number;
  private readonly options: ClusterOptions;
  private readonly network: Random;
  private readonly world: Random;
  /** In flight, by arrival tick. */
  private readonly flights = new Map<number, { readonly to: number; readonly message: Signed }[]>();
  /** Each message is verified (here: opened) once and shared, never once per receiver. */
  private readonly tick_ms: number;
  private head_Wh = { imported: 0, exported: 0 };
  private readonly first_ms: number;

  constructor(options: ClusterOptions) {
    this.options = options;
    const neighbourhood = neighbourhoodOf(options.nodes, options.roundTime_s);
    this.registry = makeRegistry(neighbourhood, sha256);
    this.network = randomStream(options.seed, 'network');
    this.world = randomStream(options.seed, 'world');
    const round_ms = neighbourhood.roundTime_s * 1000;
    this.tick_ms = Math.max(1, Math.floor(round_ms / 1500)); // a tenth of Δ
    this.first_ms = 1000 * round_ms;
    this.now_ms = this.first_ms;
    this.nodes = neighbourhood.nodes.map((_, index) => ({
      index,
      state: makeState(this.registry, index, sha256),
      alive: true,
      blocks: new Map(),
      votes: [],
      said: new Map(),
      plans: [],
      notes: [],
      imported_Wh: 0,
      exported_Wh: 0,
      told: { imported_Wh: 0, exported_Wh: 0 },
    }));
  }

  /** Runs for so many rounds. */
  run(rounds: number): void {
    const { round_ms } = this.nodes[0].state.hours;
    const end_ms = this.now_ms + rounds * round_ms;
    while (this.now_ms < end_ms) {
      const offset = this.now_ms % round_ms;
      if (offset < this.tick_ms) this.roundBegins(Math.floor(this.now_ms / round_ms));
      if (offset >= round_ms / 4 && offset < round_ms / 4 + this.tick_ms) this.peopleWish();
      this.oneTick();
    }
  }

  kill(index: number): void {
    this.nodes[index].alive = false;
  }

  /** Starts a killed node again from what it had made durable. */
  restart(index: number): void {
    const node = this.nodes[index];
    node.state = makeState(this.registry, index, sha256);
    const blocks = [...node.blocks.keys()].sort((a, b) => a - b).map((height) => node.blocks.get(height)!.block);
    const votes = node.votes.map(({ from, payload }) => ({
      from,
      vote: (node.said.get(payload.toString()) as Signed<Vote>).body,
    }));
    restore(node.state, blocks, votes);
    node.alive = true;
    this.feed(node, { kind: 'tick', now_ms: this.now_ms });
    for (const message of node.said.values())
      if (message.round >= node.state.deciding) this.feed(node, { kind: 'message', message });
  }

  private oneTick(): void {
    this.now_ms += this.tick_ms;
    const tick = Math.floor(this.now_ms / this.tick_ms);
    const arrivals = this.flights.get(tick) ?? [];
    this.flights.delete(tick);
    for (const node of this.nodes) if (node.alive) this.feed(node, { kind: 'tick', now_ms: this.now_ms });
    for (const { to, message } of arrivals)
      if (this.nodes[to].alive) this.feed(this.nodes[to], { kind: 'message', message });
  }

  private feed(node: SimNode, input: Input): void {
    const queue: Input[] = [input];
    const run = this.options.stepOf?.(node.index) ?? step;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const outcome = run(node.state, next);
      for (const entry of outcome.persist) this.persist(node, entry);
      for (const unsigned of outcome.send) {
        const message = this.sign(unsigned);
        node.said.set(message.payload.toString(), message);
        this.broadcast(node.index, message);
        queue.push({ kind: 'message', message });
      }
      for (const message of outcome.relay) this.broadcast(node.index, message);
      if (outcome.plan !== null) node.plans.push(outcome.plan);
      if (outcome.solve !== null) {
        const plan = solve(outcome.solve.instance, this.options.rule ?? 'eq11', {});
        queue.push({ kind: 'solved', seal: outcome.solve.seal, plan });
      }
      if (outcome.serve !== null) this.serve(node, outcome.serve);
      node.notes.push(...outcome.notes);
    }
  }

  private sign(unsigned: Unsigned): Signed {
    return signed(unsigned, payloadOf(unsigned, this.registry.tag), NO_SIGNATURE, sha256);
  }

  private persist(node: SimNode, entry: LedgerEntry): void {
    if (entry.kind === 'vote') node.votes.push(entry.vote);
    if (entry.kind !== 'final') return;
    const block = node.state.nodes.get(node.state.finalNode.state.tip)?.block;
    const path = block?.id === Buffer.from(entry.block.hash).toString('hex') ? block : this.findBlock(entry.block);
    const votes = entry.block.certificate === null ? [] : [...(node.state.votes.final.get(path.view)?.values() ?? [])];
    node.blocks.set(entry.block.height, { block: path, votes, entry: entry.block });
  }

  private findBlock(entry: FinalBlock): Signed<Block> {
    const id = Buffer.from(entry.hash).toString('hex');
    const found = this.proposals.get(id);
    if (found === undefined) throw new Error(`no proposal ${id}`);
    return found;
  }

  private readonly proposals = new Map<string, Signed<Block>>();
  private readonly finals = new Map<string, Signed<Vote>[]>();

  private serve(node: SimNode, { to, height }: { to: number; height: number }): void {
    const blocks = [];
    for (let at = height + 1; node.blocks.has(at) && blocks.length < 64; at++) {
      const { block, entry } = node.blocks.get(at)!;
      blocks.push({ block, votes: entry.certificate === null ? [] : (this.finals.get(block.id) ?? []) });
    }
    const body = { type: 'SYNC_RES' as const, to, height, blocks, pending: pendingOf(node.state) };
    this.broadcast(node.index, this.sign({ epoch: 0, round: node.state.deciding, view: 0, sender: node.index, body }));
  }

  private broadcast(from: number, message: Signed): void {
    if (message.body.type === 'PROPOSE') this.proposals.set(message.id, message as Signed<Block>);
    if (message.body.type === 'VOTE' && message.body.kind === 'final') {
      const votes = this.finals.get(message.body.block) ?? [];
      if (!votes.some(({ sender }) => sender === message.sender)) votes.push(message as Signed<Vote>);
      this.finals.set(message.body.block, votes);
    }
    this.messages.count += 1;
    this.messages.bytes += message.payload.length + 70;
    const fate = this.options.fate ?? ((_from, _to, _message, _now, random) => random.whole(20, 400));
    for (const node of this.nodes) {
      if (node.index === from) continue;
      const delay_ms = fate(from, node.index, message, this.now_ms, this.network);
      if (delay_ms === null) continue;
      const tick = Math.floor((this.now_ms + Math.max(delay_ms, this.tick_ms)) / this.tick_ms);
      const flights = this.flights.get(tick) ?? [];
      flights.push({ to: node.index, message });
      this.flights.set(tick, flights);
    }
  }

  /** The world moves by whole rounds: plans become energy, registers are read, the head meter reports. */
  private roundBegins(round: number): void {
    const { roundTime_s } = this.registry.neighbourhood;
    let net_W = 90_000 + Math.round(40_000 * Math.sin(round / 20)) + this.world.whole(-2000, 2000);
    for (const node of this.nodes) {
      const plan = node.plans.findLast((p) => p.round === round - 1);
      const direction = plan?.direction ?? 'idle';
      const energy_Wh = Math.floor(((plan?.power ?? 0) * roundTime_s) / 3600);
      if (direction === 'charge') node.imported_Wh += energy_Wh;
      if (direction === 'discharge') node.exported_Wh += energy_Wh;
      net_W += direction === 'charge' ? (plan?.power ?? 0) : direction === 'discharge' ? -(plan?.power ?? 0) : 0;
    }
    this.head_Wh.imported += Math.floor((net_W * roundTime_s) / 3600);
    for (const node of this.nodes) {
      if (!node.alive) continue;
      this.feed(node, { kind: 'tick', now_ms: this.now_ms });
      if (node.index === this.registry.headMeter) {
        const { imported: imported_Wh, exported: exported_Wh } = this.head_Wh;
        this.feed(node, {
          kind: 'site',
          reading: { takenAt_ms: this.now_ms, imported_Wh, exported_Wh, power_W: net_W },
        });
      } else {
        const { imported_Wh, exported_Wh } = node;
        const before = { importedBefore_Wh: node.told.imported_Wh, exportedBefore_Wh: node.told.exported_Wh };
        node.told = { imported_Wh, exported_Wh };
        this.feed(node, {
          kind: 'metered',
          round: round - 1,
          statement: { ...before, imported_Wh, exported_Wh, mode: 'lease' },
        });
      }
    }
  }

  private peopleWish(): void {
    for (const node of this.nodes) {
      const connector = this.registry.neighbourhood.nodes[node.index].connector;
      const wishes = this.world.chance(0.6);
      const sells = this.world.chance(1 / 3);
      if (!node.alive || !connector || !wishes || hasOpenOrder(node.state)) continue;
      const power_W = sells ? connector.discharge_W : connector.charge_W;
      this.feed(node, {
        kind: 'wish',
        wish: {
          side: sells ? 'sell' : 'buy',
          price: 20_000,
          power_W,
          maxWait_rounds: 2,
          divisible: false,
          minimum_W: power_W,
        },
      });
    }
  }
}
