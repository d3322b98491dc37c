/**
 * From the chain to the problem: what a SEAL fixes, and what follows from it. Pure; every node that has the same
 * chain poses the same instance.
 */
import { dayLevel_ppm, forecastSeries, LOAD_REACH_s, ORDER_REACH_s, profile, surprise, Timeline } from './forecast.ts';
import type { Direction, Instance, Limits, PendingOrder, Range } from './instance.ts';
import { mulDiv, PPM } from './instance.ts';

/** What the chain keeps of a round. */
export interface RoundRecord {
  readonly round: number;
  /** Metered household load; absent while the METERs of that round are not in the chain. */
  readonly load_W?: number;
  /** Power of the orders that arrived in that round. */
  readonly buy_W: number;
  readonly sell_W: number;
  /** Metered power at the head meter. */
  readonly theta_W?: number;
}

export interface Facts {
  readonly round: number;
  readonly roundTime_s: number;
  /** H: rounds of look-ahead, the present one included. */
  readonly lookAhead_rounds: number;
  readonly maxWait_rounds: number;
  readonly closes: boolean;
  readonly chargingEfficiency_ppm: number;
  readonly dischargingEfficiency_ppm: number;
  readonly limits: Limits;
  /** Past rounds, oldest first; gaps are allowed. Eight days are enough. */
  readonly history: readonly RoundRecord[];
  /** Power of the orders that arrived for this round; they are among `pending`. */
  readonly arrived: { readonly buy_W: number; readonly sell_W: number };
  /** In the order of H(seed || id). */
  readonly pending: readonly PendingOrder[];
  readonly directions: readonly Direction[];
  /** Where the load of the round before lies; unless given, on the forecast. */
  readonly loadBefore_W?: Range;
  /** Prior of the household load by slot of the day, used until the chain has days of its own. */
  readonly loadProfile_W?: readonly number[] | undefined;
}

/** The trailing run of rounds without a gap whose Theta is metered, oldest first. */
function meteredTheta(history: readonly RoundRecord[]): number[] {
  const run: number[] = [];
  for (let i = history.length - 1; i >= 0; i--) {
    const record = history[i]!;
    if (record.theta_W === undefined || (i < history.length - 1 && history[i + 1]!.round !== record.round + 1)) break;
    run.push(record.theta_W);
  }
  return run.reverse();
}

/** Poses the problem of a round. `theta_W` of the result is empty when the last round was not metered. */
export function poseInstance(facts: Facts): Instance {
  const slotsPerDay = 86_400 / facts.roundTime_s;
  const { round, roundTime_s } = facts;
  const common = { round, rounds: facts.lookAhead_rounds, slotsPerDay, roundTime_s };
  const first = facts.history[0]?.round ?? round;
  const series = (): Timeline => new Timeline(first, round - first + 1);
  const [loads, buys, sells, both, nets] = [series(), series(), series(), series(), series()];
  let known = round - 1;
  const records: readonly RoundRecord[] = [...facts.history, { round, ...facts.arrived }];
  for (const { round: past, load_W, buy_W, sell_W } of records) {
    if (load_W !== undefined) {
      loads.set(past, load_W);
      known = past;
    }
    buys.set(past, buy_W);
    sells.set(past, sell_W);
    both.set(past, buy_W + sell_W);
    nets.set(past, buy_W - mulDiv(sell_W, facts.dischargingEfficiency_ppm, PPM));
  }
  const orders = { ...common, known: round, reach_s: ORDER_REACH_s, unknown: 'zero' } as const;
  const level_ppm = dayLevel_ppm(both, profile(both, orders), orders);
  const unusual = surprise(nets, orders);
  const load_W = forecastSeries(loads, {
    ...common,
    known,
    reach_s: LOAD_REACH_s,
    prior: facts.loadProfile_W,
    unknown: 'persists',
  });
  const load0_W = load_W[0]!;
  // The forecast may lead away from where the load was, by a profile that knows little, and the load may stay.
  const { least_W, most_W } = facts.loadBefore_W ?? { least_W: load0_W, most_W: load0_W };
  const { margin_W } = facts.limits;
  return {
    round,
    roundTime_s,
    slotsPerDay,
    theta_W: meteredTheta(facts.history).slice(-slotsPerDay - 1),
    load_W,
    loadBetween_W: { least_W: Math.min(least_W, load0_W) - margin_W, most_W: Math.max(most_W, load0_W) + margin_W },
    buyForecast_W: forecastSeries(buys, orders, level_ppm),
    sellForecast_W: forecastSeries(sells, orders, level_ppm),
    surprise: Array.from({ length: facts.lookAhead_rounds }, (_, k) => unusual[(round + k) % slotsPerDay]!),
    maxWait_rounds: facts.maxWait_rounds,
    closes: facts.closes,
    chargingEfficiency_ppm: facts.chargingEfficiency_ppm,
    dischargingEfficiency_ppm: facts.dischargingEfficiency_ppm,
    limits: facts.limits,
    pending: facts.pending,
    directions: facts.directions,
  };
}
