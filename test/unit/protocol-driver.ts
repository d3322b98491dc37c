/**
 * A neighbourhood of real runtimes, doors and keys in one process, on a clock that moves only when told, a bus that
 * loses and lies on request, and ledgers in memory. What happens is told as a transcript: time in the interval, node, note.
 */
import { createHash, createPrivateKey } from 'node:crypto';
import { createSigner, createVerify } from '../../firmware/adapters/ed25519.ts';
import { createGate, type Gate } from '../../firmware/adapters/gate.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import type {
  Account,
  Bus,
  Checkpoint,
  Clock,
  FinalBlock,
  Ledger,
  LedgerEntry,
  OwnStatement,
  OwnVote,
  Past,
  Signer,
} from '../../firmware/ports.ts';
import { refusal } from '../../firmware/protocol/benefit/feasible.ts';
import { type Instance, type PlanAhead, PPM } from '../../firmware/protocol/benefit/instance.ts';
import type { Neighbourhood } from '../../firmware/protocol/genesis.ts';
import {
  addresseeOf,
  type Body,
  messageTopic,
  payloadOf,
  type Signed,
  signed,
  toSign,
  toWire,
  type Unsigned,
} from '../../firmware/protocol/messages.ts';
import type { Plan } from '../../firmware/protocol/plan.ts';
import { makeRegistry, type Registry } from '../../firmware/protocol/registry.ts';
import { signedAbout } from '../../firmware/protocol/round.ts';
import type { FinalStep, Note, NoteCode, ProtocolState } from '../../firmware/protocol/state.ts';
import type { OrderWish } from '../../firmware/protocol/step.ts';
import { createRuntime, type Runtime } from '../../firmware/runtime.ts';
import { millis, unixMillis } from '../../hal/units.ts';
import { isSuperseded } from './superseded.ts';

/** The key of node i: its seed is SHA-256 of a name, so that every run has the same ones. */
export function signerOf(index: number): Signer {
  const seed = createHash('sha256').update(`test key ${index}`).digest();
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  return createSigner(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
}

export function neighbourhoodOf(chargePoints: number, changes: Partial<Neighbourhood> = {}): Neighbourhood {
  const connector = { kind: 'fast', charge_W: 11_000, discharge_W: 11_000 } as const;
  const key = (index: number): string => Buffer.from(signerOf(index).publicKey).toString('hex');
  return {
    microgrid: 'street',
    roundTime_s: 300,
    capacity_W: 200_000,
    exportLimit_W: 200_000,
    margin_W: 0,
    maxWait_rounds: 2,
    lookAhead_rounds: 4,
    chargingEfficiency_ppm: 930_000,
    dischargingEfficiency_ppm: 930_000,
    nodes: [
      ...Array.from({ length: chargePoints }, (_, i) => ({
        name: `cp${i + 1}`,
        publicKey: key(i),
        role: 'charge-point' as const,
        connector,
        safeShare_W: 1380,
      })),
      { name: 'head', publicKey: key(chargePoints), role: 'head-meter' as const, safeShare_W: 0 },
    ],
    ...changes,
  };
}

/** A plan without a solver: everything now, as far as it may; what does not fit waits a round, the last in line first. */
export function atOnce(instance: Instance): PlanAhead {
  const now = [PPM, ...new Array<number>(instance.maxWait_rounds).fill(0)];
  const shares = instance.load_W.slice(1).map(() => ({ buy_ppm: now, sell_ppm: now }));
  const orders = instance.pending.map(() => 0);
  for (let i = orders.length - 1; i >= 0 && refusal(instance, { orders, shares }) !== null; i--) orders[i] = 1;
  return { orders, shares };
}

/** Every order waits as long as it may. */
export function later(instance: Instance): PlanAhead {
  return { ...atOnce(instance), orders: instance.pending.map(({ remainingWait_rounds }) => remainingWait_rounds) };
}

/** Time that moves when told; what is due runs in the order of its hour, then of its making. */
export class ManualClock implements Clock {
  readonly scale: number;
  time: number;
  private serial = 0;
  private timers: { at: number; serial: number; run: () => void }[] = [];
  constructor(time: number, scale = 1) {
    this.time = time;
    this.scale = scale;
  }
  /** How far the time of day is from what it should be. */
  leap_ms = 0;
  now = () => unixMillis(this.time + this.leap_ms);
  monotonic = () => millis(this.time);
  after = (delay: number, run: () => void): (() => void) => {
    const timer = { at: this.time + delay, serial: this.serial++, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  };
  advance(by_ms: number): void {
    const end = this.time + by_ms;
    for (;;) {
      const due = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.serial - b.serial)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((other) => other !== due);
      this.time = Math.max(this.time, due.at);
      due.run();
    }
    this.time = end;
  }
}

/** Keeps what it is given, votes as long as the device does (adapters/sqlite-ledger.ts); `tell` hears each entry when it is durable. */
export class MemoryLedger implements Ledger {
  blocks: FinalBlock[] = [];
  votes: OwnVote[] = [];
  statements: OwnStatement[] = [];
  checkpoints: Checkpoint[] = [];
  accounts: Account[] = [];
  /** Set to false by whoever takes votes out of it. */
  whole = true;
  /** What the counter beside the key would know. Of a new one it knows nothing: it is as lost as the ledger before. */
  signedTo_round: number | null = null;
  readonly facts = new Map<string, string>();
  tell: (entry: LedgerEntry) => void = () => undefined;
  append(entries: readonly LedgerEntry[]): void {
    for (const round of entries.flatMap(signedAbout)) this.signedTo_round = Math.max(this.signedTo_round ?? 0, round);
    for (const entry of entries) {
      if (entry.kind === 'vote') this.keepVote(entry.vote);
      else if (entry.kind === 'final') {
        this.blocks.push(entry.block);
        this.votes = this.votes.filter(({ to }) => to > entry.view);
      } else if (entry.kind === 'checkpoint') this.checkpoints.push(entry.checkpoint);
      else if (entry.kind === 'account') this.accounts.push(entry.account);
      else this.statements.push(entry.statement);
      this.tell(entry);
    }
    this.prune(this.checkpoints.at(-2)?.height ?? 0);
  }
  private keepVote(vote: OwnVote): void {
    if (vote.kind === 'skip') this.votes = this.votes.filter((own) => !isSuperseded(own, vote));
    this.votes.push(vote);
  }
  checkpoint = (): Checkpoint | null => this.checkpoints.at(-1) ?? null;
  /** Drops the blocks up to a height but those that prove a checkpoint. */
  prune(upTo: number): void {
    const proof = new Set<number>();
    for (const { height } of this.checkpoints) {
      const run = this.blocks.filter((block) => block.height > height);
      for (const block of run.slice(0, run.findIndex(({ certificate }) => certificate !== null) + 1))
        proof.add(block.height);
    }
    this.blocks = this.blocks.filter(({ height }) => height > upTo || proof.has(height));
  }
  checkpointAbove(height: number, epoch: number): Checkpoint | null {
    const of = (most: number) => this.checkpoints.findLast((each) => each.height > height && each.epoch <= most);
    return of(epoch) ?? of(epoch + 1) ?? null;
  }
  load = () => ({
    checkpoint: this.checkpoint(),
    blocks: this.blocks.filter(({ height }) => height > (this.checkpoint()?.height ?? 0)),
    votes: [...this.votes],
    statements: [...this.statements],
    whole: this.whole,
    signedTo_round: this.signedTo_round,
  });
  past(height: number): Past {
    const accounts = this.accounts.filter((account) => account.height <= height);
    const sum = (of: (account: Account) => number): number => accounts.reduce((total, each) => total + of(each), 0);
    return {
      rounds: sum(({ rounds }) => rounds),
      committed: sum(({ committed }) => committed),
      ordered_J: sum(({ ordered_J }) => ordered_J),
      allocated_J: sum(({ allocated_J }) => allocated_J),
      metered_J: sum(({ metered_J }) => metered_J),
      unordered_J: sum(({ unordered_J }) => unordered_J),
      own: accounts.map(({ own }) => own),
    };
  }
  blocksAbove(height: number, maxBytes: number): FinalBlock[] {
    let left = maxBytes;
    const page: FinalBlock[] = [];
    for (const block of this.blocks.filter((other) => other.height > height)) {
      if (block.height !== height + 1 + page.length) break;
      left -= block.message.length + (block.certificate?.length ?? 0);
      if (left < 0 && page.length > 0) break;
      page.push(block);
    }
    return page;
  }
  remember = (key: string, value: string): void => void this.facts.set(key, value);
  recall = (key: string): string | undefined => this.facts.get(key);
  close = (): void => undefined;
}

export interface Player {
  readonly index: number;
  readonly name: string;
  readonly signer: Signer;
  ledger: MemoryLedger;
  gate: Gate;
  runtime: Runtime;
  alive: boolean;
  readonly plans: Plan[];
  readonly finals: FinalStep[];
  readonly pasts: Past[];
  /** Everything it published, as the others got it. */
  readonly said: Signed[];
  /** Registers, and where its last statement left them. */
  meter: { readonly imported_Wh: number; readonly exported_Wh: number };
  told: { readonly imported_Wh: number; readonly exported_Wh: number };
}

export interface Options {
  readonly chargePoints?: number;
  readonly changes?: Partial<Neighbourhood>;
  readonly solve?: (instance: Instance, index: number) => PlanAhead;
  /** What a node really sends in place of its message; null for nothing. Signed with its key, whatever it says. */
  readonly lie?: (message: Signed, play: Neighbours) => Unsigned | null;
  /** True when a message to this node is lost. */
  readonly lost?: (message: Signed, to: number, play: Neighbours) => boolean;
  /** Milliseconds on the way; 50 unless stated. */
  readonly delay_ms?: (message: Signed, to: number, play: Neighbours) => number;
  /** How far a node's time of day is from what it should be. */
  readonly skew_ms?: (node: number) => number;
  /** Power of the households, W. */
  readonly load_W?: (round: number) => number;
}

export const LATENCY_ms = 50;
const FIRST_ROUND = 1000;

export class Neighbours {
  readonly registry: Registry;
  readonly clock: ManualClock;
  readonly players: Player[];
  readonly notes: { readonly at_ms: number; readonly node: string; readonly note: Note }[] = [];
  readonly journal: { readonly node: number; readonly what: 'durable' | 'sent'; readonly payload: string }[] = [];
  private readonly ears = new Map<number, (topic: string, wire: Uint8Array) => void>();
  private readonly options: Options;
  private readonly round_ms: number;
  /** Energy that the head meter has counted; set it back to exchange the meter. */
  head_Wh = 0;

  constructor(options: Options = {}) {
    this.options = options;
    const neighbourhood = neighbourhoodOf(options.chargePoints ?? 4, options.changes);
    this.registry = makeRegistry(neighbourhood, sha256);
    this.round_ms = neighbourhood.roundTime_s * 1000;
    // Deciding round FIRST_ROUND begins at FIRST_ROUND - 1.
    this.clock = new ManualClock((FIRST_ROUND - 1) * this.round_ms);
    this.players = neighbourhood.nodes.map(({ name }, index) => this.enter(index, name, new MemoryLedger()));
    for (const player of this.players) player.runtime.start();
    this.clock.after(1, () => this.intervalBegins());
  }

  get deciding(): number {
    return Math.floor(this.clock.time / this.round_ms) + 1;
  }

  /** Runs until so many seconds into the current interval, or whole rounds. */
  until(second: number): this {
    this.clock.advance((this.deciding - 1) * this.round_ms + second * 1000 - this.clock.time);
    return this;
  }
  rounds(count: number): this {
    for (let i = 0; i < count; i++) this.clock.advance(this.round_ms);
    return this;
  }

  player(index: number): Player {
    return this.players[index];
  }
  state(index: number): ProtocolState {
    return this.players[index].runtime.state as ProtocolState;
  }

  buy(index: number, power_W: number, changes: Partial<OrderWish> = {}): void {
    this.wish(index, { side: 'buy', power_W, ...changes });
  }
  wish(index: number, changes: Partial<OrderWish>): void {
    const power_W = changes.power_W ?? 11_000;
    const wish = {
      side: 'buy',
      price: 25_000,
      power_W,
      maxWait_rounds: 2,
      divisible: false,
      minimum_W: power_W,
    } as const;
    this.players[index].runtime.feed({ kind: 'wish', wish: { ...wish, ...changes } });
  }

  /** A node of that index that nobody knows of yet. */
  join(name: string, signers: Signer[]): Player {
    const player = this.enter(this.players.length, name, new MemoryLedger(), signers);
    this.players.push(player);
    player.runtime.start();
    return player;
  }
  /** Says something with the key of a node, as if another program had it. */
  say(index: number, body: Body, signer = this.players[index].signer): void {
    const message: Unsigned = {
      epoch: this.state(0).finalNode.state.registry.epoch,
      round: this.deciding,
      view: 0,
      sender: index,
      body,
    };
    const payload = payloadOf(message, this.registry.tag);
    const wire = toWire({ payload, signature: signer.sign(toSign(payload)) });
    for (const player of this.players)
      this.hear(player.index, `p2pebt/1/street/${body.type}/${this.players[index].name}`, wire);
  }

  kill(index: number): void {
    this.players[index].runtime.stop();
    this.players[index].alive = false;
  }
  /** Starts it again from its ledger (or from another one). */
  restart(index: number, ledger = this.players[index].ledger, signers?: Signer[]): void {
    if (this.players[index].alive) this.kill(index);
    const { name, plans, finals, pasts, said, meter, told } = this.players[index];
    this.players[index] = { ...this.enter(index, name, ledger, signers), plans, finals, pasts, said, meter, told };
    this.players[index].runtime.start();
  }

  /** Gives bytes to one node as if they came from the broker. */
  hear(index: number, topic: string, wire: Uint8Array): void {
    this.ears.get(index)?.(topic, wire);
  }

  /** A message of a node's, signed with its key. */
  sign<B extends Body>(message: Unsigned<B>, signer = this.players[message.sender].signer): Signed<B> {
    const payload = payloadOf(message, this.registry.tag);
    return signed(message, payload, signer.sign(toSign(payload)), sha256);
  }

  wire = (message: Signed): Uint8Array => toWire(message);

  /** Notes of these kinds as `mm:ss node code: text`, one a line. */
  transcript(codes: readonly NoteCode[], from = 0): string {
    const clock = (at_ms: number): string => {
      const second = Math.floor((at_ms % this.round_ms) / 1000);
      return `${Math.floor(second / 60)}:${String(second % 60).padStart(2, '0')}`;
    };
    return this.notes
      .slice(from)
      .filter(({ note }) => codes.includes(note.code))
      .map(({ at_ms, node, note }) => `${clock(at_ms)} ${node} ${note.code}: ${note.text}`)
      .join('\n');
  }

  private enter(index: number, name: string, ledger: MemoryLedger, signers = [signerOf(index)]): Player {
    const signer = signers[0];
    const gate = createGate(this.registry, sha256, createVerify());
    const find = this.options.solve ?? atOnce;
    const bus: Bus = {
      connected: true,
      publish: (_topic, wire) => this.publish(index, wire),
      onMessage: (listener) => {
        this.ears.set(index, listener);
      },
      onConnection: () => undefined,
      close: async () => undefined,
    };
    ledger.tell = (entry) => {
      const payload =
        entry.kind === 'vote' ? entry.vote.payload : entry.kind === 'statement' ? entry.statement.payload : null;
      if (payload !== null) this.journal.push({ node: index, what: 'durable', payload: hex(payload) });
    };
    const player: Player = {
      index,
      name,
      signer,
      ledger,
      gate,
      alive: true,
      plans: [],
      finals: [],
      pasts: [],
      said: [],
      meter: { imported_Wh: 50_000, exported_Wh: 900 },
      told: { imported_Wh: 50_000, exported_Wh: 900 },
      runtime: createRuntime(
        {
          registry: this.registry,
          self: index,
          name,
          hash: sha256,
          clock: this.clockOf(index),
          bus,
          ledger,
          signers,
          gate,
          solve: (instance) => find(instance, index),
        },
        {
          plan: (plan) => this.players[index].plans.push(plan),
          past: (past) => this.players[index].pasts.push(past),
          final: (final) => this.players[index].finals.push(final),
          note: (note) => this.notes.push({ at_ms: this.clock.time, node: name, note }),
        },
      ),
    };
    return player;
  }

  private clockOf(node: number): Clock {
    const { clock } = this;
    const skew_ms = this.options.skew_ms ?? (() => 0);
    const now = () => unixMillis(clock.now() + skew_ms(node));
    return { scale: clock.scale, now, monotonic: clock.monotonic, after: clock.after };
  }

  private publish(from: number, wire: Uint8Array): void {
    const honest = this.door.reopen(wire);
    this.journal.push({ node: from, what: 'sent', payload: hex(honest.payload) });
    const told = this.options.lie === undefined ? honest : this.options.lie(honest, this);
    if (told === null) return;
    const message = told === honest ? honest : this.sign(told);
    this.players[from].said.push(message);
    const only = addresseeOf(message);
    const to = only === undefined ? only : this.players[only].name;
    const topic = messageTopic('street', message.body.type, this.players[from].name, to);
    // A broker gives a node's own messages back to it.
    for (const { index } of this.players) {
      if (index !== (only ?? index)) continue;
      if (this.options.lost?.(message, index, this)) continue;
      this.clock.after(this.options.delay_ms?.(message, index, this) ?? LATENCY_ms, () => {
        const to = this.players[index];
        if (to.alive) this.hear(index, topic, toWire(message));
      });
    }
  }
  private get door(): Gate {
    return createGate(this.registry, sha256, () => true);
  }

  /** The world moves by whole rounds: plans become energy, registers are read and stated. */
  private intervalBegins(): void {
    this.clock.after(this.round_ms, () => this.intervalBegins());
    const { roundTime_s } = this.registry.neighbourhood;
    const over = this.deciding - 2;
    const energy_Wh = (power_W: number): number => Math.floor((power_W * roundTime_s) / 3600);
    const power_W = (index: number, round: number): number => {
      const plan = this.players[index].plans.findLast((other) => other.round === round);
      return (plan?.direction === 'discharge' ? -1 : 1) * (plan?.power ?? 0);
    };
    const site_W = (round: number): number =>
      this.players.reduce((sum, { index }) => sum + power_W(index, round), this.options.load_W?.(round) ?? 60_000);
    for (const player of this.players) {
      const moved_Wh = energy_Wh(power_W(player.index, over));
      player.meter = {
        imported_Wh: player.meter.imported_Wh + Math.max(0, moved_Wh),
        exported_Wh: player.meter.exported_Wh + Math.max(0, -moved_Wh),
      };
    }
    this.head_Wh += energy_Wh(site_W(over));
    for (const player of this.players) {
      if (!player.alive) continue;
      if (player.index === this.registry.headMeter) {
        const registers = { imported_Wh: 1_000_000 + this.head_Wh, exported_Wh: 0 };
        const reading = { takenAt_ms: this.clock.time, ...registers, power_W: site_W(over + 1) };
        player.runtime.feed({ kind: 'site', reading });
      } else if (player.index !== this.registry.registrar) {
        const { meter, told } = player;
        player.told = meter;
        player.runtime.feed({
          kind: 'metered',
          round: over,
          statement: {
            importedBefore_Wh: told.imported_Wh,
            exportedBefore_Wh: told.exported_Wh,
            ...meter,
            mode: player.plans.some((plan) => plan.round === over) ? 'lease' : 'fallback',
          },
        });
      }
    }
  }
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
