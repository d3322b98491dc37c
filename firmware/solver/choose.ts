/**
 * The subset problem: from all-or-nothing orders, a set whose effects sum close to what is needed. Running a buy
 * and a sell together cancels and wastes the freedom of both, and an order that may wait longer is worth more
 * later, so a set costs gap^2 + the freedom it spends.
 */
import type { Item } from './assign.ts';

const P = ((globalThis as any).P ??= {});

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

/** Orders that the exact search considers; of more, the greedy choice settles the rest. */
const MAX_EXACT = 90;
const STEP_W = 500;

/** The best set by dynamic programming over the sum, in steps of half a kilowatt. */
export function chooseExact(items: readonly Item[], need_W: number): Item[] {
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
  let low = 0;
  let high = 0;
  const steps = open.map(({ effect_W }) => Math.round(effect_W / STEP_W));
  for (const step of steps) {
    if (step < 0) low += step;
    else high += step;
  }
  const width = high - low + 1;
  let cost = new Float64Array(width).fill(Number.POSITIVE_INFINITY);
  cost[-low] = 0;
  const take = open.map(() => new Uint8Array(width));
  open.forEach((item, i) => {
    const step = steps[i]!;
    const price = (P.alpha ?? 0.1) * Math.abs(item.effect_W / 1000) * (P.due ?? [0, 1, 2])[Math.min(2, item.due)]!;
    const next = cost.slice();
    const chosen = take[i]!;
    for (let sum = Math.max(0, -step), end = Math.min(width, width - step); sum < end; sum++) {
      const with_ = cost[sum]! + price;
      if (with_ < next[sum + step]!) {
        next[sum + step] = with_;
        chosen[sum + step] = 1;
      }
    }
    cost = next;
  });
  let best = 0;
  let bestCost = Number.POSITIVE_INFINITY;
  for (let sum = 0; sum < width; sum++) {
    const gap = ((sum + low) * STEP_W - need) / 1000;
    const total = cost[sum]! + gap * gap;
    if (total < bestCost) {
      bestCost = total;
      best = sum;
    }
  }
  const chosen: Item[] = [];
  for (let i = open.length - 1; i >= 0; i--)
    if (take[i]![best] === 1) {
      chosen.push(open[i]!);
      best -= steps[i]!;
    }
  return [...fixed, ...chosen];
}
