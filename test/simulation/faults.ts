/**
 * The fault schedule (protocol.md 2.12), all of it drawn from the seed. Storms of a few rounds, each of one to three
 * kinds of trouble at once, and calms between them in which progress is owed (I13). Malicious nodes, at most f, are
 * malicious in calms too. `steady` is one storm of all the given kinds without end, to measure.
 */
import type { Signed, Vote } from '../../firmware/protocol/messages.ts';
import type { Hours } from '../../firmware/protocol/round.ts';
import { Adversary } from './adversary.ts';
import type { Lie } from './byzantine.ts';
import type { Weather } from './network.ts';
import { type Random, randomStream } from './random.ts';
import type { Ailment } from './world.ts';

export const FAULTS = [
  'loss', // up to half of all messages
  'late', // a tenth of all messages late beyond the bound Δ, by up to 5Δ
  'delay', // up to 10Δ, so reordered as well
  'duplicate',
  'partition', // two halves
  'minority', // f nodes cut off
  'one-way', // f nodes are heard by nobody, but hear
  'flapping', // halves that part and meet every few seconds
  'censor-node', // the broker drops all of one node's messages
  'censor-type', // and here all of one type
  'adversary', // sees all, and picks delays to split every vote (adversary.ts); with crashes at hand, their moment too
  'crash', // at any moment, between persist and send too; restart with the whole ledger
  'lost-tail', // restart without the last votes and statements, and knowing it
  'lost-disk', // the same with an empty disk; the head meter's node too
  'skew', // clocks off by up to 2 s
  'clock-back', // some clocks step back, by up to a minute, at some moment
  'broker-restart', // the broker is away for a while; what was on its way is lost, and nodes come back one by one
  'replay', // the broker says again what was said up to a day ago
  'head-absent', // no reading of the head meter
  'head-biased', // it shows too little, by the error of its class
  'head-frozen', // it repeats its last reading
  'stuck-relay', // some contacts do not open, some do not close
  'unplugged', // vehicles leave in mid-round
  'no-show', // the f + 1 that should feed in the most do not, or those that should draw the most
  'silent', // f nodes say nothing
  'byzantine', // f nodes lie
] as const;
export type Fault = (typeof FAULTS)[number];

const STORM_ROUNDS = 5;
const CALM_ROUNDS = 3;
/** Nodes below the surface of a storm: latency of an ordinary network. */
const LATENCY_MS = [20, 400] as const;
/** A day of rounds. */
const REPLAY_ROUNDS = 288;
const CENSORED = ['ORDER', 'HEADER', 'PROPOSE', 'VOTE', 'SYNC_RES'] as const;

export interface Crash {
  readonly node: number;
  readonly at_ms: number;
  readonly back_ms: number;
  /** Only when it signs a vote of this kind; it is then away for as long as lies between the two moments. */
  readonly aim?: Vote['kind'];
  /** Dies at the first of its obligations after `at_ms`: before it is durable, before it is sent, after so many sends. */
  readonly stage: 'before-persist' | 'before-send' | 'after-send';
  /** Of the messages that it owes, how many leave before 'after-send' strikes, less one. */
  readonly sends?: number;
  /** So many of the last votes and statements are gone; of endlessly many, the chain too. */
  readonly lost: number;
}

/** Everything that can go wrong in a run; a scenario has its own (test/scenarios/script.ts). */
export interface Trouble extends Weather {
  readonly liars: ReadonlySet<number>;
  readonly crashes: readonly Crash[];
  readonly calmRounds: number;
  begin(index: number, now_ms: number): void;
  lieOf(node: number): Lie | null;
  skew_ms(node: number, now_ms: number): number;
  /** What is wrong with a node's contacts or vehicle at this moment. */
  ailment?(node: number, now_ms: number): Ailment | null;
  /** What the f + 1 largest of which do not do although they were told to, and all else is well with everybody. */
  readonly noShow?: 'charge' | 'discharge' | null;
  /** Nodes whose first key somebody else has, who places orders with it. */
  readonly stolen?: readonly number[];
  /** What is wrong with the head meter in this round. */
  readonly head?: HeadTrouble | null;
}

export type HeadTrouble = 'absent' | 'biased' | 'frozen';

export class Faults implements Trouble {
  /** Kinds at work in this round. */
  active: ReadonlySet<Fault> = new Set();
  /** True once nothing but malicious nodes is left of the trouble, with the rounds that this has lasted. */
  calmRounds = 0;
  /** Malicious or silent for the whole run. */
  readonly liars: ReadonlySet<number>;
  /** Nodes whose disks may lose a tail, or everything. Until the next final block these cannot help, so they count among the f. */
  private readonly fragile: readonly number[];
  crashes: Crash[] = [];
  private readonly kinds: readonly Fault[];
  private readonly steady: boolean;
  private readonly lies: readonly Lie[];
  private readonly n: number;
  private readonly f: number;
  private readonly hours: Hours;
  private readonly network: Random;
  private readonly plot: Random;
  private readonly skews: number[];
  private side: number[] = [];
  private victim = 0;
  private censored: string = 'VOTE';
  private loss = 0;
  private storm: readonly Fault[] = [];
  /** From when each clock is back, and by how much. */
  private steps: { readonly from_ms: number; readonly back_ms: number }[] = [];
  /** By node, since when and until when the broker does not serve it. */
  private away: { readonly from_ms: number; readonly to_ms: number }[] = [];
  private ailments: (Ailment | null)[] = [];
  private ails_ms = 0;
  private readonly adversary: Adversary;

  constructor(options: {
    readonly kinds: readonly Fault[];
    readonly steady: boolean;
    readonly lies: readonly Lie[];
    readonly seed: number;
    readonly n: number;
    readonly hours: Hours;
    readonly leaderOf: (view: number) => number;
    /** How many may lose their memory: what is left of f, unless given. More, and progress is not owed. */
    readonly fragile?: number | undefined;
  }) {
    const { kinds, steady, lies, seed, n, hours, leaderOf, fragile } = options;
    this.lies = lies;
    this.kinds = kinds;
    this.steady = steady;
    this.n = n;
    this.f = Math.floor((n - 1) / 3);
    this.hours = hours;
    this.network = randomStream(seed, 'network');
    this.plot = randomStream(seed, 'faults');
    const order = this.shuffled();
    const lying = kinds.includes('byzantine') || kinds.includes('silent');
    const losing = kinds.includes('lost-tail') || kinds.includes('lost-disk');
    // All f lie, none does, or some do: each in a third of all runs.
    const some = (): number => [this.f, 0, this.plot.whole(0, this.f)][this.plot.whole(0, 2)];
    const liars = !lying ? 0 : losing ? some() : this.f;
    this.liars = new Set(order.slice(0, liars));
    this.fragile = order.slice(liars, fragile === undefined ? this.f : liars + fragile);
    this.adversary = new Adversary({
      random: randomStream(seed, 'adversary'),
      n,
      delta_ms: hours.delta_ms,
      leaderOf,
      isLiar: (node) => this.liars.has(node),
    });
    this.skews = Array.from({ length: n + 1 }, () => 0);
  }

  private shuffled(): number[] {
    const nodes = Array.from({ length: this.n }, (_, i) => i);
    for (let i = nodes.length - 1; i > 0; i--) {
      const j = this.plot.whole(0, i);
      [nodes[i], nodes[j]] = [nodes[j], nodes[i]];
    }
    return nodes;
  }

  /** Draws what happens in the round that begins, `index` rounds after the first. */
  begin(index: number, now_ms: number): void {
    const { plot, n } = this;
    const inCycle = index % (STORM_ROUNDS + CALM_ROUNDS);
    const weather = this.kinds.filter((kind) => kind !== 'byzantine' && kind !== 'silent');
    const stormy = this.steady || (index > 0 && inCycle < STORM_ROUNDS && weather.length > 0);
    if (!stormy) this.storm = [];
    else if (this.steady) this.storm = weather;
    else if (inCycle === 0 || plot.chance(0.3) || this.storm.length === 0) {
      this.storm = Array.from({ length: plot.whole(1, 3) }, () => weather[plot.whole(0, weather.length - 1)]);
    }
    this.active = new Set(this.storm);
    this.calmRounds = stormy ? 0 : this.calmRounds + 1;
    const order = this.shuffled();
    this.side = Array.from({ length: n + 1 }, () => 0);
    const cut = this.active.has('partition') || this.active.has('flapping') ? Math.floor(n / 2) : this.f;
    for (const node of order.slice(0, cut)) this.side[node] = 1;
    this.victim = plot.whole(0, n - 1);
    this.censored = CENSORED[plot.whole(0, CENSORED.length - 1)];
    this.loss = plot.next() / 2;
    for (let node = 0; node <= n; node++) {
      this.skews[node] = plot.whole(-400, 400) + (this.active.has('skew') ? plot.whole(-1600, 1600) : 0);
    }
    this.drawThings(now_ms);
    this.crashes = [];
    this.adversary.begin();
    if (this.active.has('crash') || this.active.has('lost-tail') || this.active.has('lost-disk')) {
      const { round_ms, solve_ms, act_ms, delta_ms } = this.hours;
      const many = plot.whole(1, Math.max(1, Math.min(n, 2 * this.f)));
      const victims = this.active.has('crash') ? order.slice(0, many) : [...this.fragile];
      if (this.active.has('lost-disk')) victims.push(n); // it does not vote, and is none of the f
      const aim = this.active.has('adversary') ? this.adversary.aimAt(victims) : null;
      for (const node of victims) {
        const loses = this.fragile.includes(node) || node === n;
        const tail = this.active.has('lost-tail') && loses ? plot.whole(1, 8) : 0;
        const lost = this.active.has('lost-disk') && loses ? Number.POSITIVE_INFINITY : tail;
        const stage = (['before-persist', 'before-send', 'after-send'] as const)[plot.whole(0, 2)];
        // Half of those that lose everything do so at their header, and are back in time for another.
        const mining = lost === Number.POSITIVE_INFINITY && plot.chance(0.5);
        const at_ms = now_ms + (mining ? solve_ms - delta_ms : plot.whole(0, act_ms));
        const back_ms = at_ms + plot.whole(0, mining ? 4 * delta_ms : round_ms / 4);
        const sends = plot.whole(0, 2);
        if (aim === null || node === n) this.crashes.push({ node, at_ms, back_ms, stage, sends, lost });
        else {
          const opens_ms = now_ms + (aim.decision === 'SEAL' ? this.hours.seal_ms : this.hours.schedule_ms) - delta_ms;
          const down_ms = aim.down_deltas * delta_ms;
          this.crashes.push({
            node,
            at_ms: opens_ms,
            back_ms: opens_ms + down_ms,
            aim: aim.kind,
            stage: 'after-send',
            sends: Number.POSITIVE_INFINITY,
            lost,
          });
        }
      }
    }
  }

  /** Clocks, the broker, contacts and vehicles. */
  private drawThings(now_ms: number): void {
    const { plot, n, active } = this;
    const { round_ms, delta_ms } = this.hours;
    const within = (): number => now_ms + plot.whole(0, round_ms);
    const each = <T>(kind: Fault, draw: () => T, none: T): T[] =>
      Array.from({ length: n + 1 }, () => (active.has(kind) && plot.chance(0.5) ? draw() : none));
    this.steps = each('clock-back', () => ({ from_ms: within(), back_ms: plot.whole(0, 60_000) }), {
      from_ms: Number.POSITIVE_INFINITY,
      back_ms: 0,
    });
    const down_ms = active.has('broker-restart') ? within() : Number.POSITIVE_INFINITY;
    this.away = Array.from({ length: n + 1 }, () => ({
      from_ms: down_ms - LATENCY_MS[1],
      to_ms: down_ms + plot.whole(delta_ms, 10 * delta_ms),
    }));
    const stuck = each<Ailment | null>('stuck-relay', () => (plot.chance(0.5) ? 'stuck-open' : 'stuck-closed'), null);
    const gone = each<Ailment | null>('unplugged', () => 'unplugged', null);
    this.ailments = stuck.map((ailment, node) => gone[node] ?? ailment);
    this.ails_ms = within();
  }

  get noShow(): 'charge' | 'discharge' | null {
    if (!this.active.has('no-show')) return null;
    return this.side[this.victim] === 1 ? 'charge' : 'discharge'; // by chance
  }

  ailment(node: number, now_ms: number): Ailment | null {
    return now_ms >= this.ails_ms ? this.ailments[node] : null;
  }

  get head(): HeadTrouble | null {
    if (this.active.has('head-absent')) return 'absent';
    if (this.active.has('head-frozen')) return 'frozen';
    return this.active.has('head-biased') ? 'biased' : null;
  }

  /** The lie of a malicious node for a round. */
  lieOf(): Lie {
    if (!this.kinds.includes('byzantine')) return 'silent';
    return this.lies[this.plot.whole(0, this.lies.length - 1)];
  }

  skew_ms(node: number, now_ms: number): number {
    const { from_ms, back_ms } = this.steps[node];
    return this.skews[node] - (now_ms >= from_ms ? back_ms : 0);
  }

  delays_ms(from: number, to: number, message: Signed, now_ms: number): readonly number[] {
    const { active, network, hours, side } = this;
    const delay = network.whole(...LATENCY_MS);
    if (active.size === 0) return [delay];
    const apart = side[from] !== side[to];
    const { delta_ms } = hours;
    if (apart && (active.has('partition') || active.has('minority'))) return [];
    if (apart && active.has('flapping') && Math.floor(now_ms / (4 * delta_ms)) % 2 === 0) return [];
    if (side[from] === 1 && apart && active.has('one-way')) return [];
    if (active.has('censor-node') && from === this.victim) return [];
    if (active.has('censor-type') && message.body.type === this.censored) return [];
    if (active.has('loss') && network.chance(this.loss)) return [];
    const serves = ({ from_ms, to_ms }: { from_ms: number; to_ms: number }): boolean =>
      now_ms < from_ms || now_ms > to_ms;
    if (!serves(this.away[from]) || !serves(this.away[to])) return [];
    const delays = [delay];
    if (active.has('late') && network.chance(0.1)) delays[0] = delta_ms + network.whole(0, 5 * delta_ms);
    if (active.has('delay')) delays[0] = network.whole(0, 10 * delta_ms);
    if (active.has('adversary')) delays[0] = this.adversary.delay_ms(to, message, now_ms, delay);
    if (active.has('replay') && network.chance(0.02))
      delays.push(network.whole(1, network.chance(0.5) ? 3 : REPLAY_ROUNDS) * hours.round_ms);
    if (active.has('duplicate') && network.chance(0.3)) delays.push(delays[0] + network.whole(0, 5 * delta_ms));
    return delays;
  }
}
