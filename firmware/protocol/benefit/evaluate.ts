/**
 * GetBenefit: what a plan is worth. Recomputed by every validator from the SEAL's instance; whole numbers only.
 */
import { bindingRound } from './feasible.ts';
import type { Direction, Instance, PlanAhead } from './instance.ts';
import { lambda } from './lambda.ts';
import { pfInt, window_W } from './power-fluctuation.ts';
import { reserveCost } from './reserve.ts';
import { planNet_W } from './theta.ts';

export interface Benefit {
  /** Theta of the plan, k = 0..H-1. */
  readonly theta_W: readonly number[];
  /** Net EV power of the round that binds. */
  readonly net_W: number;
  /** The plan's PFint with its reserve: W * (sum l^2 + reserve) - (sum l)^2. What lambda and the rank are made of. */
  readonly pfInt: bigint;
  /** The reserve that the plan lacks, W^2. */
  readonly reserve: bigint;
  /** Slopes in the window of pfInt. */
  readonly slopes: number;
  readonly lambda: bigint;
  /** Contacts that have to close in the round that binds. */
  readonly operations: number;
}

/** The plan must be feasible (`refusal` returned null). */
export function evaluate(instance: Instance, plan: PlanAhead): Benefit {
  const net_W = planNet_W(instance, plan);
  const theta_W = net_W.map((net, k) => net + instance.load_W[k]!);
  const window = window_W(instance.theta_W, theta_W, instance.slotsPerDay);
  const reserve = reserveCost(instance, net_W);
  const fluctuation = pfInt(window) + BigInt(window.length) * reserve;
  return {
    theta_W,
    net_W: net_W[0]!,
    pfInt: fluctuation,
    reserve,
    slopes: window.length,
    lambda: lambda(fluctuation, window.length),
    operations: operations(instance, plan),
  };
}

/** Nodes whose contact closes in a direction that was open in the round before. */
function operations(instance: Instance, plan: PlanAhead): number {
  const directions = new Map<number, Direction>();
  for (const { index } of bindingRound(instance, plan)) {
    const order = instance.pending[index]!;
    directions.set(order.node, order.side === 'buy' ? 'charge' : 'discharge');
  }
  return [...directions].filter(([node, direction]) => (instance.directions[node] ?? 'idle') !== direction).length;
}
