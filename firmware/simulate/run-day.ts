/**
 * Plays a day causally. `Day` holds the future back: a round's orders are handed out when the round begins and
 * its load when the round is over, and nothing else of the scenario reaches the solver. Each round goes the way
 * of a controller: pose the instance, solve, check the plan, run what binds.
 */

import { evaluate } from '../protocol/benefit/evaluate.ts';
import { bindingRound, refusal } from '../protocol/benefit/feasible.ts';
import type { Instance, PendingOrder, PlanAhead } from '../protocol/benefit/instance.ts';
import { siteEffect_W } from '../protocol/benefit/instance.ts';
import type { Facts, RoundRecord } from '../protocol/benefit/pose.ts';
import { poseInstance } from '../protocol/benefit/pose.ts';
import type { Rule } from '../solver/solve.ts';
import { solve } from '../solver/solve.ts';
import type { Scenario } from './scenario.ts';

export interface Executed {
  readonly id: string;
  readonly round: number;
}

/**
 * Why a round went over capacity: its load alone did; or the orders that had to run, by the forecast of the decision
 * already; or the decision kept within it and the load came out higher than its forecast.
 */
export type OverCause = 'load' | 'forced' | 'surprise';

export interface DayResult {
  readonly executed: readonly Executed[];
  readonly theta_W: readonly number[];
  /** The instance and plan's benefit of each round as it was decided. */
  readonly lambda: readonly bigint[];
  /** The rounds over capacity, each with its cause. */
  readonly over: readonly { readonly round: number; readonly cause: OverCause }[];
  readonly waits: readonly number[];
}

export interface RunOptions {
  readonly rule: Rule;
  /** H; half a day, at most 48 rounds, unless stated. */
  readonly lookAhead_rounds?: number;
  readonly onRound?: (round: number) => void;
  /** In place of the default solver. */
  readonly solver?: (instance: Instance, rule: Rule) => PlanAhead;
}

/** Half a day, at most 48 rounds: more than that a site with many vehicles does not gain from (solver/README.md). */
export function defaultLookAhead(roundTime_s: number): number {
  return Math.max(1, Math.min(48, Math.floor(43_200 / roundTime_s)));
}

/** Days of the past that a problem is posed from (protocol/benefit/pose.ts). */
const PAST_DAYS = 8;

/** Throws Error when the solver's plan is refused: that is a bug, not a property of the day. */
export function runDay(scenario: Scenario, options: RunOptions): DayResult {
  const { rounds, round_time_s: roundTime_s, max_wait_rounds: maxWait } = scenario;
  const solver = options.solver ?? solve;
  const first = scenario.history.length * rounds;
  const known = scenario.history.slice(-PAST_DAYS);
  const past: RoundRecord[] = known.flatMap((day, d) =>
    day.load_w.map((load_W, slot) => ({
      round: first - (known.length - d) * rounds + slot,
      load_W,
      buy_W: day.buy_w[slot]!,
      sell_W: day.sell_w[slot]!,
    })),
  );
  const byRound = Array.from({ length: rounds }, () => [] as Scenario['orders']);
  for (const order of scenario.orders) byRound[order.round]!.push(order);

  let pending: { order: Scenario['orders'][number]; serial: number }[] = [];
  let serial = 0;
  const executed: Executed[] = [];
  const theta_W: number[] = [];
  const lambda: bigint[] = [];
  const over: { round: number; cause: OverCause }[] = [];
  const waits: number[] = [];
  const margin_W = loadMargin_W(scenario);
  const lookAhead = options.lookAhead_rounds ?? defaultLookAhead(roundTime_s);
  for (let round = 0; round < rounds; round++) {
    const arrived = byRound[round]!;
    for (const order of arrived) pending.push({ order, serial: serial++ });
    const sum = (side: 'buy' | 'sell'): number =>
      arrived.reduce((total, order) => total + (order.side === side ? order.power_w : 0), 0);
    const left = rounds - 1 - round;
    const facts: Facts = {
      round: first + round,
      roundTime_s,
      lookAhead_rounds: Math.min(lookAhead, left + 1),
      maxWait_rounds: maxWait,
      closes: left + 1 <= lookAhead,
      chargingEfficiency_ppm: scenario.charging_efficiency_ppm,
      dischargingEfficiency_ppm: scenario.discharging_efficiency_ppm,
      limits: {
        capacity_W: scenario.capacity_w,
        exportLimit_W: scenario.export_limit_w ?? Number.MAX_SAFE_INTEGER,
        margin_W,
        safeShares_W: [],
        lostParts: 0,
        connectors: [],
      },
      history: past,
      arrived: { buy_W: sum('buy'), sell_W: sum('sell') },
      pending: pending.map(({ order, serial: node }) => ({
        id: order.id,
        node,
        side: order.side,
        power_W: order.power_w,
        remainingWait_rounds: Math.min(order.round + maxWait - round, left),
        curtailed_rounds: 0,
        divisible: false,
        minimum_W: 0,
      })) satisfies PendingOrder[],
      directions: [],
    };
    const instance = poseInstance(facts);
    const plan = solver(instance, options.rule);
    const refused = refusal(instance, plan);
    if (refused) throw new Error(`round ${round}: the plan was refused: ${refused.code}: ${refused.detail}`);
    lambda.push(evaluate(instance, plan).lambda);
    const running = new Set(bindingRound(instance, plan).map(({ index }) => index));
    // The scenario's rules know no curtailment: an order at its cap runs, whatever the capacity.
    instance.pending.forEach((order, i) => {
      if (order.remainingWait_rounds === 0) running.add(i);
    });
    const net_W = [...running].reduce((total, i) => {
      const order = instance.pending[i]!;
      return total + siteEffect_W(instance, order.side, order.power_W);
    }, 0);
    for (const i of running) {
      const { order } = pending[i]!;
      executed.push({ id: order.id, round });
      waits.push(round - order.round);
    }
    pending = pending.filter((_, i) => !running.has(i));
    const load_W = scenario.load_w[round]!;
    theta_W.push(load_W + net_W);
    const cause = overCause(scenario.capacity_w, { load_W, forecast_W: instance.load_W[0]!, net_W });
    if (cause !== null) over.push({ round, cause });
    if (past.length === PAST_DAYS * rounds) past.shift();
    past.push({ round: first + round, load_W, theta_W: load_W + net_W, ...facts.arrived });
    options.onRound?.(round);
  }
  return { executed, theta_W, lambda, over, waits };
}

/** Why this load with the orders that ran is over capacity; null when it is not. */
export function overCause(
  capacity_W: number,
  { load_W, forecast_W, net_W }: { readonly load_W: number; readonly forecast_W: number; readonly net_W: number },
): OverCause | null {
  if (load_W + net_W <= capacity_W) return null;
  if (load_W > capacity_W) return 'load';
  return forecast_W + net_W > capacity_W ? 'forced' : 'surprise';
}

/** Three times the usual one-round change of the household load against its daily course, from the days before. */
export function loadMargin_W({ history, rounds }: Scenario): number {
  const mean = Array.from({ length: rounds }, (_, slot) =>
    history.reduce((sum, day) => sum + day.load_w[slot]! / history.length, 0),
  );
  let squares = 0;
  for (const { load_w } of history)
    for (let slot = 1; slot < rounds; slot++)
      squares += (load_w[slot]! - mean[slot]! - load_w[slot - 1]! + mean[slot - 1]!) ** 2;
  const count = history.length * (rounds - 1);
  return count > 0 ? Math.round(3 * Math.sqrt(squares / count)) : 0;
}
