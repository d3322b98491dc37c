/**
 * Improves a plan by the benefit itself until nothing helps or time is up. Two moves: all plans of a few whole orders
 * at once, the others as they are (where few orders wait, that is every plan there is); and a part of a divisible
 * order to another round, as much of it as helps most. Valid at every moment.
 */
import { bindingRound } from '../protocol/benefit/feasible.ts';
import type { Instance, PlanAhead } from '../protocol/benefit/instance.ts';
import { siteEffect_W } from '../protocol/benefit/instance.ts';
import { bounds_W, breach } from '../protocol/benefit/safety.ts';
import { planNet_W } from '../protocol/benefit/theta.ts';
import { valuation } from './valuation.ts';

/** Up to so many plans are all looked at: exact where few orders wait. */
const MAX_PLANS = 60_000;
/** Of more orders, as many at once as keep a pass over all of them within so many plans. */
const PLANS_A_PASS = 40_000;
/** Passes in a row, each over other groups of orders, that bring nothing before the search ends. */
const IDLE_PASSES = 6;
/** Plans of fewer orders than this are looked at without asking for the time: some 700, a tenth of a millisecond. */
const UNASKED = 7;
/** A gain below this share of the value is nothing. */
const WORTH = 1e-6;

export function improve(instance: Instance, plan: PlanAhead, deadline: () => boolean, effort = 1): PlanAhead {
  const draft = new Draft(instance, plan, deadline, effort);
  draft.search();
  return draft.plan;
}

class Draft {
  value: number;
  readonly #instance: Instance;
  readonly #plan: PlanAhead;
  readonly #orders: (number | number[])[];
  /** Of the plan, by round. */
  readonly #net_W: number[];
  /** What a whole order adds to the site. */
  readonly #effect_W: readonly number[];
  /** The value of the rounds that orders move in, and of the others. */
  readonly #valued: () => number;
  /** Whole orders whose contact has to close for them, and how many of these run now. */
  readonly #closes: readonly boolean[];
  #closings = 0;
  readonly #mostNet_W: number;
  readonly #leastNet_W: number;

  /** So many times as many plans as usual are looked at. */
  readonly #effort: number;
  /** Time is up. */
  readonly #late: () => boolean;

  constructor(instance: Instance, plan: PlanAhead, deadline: () => boolean, effort: number) {
    this.#effort = effort;
    const { pending, load_W, loadBetween_W, limits } = instance;
    this.#instance = instance;
    this.#plan = plan;
    this.#late = deadline;
    this.#orders = plan.orders.map((planned) => (typeof planned === 'number' ? planned : [...planned]));
    this.#net_W = planNet_W(instance, plan);
    this.#effect_W = pending.map(({ side, power_W }) => siteEffect_W(instance, side, power_W));
    this.#closes = pending.map(
      ({ node, side }) => (instance.directions[node] ?? 'idle') !== (side === 'buy' ? 'charge' : 'discharge'),
    );
    const value = valuation(instance);
    const longest = pending.reduce((most, { remainingWait_rounds }) => Math.max(most, remainingWait_rounds), 0);
    const until = Math.min(load_W.length, longest + 2); // the slope after the last round that an order moves in
    const rest = value(this.#net_W, load_W.length) - value(this.#net_W, until);
    this.#valued = () => value(this.#net_W, until) + rest;
    this.value = this.#valued();
    const idle = bounds_W(instance, []);
    this.#mostNet_W = Math.max(limits.capacity_W, idle.import_W) - loadBetween_W.most_W;
    this.#leastNet_W = -loadBetween_W.least_W - Math.max(limits.exportLimit_W, idle.export_W);
  }

  get plan(): PlanAhead {
    return { ...this.#plan, orders: this.#orders };
  }

  search(): void {
    const { pending } = this.#instance;
    const free = pending.flatMap(({ remainingWait_rounds }, index) => (remainingWait_rounds > 0 ? [index] : []));
    this.#searchWhole(free); // divisible orders too: parts can only gain on the best whole plan
    const divisible = free.filter((index) => pending[index]!.divisible);
    if (divisible.length === 0) return;
    const whole = free.filter((index) => !pending[index]!.divisible);
    for (const index of divisible) this.#split(index);
    for (;;) {
      const before = this.value;
      for (const index of divisible) {
        if (this.#late()) return;
        this.#moveParts(index);
      }
      this.#searchWhole(whole);
      if (this.#late() || before - this.value <= WORTH * before) return;
    }
  }

  /** States a divisible order in parts. */
  #split(index: number): void {
    const wait = this.#orders[index]!;
    if (typeof wait !== 'number') return;
    const { power_W, remainingWait_rounds } = this.#instance.pending[index]!;
    this.#orders[index] = Array.from({ length: remainingWait_rounds + 1 }, (_, k) => (k === wait ? power_W : 0));
  }

  /** Orders that are alike change places where that spares a contact. */
  #spareContacts(whole: readonly number[]): void {
    const later = whole.filter((index) => (this.#orders[index] as number) > 0 && !this.#closes[index]);
    for (const now of whole) {
      if (this.#orders[now] !== 0 || !this.#closes[now]) continue;
      const at = later.findIndex(
        (index) =>
          this.#effect_W[index] === this.#effect_W[now] &&
          (this.#orders[index] as number) <= this.#instance.pending[now]!.remainingWait_rounds,
      );
      if (at < 0) continue;
      const other = later[at]!;
      const wait = this.#orders[other] as number;
      this.#put(now, wait);
      this.#put(other, 0);
      if (this.#safe()) later.splice(at, 1);
      else {
        this.#put(other, wait);
        this.#put(now, 0);
      }
    }
  }

  #searchWhole(whole: readonly number[]): void {
    const choices = whole.map((index) => this.#instance.pending[index]!.remainingWait_rounds + 1);
    const plans = choices.reduce((product, waits) => product * waits, 1);
    if (plans <= MAX_PLANS * this.#effort) {
      this.#tryAll(whole);
      return;
    }
    // A pass over groups of d orders with w waits each looks at (n / d) w^d plans: the largest d within the bound.
    const waits = choices.reduce((sum, one) => sum + one, 0) / whole.length;
    let size = 2;
    while ((whole.length / (size + 1)) * waits ** (size + 1) <= PLANS_A_PASS * this.#effort) size++;
    const shuffled = new Shuffled(whole);
    for (let idle = 0, odd = false; idle < IDLE_PASSES; odd = !odd) {
      const before = this.value;
      const pass = odd ? this.#byConnector(shuffled.next()) : shuffled.next();
      for (let at = 0; at < pass.length; at += size) {
        if (this.#late()) return;
        this.#tryAll(pass.slice(at, at + size));
      }
      idle = before - this.value <= WORTH * before ? idle + 1 : 0;
    }
    this.#spareContacts(whole);
  }

  /** Orders of one connector next to each other: one can take another's place only when both are looked at at once. */
  #byConnector(pass: readonly number[]): readonly number[] {
    const { pending, limits } = this.#instance;
    if (limits.connectors.length === 0) return pass;
    const byNode = new Map<number, number[]>();
    for (const index of pass) {
      const { node } = pending[index]!;
      const list = byNode.get(node);
      if (list) list.push(index);
      else byNode.set(node, [index]);
    }
    return [...byNode.values()].flat();
  }

  #put(index: number, wait: number): void {
    const net = this.#net_W;
    const before = this.#orders[index] as number;
    if (before < net.length) net[before]! -= this.#effect_W[index]!;
    if (wait < net.length) net[wait]! += this.#effect_W[index]!;
    if (this.#closes[index]) this.#closings += +(wait === 0) - +(before === 0);
    this.#orders[index] = wait;
  }

  #safe(): boolean {
    const now_W = this.#net_W[0]!;
    if (now_W > this.#mostNet_W || now_W < this.#leastNet_W) return false; // necessary, and cheap
    return breach(this.#instance, bindingRound(this.#instance, this.plan)) === null;
  }

  /** All plans of these orders, the others as they are; leaves the best. */
  #tryAll(group: readonly number[]): void {
    const orders = this.#orders;
    let kept = group.map((index) => orders[index] as number);
    let closings = this.#closings;
    const visit = (at: number): void => {
      if (at === group.length) {
        const now = this.#valued();
        const better = now < this.value || (now === this.value && this.#closings < closings);
        if (!better || !this.#safe()) return;
        this.value = now;
        closings = this.#closings;
        kept = group.map((index) => orders[index] as number);
        return;
      }
      if (group.length - at >= UNASKED && this.#late()) return;
      const index = group[at]!;
      for (let wait = 0; wait <= this.#instance.pending[index]!.remainingWait_rounds; wait++) {
        this.#put(index, wait);
        visit(at + 1);
      }
    };
    visit(0);
    group.forEach((index, i) => {
      this.#put(index, kept[i]!);
    });
  }

  /** For a divisible order, from each round to each other one, the part whose move helps most. */
  #moveParts(index: number): void {
    const parts = this.#orders[index] as number[];
    const { power_W, minimum_W } = this.#instance.pending[index]!;
    const least_W = Math.max(1, Math.min(minimum_W, power_W));
    for (let from = 0; from < parts.length; from++)
      for (let to = 0; to < parts.length; to++) {
        const all_W = parts[from]!;
        if (from === to || all_W === 0) continue;
        // What stays and what comes to stand there is nothing, or what the connector can deliver.
        const low_W = Math.max(1, least_W - parts[to]!);
        const high_W = all_W - least_W;
        if (low_W <= high_W) this.#tryPart(index, from, to, this.#bestPart_W(index, from, to, low_W, high_W));
        if (parts[from] === all_W && all_W >= low_W) this.#tryPart(index, from, to, all_W);
      }
  }

  /** Between `low_W` and `high_W`, the part with the least value: the value is convex, and so is what safety allows. */
  #bestPart_W(index: number, from: number, to: number, low_W: number, high_W: number): number {
    const at = (part_W: number, ask: () => number | boolean): number => {
      this.#putPart(index, from, to, part_W);
      const answer = ask();
      this.#putPart(index, to, from, part_W);
      return Number(answer);
    };
    let [low, high] = [low_W, high_W];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at(middle, this.#valued) <= at(middle + 1, this.#valued)) high = middle;
      else low = middle + 1;
    }
    if ((from > 0 && to > 0) || at(low, () => this.#safe())) return low;
    [low, high] = [low_W, low];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (at(middle, () => this.#safe())) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #tryPart(index: number, from: number, to: number, part_W: number): void {
    this.#putPart(index, from, to, part_W);
    const now = this.#valued();
    if (now < this.value && ((from > 0 && to > 0) || this.#safe())) this.value = now;
    else this.#putPart(index, to, from, part_W);
  }

  #putPart(index: number, from: number, to: number, part_W: number): void {
    const { side } = this.#instance.pending[index]!;
    const parts = this.#orders[index] as number[];
    for (const [k, power_W] of [
      [from, parts[from]! - part_W],
      [to, parts[to]! + part_W],
    ] as const) {
      if (k < this.#net_W.length)
        this.#net_W[k]! += siteEffect_W(this.#instance, side, power_W) - siteEffect_W(this.#instance, side, parts[k]!);
      parts[k] = power_W;
    }
  }
}

/** Lists in ever new orders, the same ones every time. */
class Shuffled {
  readonly #list: number[];
  #state = 1;

  constructor(list: readonly number[]) {
    this.#list = [...list];
  }

  next(): readonly number[] {
    const list = this.#list;
    for (let i = list.length - 1; i > 0; i--) {
      this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
      const j = Math.floor((this.#state / 4_294_967_296) * (i + 1));
      [list[i], list[j]] = [list[j]!, list[i]!];
    }
    return list;
  }
}
