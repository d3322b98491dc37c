/**
 * The targeted adversary: it reads every message, forges none, and picks when each arrives. Of a decision it works on one
 * view after the other, towards two quorums that should exclude one another: it lets a block be notarised, keeps that from
 * who leads next until another block stands on an older parent, and shows the FINAL votes to one lone node. The core
 * must not split; where a rule of the votes is missing, it does (mutants.ts).
 */
import type { Signed, Vote } from '../../firmware/protocol/messages.ts';
import { firstView, type Kind, kindOfView, lastView, roundOfView } from '../../firmware/protocol/round.ts';
import type { Random } from './random.ts';

type Scheme =
  | 'by-chance' // groups drawn by view, that see things early or about when they give up
  | 'halves' // each block of the view is shown to another half: for a leader that says two things
  | 'late-quorum' // all give the view up, then see the NOTARIZE quorum, and the SKIPs only after that
  | 'early-quorum'; // all but the next leaders see the quorum at once, and have to wait for those leaders

const ALL: readonly Scheme[] = ['by-chance', 'by-chance', 'late-quorum', 'late-quorum', 'early-quorum', 'early-quorum'];

/** What is planned for a view, from its first PROPOSE on. */
interface Plot {
  readonly scheme: Scheme;
  readonly view: number;
  /** The view whose leader is to build on the older parent; what is proposed between comes too late. */
  readonly next: number;
  /** Its leader, and perhaps others, who learn of no NOTARIZE quorum. */
  readonly dark: ReadonlySet<number>;
  /** When those who may see the quorum do; some at once. */
  readonly shown_ms: number;
  readonly early: ReadonlySet<number>;
  /** Until when it is worth while to keep answers to questions away. */
  readonly until_ms: number;
  /** The first who signed FINAL: alone it shall know that it is. */
  lone: number | null;
}

/** Nodes give up 3 Δ after they entered, at the next half Δ, by clocks that are a fifth of Δ apart. */
const GIVEN_UP_DELTAS = [3.3, 4.2] as const;
const FAR_DELTAS = [8, 20] as const;

/** What a crash that it times aims at: a vote of that kind in that decision. */
export interface Aim {
  readonly kind: Vote['kind'];
  readonly decision: Kind;
  readonly down_deltas: number;
}

/** It has forgotten FINAL and may skip, or SKIP and may sign FINAL, or what it has voted for. */
const AIMS = ['final', 'final', 'skip', 'skip', 'notarize'] as const;

export class Adversary {
  private readonly random: Random;
  private readonly n: number;
  private readonly f: number;
  private readonly delta_ms: number;
  private readonly leaderOf: (view: number) => number;
  private readonly isLiar: (node: number) => boolean;
  /** By first view of the decision: the last plot. */
  private readonly plots = new Map<number, Plot>();
  private readonly groups = new Map<string, Uint8Array>();
  /** By view: its blocks in the order in which they were seen. */
  private readonly blocks = new Map<number, string[]>();
  /** By view and block: who has signed NOTARIZE. */
  private readonly voters = new Map<string, Set<number>>();
  private aim: Aim | null = null;
  private victims: ReadonlySet<number> = new Set();

  constructor(options: {
    readonly random: Random;
    readonly n: number;
    readonly delta_ms: number;
    readonly leaderOf: (view: number) => number;
    readonly isLiar: (node: number) => boolean;
  }) {
    this.random = options.random;
    this.n = options.n;
    this.f = Math.floor((options.n - 1) / 3);
    this.delta_ms = options.delta_ms;
    this.leaderOf = options.leaderOf;
    this.isLiar = options.isLiar;
  }

  begin(): void {
    for (const kept of [this.plots, this.groups, this.blocks, this.voters]) kept.clear();
    this.aim = null;
  }

  /** When the power of these nodes is to go in this round; in half of the rounds it leaves that to chance. */
  aimAt(victims: readonly number[]): Aim | null {
    const { random } = this;
    const kind = AIMS[random.whole(0, AIMS.length - 1)];
    const decision = random.chance(0.5) ? 'SEAL' : 'SCHEDULE';
    const down_deltas = random.whole(1, kind === 'final' ? 7 : 3) / 2;
    this.aim = random.chance(0.5) ? { kind, decision, down_deltas } : null;
    this.victims = new Set(victims);
    return this.aim;
  }

  /** On its way for so long; `usual_ms` where it does not care. */
  delay_ms(to: number, message: Signed, now_ms: number, usual_ms: number): number {
    const { body, view, sender } = message;
    if (body.type === 'HEADER') return this.group(`h${message.id}`)[to] ? usual_ms : this.between(0, 8);
    if (body.type === 'SYNC_RES' || body.type === 'STATE') return this.answer_ms(now_ms, usual_ms);
    if (body.type !== 'PROPOSE' && body.type !== 'VOTE') return usual_ms;
    if (body.type === 'PROPOSE') this.proposed(message, now_ms);
    else if (body.kind === 'notarize') this.votersOf(view, body.block).add(sender);
    const plot = this.plotOf(view, body.type === 'VOTE' && body.kind === 'skip' ? body.to : view);
    if (plot === undefined) return usual_ms;
    if (plot.scheme === 'by-chance') return this.byChance_ms(to, message, usual_ms);
    if (to === sender) return this.far(); // what it has forgotten, it shall not hear from others
    if (body.type === 'VOTE' && body.kind === 'skip') return this.skip_ms(plot, to, now_ms, usual_ms);
    if (plot.scheme === 'halves') return this.half_ms(plot, to, message, usual_ms);
    if (view > plot.view) return this.after_ms(plot, to, message, usual_ms);
    if (body.type === 'PROPOSE') return usual_ms;
    if (body.kind === 'final') return to === this.loneOf(plot, sender) ? usual_ms : this.far();
    return this.notarize_ms(plot, to, message as Signed<Vote>, now_ms, usual_ms);
  }

  private proposed({ id, view }: Signed, now_ms: number): void {
    const seen = this.blocks.get(view) ?? [];
    this.blocks.set(view, seen.includes(id) ? seen : [...seen, id]);
    const decision = firstView(roundOfView(view), kindOfView(view));
    const last = this.plots.get(decision);
    if (last === undefined || view > last.next + 1) this.plots.set(decision, this.plan(view, now_ms));
  }

  private votersOf(view: number, block: string): Set<number> {
    const key = `${view}/${block}`;
    const voters = this.voters.get(key) ?? new Set();
    this.voters.set(key, voters);
    return voters;
  }

  private plan(view: number, now_ms: number): Plot {
    const { random, n, f } = this;
    const aim = this.aim?.decision === kindOfView(view) ? this.aim : null;
    let scheme = ALL[random.whole(0, ALL.length - 1)];
    if (aim?.kind === 'final') scheme = 'early-quorum';
    else if (aim?.kind === 'skip') scheme = 'late-quorum';
    else if (this.isLiar(this.leaderOf(view)) && random.chance(0.5)) scheme = 'halves';
    // Who has signed FINAL first waits in vain in the view that comes then, and it is the one after which matters.
    const gap = scheme === 'early-quorum' && random.chance(aim ? 0.3 : 0.8) ? 2 : 1;
    const next = Math.min(view + gap, lastView(roundOfView(view), kindOfView(view)));
    // Few in the dark, and a quorum can sign FINAL; many, and it is they who go on.
    const many = random.chance(0.2) ? n - 1 - random.whole(0, f) : random.whole(1, f);
    const dark = new Set([this.leaderOf(next)]);
    for (let more = 1; dark.size < many; more++) dark.add((this.leaderOf(next) + more) % n);
    const everybody = Array.from({ length: n + 1 }, (_, node) => node);
    // Who remembers its SKIP signs no FINAL: it must see the quorum before.
    const sees = (node: number): boolean => scheme !== 'late-quorum' || (aim !== null && !this.victims.has(node));
    const late_ms = this.between(...GIVEN_UP_DELTAS) + (aim?.down_deltas ?? 0) * this.delta_ms;
    return {
      scheme,
      view,
      next,
      dark,
      shown_ms: now_ms + late_ms,
      early: new Set(everybody.filter(sees)),
      until_ms: now_ms + 12 * this.delta_ms,
      lone: null,
    };
  }

  /** The plot for a vote about these views: of its decision, unless they are all before it, or after its end. */
  private plotOf(from: number, to: number): Plot | undefined {
    const plot = this.plots.get(firstView(roundOfView(to), kindOfView(to)));
    return plot && to >= plot.view && from <= plot.next + 1 ? plot : undefined;
  }

  /** The first who has signed it, if it is one of those who may know. */
  private loneOf(plot: Plot, sender: number): number | null {
    if (plot.lone === null && !plot.dark.has(sender) && !this.isLiar(sender)) plot.lone = sender;
    return plot.lone;
  }

  /** All but what would complete a quorum comes at once. */
  private notarize_ms(plot: Plot, to: number, { view, body }: Signed<Vote>, now_ms: number, usual_ms: number): number {
    const voters = this.votersOf(view, body.block).size;
    const quorum = Math.floor((2 * this.n) / 3) + 1;
    if (plot.scheme === 'late-quorum' && voters < quorum - 1) return usual_ms;
    if (plot.dark.has(to)) return this.far();
    return plot.early.has(to) ? usual_ms : Math.max(0, plot.shown_ms - now_ms) + usual_ms;
  }

  /** To those who lead next at once; to those who shall see a quorum first, after that. */
  private skip_ms(plot: Plot, to: number, now_ms: number, usual_ms: number): number {
    if (plot.scheme !== 'late-quorum') return usual_ms;
    if (!plot.dark.has(to)) return Math.max(0, plot.shown_ms + this.delta_ms / 2 - now_ms) + usual_ms;
    return plot.early.size > 0 ? Math.max(0, plot.shown_ms - now_ms) + usual_ms : usual_ms; // who is to hear of it next must be back
  }

  /** The views that follow: nothing comes of those before the next that matters, and of that one the lone node hears late. */
  private after_ms(plot: Plot, to: number, { body, view }: Signed, usual_ms: number): number {
    if (view < plot.next) return body.type === 'PROPOSE' ? this.between(...GIVEN_UP_DELTAS) : this.between(2, 5);
    return to === plot.lone ? this.far() : usual_ms;
  }

  private half_ms(plot: Plot, to: number, { body, view, id }: Signed, usual_ms: number): number {
    if (view > plot.view) return usual_ms;
    const block = body.type === 'VOTE' ? body.block : id;
    const at = this.blocks.get(view)?.indexOf(block) ?? 0;
    const first = this.group(`b${view}`)[to] === 1;
    if (first === (at === 0)) return usual_ms;
    return body.type === 'PROPOSE' ? this.between(1.5, 4) : this.between(2.5, 8);
  }

  /** Whoever asks is told late for as long as a plot is under way. */
  private answer_ms(now_ms: number, usual_ms: number): number {
    const open = [...this.plots.values()].some(({ scheme, until_ms }) => scheme !== 'by-chance' && now_ms < until_ms);
    return open ? this.far() : usual_ms;
  }

  /**
   * Of each view some nodes see the proposal and the NOTARIZE votes at once and the others only about when they give up,
   * the SKIP votes are shown to the others first, and the FINAL votes to one node.
   */
  private byChance_ms(to: number, { body, view, round }: Signed, usual_ms: number): number {
    const favoured = this.group(`${round}/${view}`)[to] === 1;
    if (body.type !== 'VOTE') return favoured ? usual_ms : this.between(1.5, 3.2);
    if (body.kind === 'notarize') return favoured ? usual_ms : this.between(2.5, 4.5);
    if (body.kind === 'skip') return favoured ? this.between(2, 6) : usual_ms;
    return this.group(`f${view}`)[to] && to === view % this.n ? usual_ms : this.between(3, 10);
  }

  private far(): number {
    return this.between(...FAR_DELTAS);
  }

  /** So many Δ, in milliseconds. */
  private between(least: number, most: number): number {
    return this.random.whole(Math.floor(least * this.delta_ms), Math.floor(most * this.delta_ms));
  }

  private group(name: string): Uint8Array {
    let group = this.groups.get(name);
    if (group === undefined) {
      const share = this.random.next();
      group = Uint8Array.from({ length: this.n + 1 }, () => (this.random.chance(share) ? 1 : 0));
      this.groups.set(name, group);
    }
    return group;
  }
}
