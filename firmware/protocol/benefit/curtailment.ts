/**
 * Curtailment: what the orders that must run now are still granted where they cannot all run (protocol README).
 *
 * The fixed rule: those curtailed most often come first, then the tie order of the list. All-or-nothing orders run
 * as long as they fit; sells and buys make room for each other, so what did not fit at first may fit later: the list
 * is gone through again while any does. Divisible ones then share one level of power, the highest that fits, each as far
 * as its connector carries it: what others do at theirs is not its fault. What is held back stays pending and must run in
 * the next round. A plan may serve more than this, when other orders make room.
 *
 * O(m log m) for m forced orders, a few to a connector: going through the list is a search for the next order that fits.
 */
import type { Instance, Side } from './instance.ts';
import { siteEffect_W } from './instance.ts';
import type { Running } from './safety.ts';
import { bounds_W, breach } from './safety.ts';

/** Parts of a divisible order are cut in steps of this size. */
const STEP_W = 100;

/**
 * By index of the order the least it is still granted, W; an order that is not listed runs in full. Empty in all but
 * the worst rounds.
 */
export function curtailment(instance: Instance): ReadonlyMap<number, number> {
  const forced = instance.pending
    .map((order, index) => ({ index, power_W: order.power_W, order }))
    .filter(({ order }) => order.remainingWait_rounds === 0);
  if (breach(instance, forced) === null) return new Map();
  if (forced.some(({ order }) => order.curtailed_rounds > 0))
    forced.sort((a, b) => b.order.curtailed_rounds - a.order.curtailed_rounds || a.index - b.index);
  /** By index of the order. */
  const granted_W = new Float64Array(instance.pending.length);
  const whole = forced.filter(({ order }) => !order.divisible).map(({ index }) => index);
  for (const index of wholeThatFit(instance, whole)) granted_W[index] = instance.pending[index]!.power_W;
  const parts = forced.filter(({ order }) => order.divisible);
  for (const side of ['buy', 'sell'] as const) fillLevel(side);
  const held = forced.filter(({ index, power_W }) => granted_W[index]! < power_W);
  return new Map(held.map(({ index }) => [index, granted_W[index]!]));

  function fillLevel(side: Side): void {
    const sharing = parts.filter(({ order }) => order.side === side);
    if (sharing.length === 0) return;
    const running = (): Running[] => forced.map(({ index }) => ({ index, power_W: granted_W[index]! }));
    const { at, free_W } = connectorsOf(
      instance,
      running(),
      sharing.map(({ order }) => order.node),
      side,
    );
    const set = (level: number): boolean => {
      const left_W = [...free_W];
      for (const [i, { index, order }] of sharing.entries()) {
        const part_W = Math.min(level, order.power_W, left_W[at[i]!]!);
        granted_W[index] = part_W < order.minimum_W ? 0 : part_W;
        left_W[at[i]!]! -= granted_W[index]!;
      }
      return breach(instance, running()) === null;
    };
    let low = 0;
    let high = Math.ceil(sharing.reduce((most, { power_W }) => Math.max(most, power_W), 0) / STEP_W);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (set(middle * STEP_W)) low = middle;
      else high = middle - 1;
    }
    set(low * STEP_W);
  }
}

/**
 * The connectors of these orders' nodes, and of each what it carries in their direction beside what is granted there: nothing beside the
 * other direction. `at`: for each order the place of its connector.
 */
function connectorsOf(
  { pending, limits: { connectors } }: Instance,
  running: readonly Running[],
  nodes: readonly number[],
  side: Side,
): { readonly at: readonly number[]; readonly free_W: readonly number[] } {
  if (connectors.length === 0) return { at: nodes.map(() => 0), free_W: [Number.POSITIVE_INFINITY] };
  const places = new Map([...new Set(nodes)].map((node, place) => [node, place]));
  const rating = side === 'buy' ? 'charge_W' : 'discharge_W';
  const free_W = [...places.keys()].map((node) => connectors[node]?.[rating] ?? 0);
  for (const { index, power_W } of running) {
    const { node, side: direction } = pending[index]!;
    const place = places.get(node);
    if (power_W > 0 && place !== undefined) free_W[place] = direction === side ? free_W[place]! - power_W : 0;
  }
  return { at: nodes.map((node) => places.get(node)!), free_W };
}

/**
 * The all-or-nothing orders that run, found by going through `list` again and again. A buy only uses up import and a
 * sell only export, and each may widen the other's room; so an order fits as long as its need is no more than the
 * room of its side. Its need changes only with what else runs on its connector.
 */
function wholeThatFit(instance: Instance, list: readonly number[]): number[] {
  const { capacity_W, exportLimit_W, safeShares_W, connectors, lostParts } = instance.limits;
  const shared = connectors.length > 0 || safeShares_W.length > 0;
  const idle = bounds_W(instance, []);
  const room = {
    buy: Math.max(capacity_W, idle.import_W) - idle.import_W,
    sell: Math.max(exportLimit_W, idle.export_W) - idle.export_W,
  };
  // What the other side may count on: all that runs, less the lostParts largest.
  const lost = { buy: new Largest(lostParts), sell: new Largest(lostParts) };
  const keys = list.map((index) => (shared ? instance.pending[index]!.node : index));
  /** What runs on a connector so far. */
  const nodes = new Map<number, { charge_W: number; discharge_W: number; injected_W: number }>();
  const siblings = new Map<number, number[]>(); // only a safe share makes a need depend on what else runs there
  if (safeShares_W.length > 0)
    keys.forEach((key, position) => {
      const positions = siblings.get(key);
      if (positions) positions.push(position);
      else siblings.set(key, [position]);
    });
  const need_W = (position: number): number => {
    const { side, power_W } = instance.pending[list[position]!]!;
    if (side === 'sell') return -siteEffect_W(instance, side, power_W);
    const before_W = (nodes.get(keys[position]!)?.charge_W ?? 0) - (safeShares_W[keys[position]!] ?? 0);
    return Math.max(0, before_W + power_W) - Math.max(0, before_W);
  };
  const needsOf = (side: Side): FirstWithin =>
    new FirstWithin(
      list.map((index, i) => (instance.pending[index]!.side === side ? need_W(i) : Number.POSITIVE_INFINITY)),
    );
  const needs = { buy: needsOf('buy'), sell: needsOf('sell') };
  const chosen: number[] = [];
  let fitted = 0; // in this pass
  for (let from = 0; ; ) {
    const position = Math.min(needs.buy.next(from, room.buy), needs.sell.next(from, room.sell));
    if (position >= list.length) {
      if (fitted === 0) return chosen;
      fitted = 0;
      from = 0;
      continue;
    }
    from = position + 1;
    const { side, power_W } = instance.pending[list[position]!]!;
    const key = keys[position]!;
    const node = nodes.get(key) ?? { charge_W: 0, discharge_W: 0, injected_W: 0 };
    needs[side].set(position, Number.POSITIVE_INFINITY); // it runs, or its connector never has room for it again
    const charge_W = node.charge_W + (side === 'buy' ? power_W : 0);
    const discharge_W = node.discharge_W + (side === 'sell' ? power_W : 0);
    if (
      connectors.length > 0 &&
      ((charge_W > 0 && discharge_W > 0) ||
        charge_W > (connectors[key]?.charge_W ?? 0) ||
        discharge_W > (connectors[key]?.discharge_W ?? 0))
    )
      continue;
    const effect_W = Math.abs(siteEffect_W(instance, side, power_W));
    const injected_W = node.injected_W + (side === 'sell' ? effect_W : 0);
    room[side] -= need_W(position);
    nodes.set(key, { charge_W, discharge_W, injected_W });
    const other = side === 'buy' ? 'sell' : 'buy';
    room[other] += effect_W - lost[side].grow(key, side === 'buy' ? charge_W : injected_W);
    if (side === 'buy')
      for (const sibling of siblings.get(key) ?? [])
        if (needs.buy.at(sibling) !== Number.POSITIVE_INFINITY) needs.buy.set(sibling, need_W(sibling));
    chosen.push(list[position]!);
    fitted++;
  }
}

/** Values by position; finds the first position that is within a limit. A tree of minima: O(log n) each. */
class FirstWithin {
  readonly #size: number; // a power of two
  readonly #least: Float64Array;

  constructor(values: readonly number[]) {
    let size = 2;
    while (size < values.length) size *= 2;
    this.#size = size;
    this.#least = new Float64Array(2 * this.#size).fill(Number.POSITIVE_INFINITY);
    this.#least.set(values, this.#size);
    for (let i = this.#size - 1; i > 0; i--) this.#least[i] = Math.min(this.#least[2 * i]!, this.#least[2 * i + 1]!);
  }

  at(position: number): number {
    return this.#least[this.#size + position]!;
  }

  set(position: number, value: number): void {
    let i = this.#size + position;
    this.#least[i] = value;
    while (i > 1) {
      i >>= 1;
      this.#least[i] = Math.min(this.#least[2 * i]!, this.#least[2 * i + 1]!);
    }
  }

  /** The first position from `from` on whose value is at most `limit`; infinity when there is none. */
  next(from: number, limit: number): number {
    if (from >= this.#size) return Number.POSITIVE_INFINITY;
    let i = this.#size + from;
    while (this.#least[i]! > limit) {
      while (i & 1) i >>= 1; // a right child, or the root: its parent is done too
      if (i === 0) return Number.POSITIVE_INFINITY;
      i++;
    }
    while (i < this.#size) i = this.#least[2 * i]! <= limit ? 2 * i : 2 * i + 1;
    return i - this.#size;
  }
}

/** The sum of the `count` largest of values that only grow. A heap of those chosen, the least on top: O(log n) each. */
class Largest {
  readonly #count: number;
  readonly #chosen = new Map<number, number>();
  readonly #heap: { readonly key: number; readonly value: number }[] = []; // outdated entries are dropped when met

  constructor(count: number) {
    this.#count = count;
  }

  /** By how much the sum grows when the value of `key` has grown to `value`. */
  grow(key: number, value: number): number {
    if (this.#count === 0) return 0;
    const before = this.#chosen.get(key);
    let replaced = before ?? 0;
    if (before === undefined && this.#chosen.size === this.#count) {
      while (this.#chosen.get(this.#heap[0]!.key) !== this.#heap[0]!.value) this.#pop();
      const least = this.#heap[0]!;
      if (least.value >= value) return 0;
      this.#pop();
      this.#chosen.delete(least.key);
      replaced = least.value;
    }
    this.#chosen.set(key, value);
    this.#push({ key, value });
    return value - replaced;
  }

  #push(entry: { readonly key: number; readonly value: number }): void {
    const heap = this.#heap;
    let i = heap.length;
    for (; i > 0 && heap[(i - 1) >> 1]!.value > entry.value; i = (i - 1) >> 1) heap[i] = heap[(i - 1) >> 1]!;
    heap[i] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (let child = 1; child < heap.length; child = 2 * i + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.value < heap[child]!.value) child++;
      if (heap[child]!.value >= last.value) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}
