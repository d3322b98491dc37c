/**
 * The subset problem: from all-or-nothing orders, a set whose effects sum close to what is needed. Running a buy
 * and a sell together cancels and wastes the freedom of both, and an order that may wait longer is worth more
 * later, so a set costs gap^2 + the freedom it spends.
 */
import type { Item } from './assign.ts';

/** Takes the orders of the needed side by cap, then size, wherever one brings the sum closer. */
export function chooseGreedy(items: readonly Item[], need_W: number): Item[] {
  const side = Math.sign(need_W);
  const chosen: Item[] = [];
  let left = need_W;
  const sorted = items
    .filter(({ effect_W }) => Math.sign(effect_W) === side)
    .sort((a, b) => a.due - b.due || Math.abs(b.effect_W) - Math.abs(a.effect_W) || a.index - b.index);
  for (const item of sorted)
    if (Math.abs(left - item.effect_W) < Math.abs(left)) {
      chosen.push(item);
      left -= item.effect_W;
    }
  return chosen;
}

/** What running one kW a round before it must costs, as kW of gap: measured on generated days, flat from 0.03 to 1. */
const FREEDOM_PRICE_kW = 0.1;

/** A contact that need not close is preferred among sets that are otherwise alike: 30 W of gap squared. */
const SWITCH_PRICE_kW2 = 0.001;

/** Orders that the exact search considers; of more, the greedy choice settles the rest. */
const MAX_EXACT = 90;
/** Steps of the sum that the search tells apart: 10 W for a few orders, coarser for many. */
const MAX_SUMS = 6000;
const LEAST_STEP_W = 10;

/** The best set by dynamic programming over the sum. `freedom` false: only the gap counts, there is no later round. */
export function chooseExact(items: readonly Item[], need_W: number, freedom = true): Item[] {
  let fixed: Item[] = [];
  let open = [...items].sort(
    (a, b) => a.due - b.due || Math.abs(b.effect_W) - Math.abs(a.effect_W) || a.index - b.index,
  );
  let need = need_W;
  if (open.length > MAX_EXACT) {
    // Settle by caps what is surely needed, and leave the search the orders nearest to the margin.
    const greedy = chooseGreedy(open, need_W);
    fixed = greedy.slice(0, Math.max(0, greedy.length - MAX_EXACT / 3));
    const taken = new Set(fixed);
    need -= fixed.reduce((sum, { effect_W }) => sum + effect_W, 0);
    open = open.filter((item) => !taken.has(item));
    const side = Math.sign(need_W);
    const same = open.filter(({ effect_W }) => Math.sign(effect_W) === side).slice(0, (MAX_EXACT * 2) / 3);
    const other = open.filter(({ effect_W }) => Math.sign(effect_W) !== side).slice(0, MAX_EXACT / 3);
    open = [...same, ...other];
  }
  const range_W = open.reduce((sum, { effect_W }) => sum + Math.abs(effect_W), 0);
  const step_W = Math.max(LEAST_STEP_W, range_W / MAX_SUMS);
  let low = 0;
  let high = 0;
  for (const { effect_W } of open) {
    if (effect_W < 0) low += effect_W;
    else high += effect_W;
  }
  // One set a step of the sum: its cost and its exact sum, so that rounding does not add up.
  const origin = Math.ceil(-low / step_W) + 1;
  const width = origin + Math.ceil(high / step_W) + 2;
  const cost = new Float64Array(width).fill(Number.POSITIVE_INFINITY);
  const sums_W = new Float64Array(width);
  cost[origin] = 0;
  const from = open.map(() => new Int32Array(width)); // where the set without the order stood, plus one
  open.forEach((item, i) => {
    const spent = (freedom ? FREEDOM_PRICE_kW : 0) * Math.abs(item.effect_W / 1000) * Math.min(2, item.due);
    const price = spent + (item.switches ? SWITCH_PRICE_kW2 : 0);
    const parents = from[i]!;
    const down = item.effect_W > 0; // against the item's direction, so that no order is counted twice
    for (let n = 0; n < width; n++) {
      const at = down ? width - 1 - n : n;
      if (cost[at] === Number.POSITIVE_INFINITY) continue;
      const sum_W = sums_W[at]! + item.effect_W;
      const to = origin + Math.round(sum_W / step_W);
      if (to === at || cost[at]! + price >= cost[to]!) continue;
      cost[to] = cost[at]! + price;
      sums_W[to] = sum_W;
      parents[to] = at + 1;
    }
  });
  let best = origin;
  let bestCost = Number.POSITIVE_INFINITY;
  for (let at = 0; at < width; at++) {
    const gap_kW = (sums_W[at]! - need) / 1000;
    const total = cost[at]! + gap_kW * gap_kW;
    if (total < bestCost) {
      bestCost = total;
      best = at;
    }
  }
  const chosen: Item[] = [];
  for (let i = open.length - 1; i >= 0; i--)
    if (from[i]![best]! > 0) {
      chosen.push(open[i]!);
      best = from[i]![best]! - 1;
    }
  return [...fixed, ...chosen];
}
