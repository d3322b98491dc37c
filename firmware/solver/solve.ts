/**
 * The default solver. It finds plans; whether a plan is valid and what it is worth is decided by the benefit.
 * Four rules with one interface: `once`, `eq11` (the paper), `spread` and `plan` (ours).
 */
import { bindingRound } from '../protocol/benefit/feasible.ts';
import type { Instance, PendingOrder, PlanAhead } from '../protocol/benefit/instance.ts';
import { breach } from '../protocol/benefit/safety.ts';
import { assign, itemsOf } from './assign.ts';
import { chooseExact, chooseGreedy } from './choose.ts';
import { improve } from './improve.ts';
import { smoothestPath } from './path.ts';

export const RULES = ['plan', 'eq11', 'spread', 'once'] as const;
export type Rule = (typeof RULES)[number];

export interface SolveOptions {
  /** True when it is time to answer. Asked often; the best plan so far is returned. */
  readonly deadline?: () => boolean;
  /** So many times as many plans as usual are looked at: how far from its end the search stops (test/experiment/search-effort.ts). */
  readonly effort?: number;
}

/** A feasible plan; the same for the same instance as long as the deadline does not strike. */
export function solve(instance: Instance, rule: Rule = 'plan', options: SolveOptions = {}): PlanAhead {
  switch (rule) {
    case 'once':
      return once(instance);
    case 'eq11':
      return eq11(instance);
    case 'spread':
      return spread(instance);
    case 'plan':
      return plan(instance, options.deadline ?? (() => false), options.effort ?? 1);
  }
}

/** The smoothest path that keeps a reserve, followed as closely as whole orders can, and improved by the benefit itself. */
function plan(instance: Instance, deadline: () => boolean, effort: number): PlanAhead {
  const later = instance.load_W.length > 1;
  const first = assign(instance, smoothestPath(instance), chooseGreedy, (items, need_W) =>
    chooseExact(items, need_W, later),
  );
  return improve(instance, first, deadline, effort);
}

/** Everything at once: what happens without the trade. */
function once(instance: Instance): PlanAhead {
  const all = instance.load_W.map(() => 0);
  return assign(instance, all, (items) => items);
}

/** Eq. 11 as resolved by M11: the power of this round that makes its slope the mean slope of the window. */
function eq11(instance: Instance): PlanAhead {
  const { theta_W, load_W, slotsPerDay } = instance;
  const before = theta_W.at(-1);
  const window = theta_W.slice(-slotsPerDay);
  const mean = before === undefined || window.length < 2 ? 0 : (before - window[0]!) / (window.length - 1);
  const path = load_W.map(() => 0);
  path[0] = before === undefined ? 0 : before + mean - load_W[0]!;
  return assign(instance, path, chooseGreedy);
}

/**
 * Each order evenly over its wait: a divisible one in parts, as many as its connector can deliver. A whole one runs
 * once its side's evenly spread power has added up to it.
 */
function spread(instance: Instance): PlanAhead {
  const { pending } = instance;
  const whole = assign(
    instance,
    instance.load_W.map(() => 0),
    (items) => {
      const due = { buy: 0, sell: 0 };
      return items
        .filter(({ index }) => !pending[index]!.divisible)
        .sort((a, b) => a.due - b.due)
        .filter(({ effect_W, due: wait }) => {
          const side = effect_W > 0 ? 'buy' : 'sell';
          due[side] += Math.abs(effect_W) / (wait + 1);
          if (due[side] < Math.abs(effect_W) / 2) return false;
          due[side] -= Math.abs(effect_W);
          return true;
        });
    },
  );
  const divisible = itemsOf(instance)
    .filter(({ index, due }) => pending[index]!.divisible && due > 0)
    .sort((a, b) => a.due - b.due || a.index - b.index);
  const inParts = (count: number): PlanAhead => {
    const orders = [...whole.orders];
    for (const { index } of divisible.slice(0, count)) orders[index] = evenParts_W(pending[index]!);
    return { ...whole, orders };
  };
  let [low, high] = [0, divisible.length]; // as many as are safe; the others wait
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (breach(instance, bindingRound(instance, inParts(middle))) === null) low = middle;
    else high = middle - 1;
  }
  return inParts(low);
}

/** What the order gets after 0, 1, .. rounds: equal parts down to a watt, none less than the least one. */
function evenParts_W({ power_W, minimum_W, remainingWait_rounds }: PendingOrder): number[] {
  const count = Math.max(1, Math.min(remainingWait_rounds + 1, Math.floor(power_W / Math.max(1, minimum_W))));
  return Array.from({ length: remainingWait_rounds + 1 }, (_, k) =>
    k < count ? Math.floor(power_W / count) + +(k < power_W % count) : 0,
  );
}
