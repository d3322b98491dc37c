/**
 * The default solver. It finds plans; whether a plan is valid and what it is worth is decided by the benefit.
 * Four rules with one interface: `once`, `eq11` (the paper), `spread` and `plan` (ours).
 */
import type { Instance, PlanAhead } from '../protocol/benefit/instance.ts';
import { assign } from './assign.ts';
import { chooseExact, chooseGreedy } from './choose.ts';
import { improve } from './improve.ts';
import { smoothestPath } from './path.ts';

export const RULES = ['plan', 'eq11', 'spread', 'once'] as const;
export type Rule = (typeof RULES)[number];

export interface SolveOptions {
  /** True when it is time to answer. Asked often; the best plan so far is returned. */
  readonly deadline?: () => boolean;
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
      return plan(instance, options.deadline ?? (() => false));
  }
}

/** The smoothest path that keeps a reserve, followed as closely as all-or-nothing orders can. */
function plan(instance: Instance, deadline: () => boolean): PlanAhead {
  const later = instance.load_W.length > 1;
  const first = assign(instance, smoothestPath(instance), chooseGreedy, (items, need_W) =>
    chooseExact(items, need_W, later),
  );
  return improve(instance, first, deadline);
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

/** Each order evenly over its wait. An all-or-nothing order runs once its side's evenly spread power has added up to it. */
function spread(instance: Instance): PlanAhead {
  const path = instance.load_W.map(() => 0);
  return assign(instance, path, (items) => {
    const due = { buy: 0, sell: 0 };
    return [...items]
      .sort((a, b) => a.due - b.due)
      .filter(({ effect_W, due: wait }) => {
        const side = effect_W > 0 ? 'buy' : 'sell';
        due[side] += Math.abs(effect_W) / (wait + 1);
        if (due[side] < Math.abs(effect_W) / 2) return false;
        due[side] -= Math.abs(effect_W);
        return true;
      });
  });
}
