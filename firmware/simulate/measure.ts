/**
 * The figures of a day, for people: floats are fine here. PF is the variance of the slope of Theta over the day
 * (slope in kW per hour), stated in all three forms: PF, its cube root (the paper's) and the standard deviation.
 */
import { siteEffect_W } from '../protocol/benefit/instance.ts';
import { slopes_W } from '../protocol/benefit/power-fluctuation.ts';
import type { DayResult, Executed, OverCause } from './run-day.ts';
import type { Scenario } from './scenario.ts';

export interface DayFigures {
  readonly name: string;
  readonly rule: string;
  readonly rounds: number;
  readonly orders: number;
  readonly basePf: number;
  readonly pf: number;
  readonly basePeak_kW: number;
  readonly peak_kW: number;
  /** Rounds over capacity by cause; their sum is all of them. */
  readonly over: Readonly<Record<OverCause, number>>;
  /** Contacts closed. */
  readonly operations: number;
  readonly meanWait_rounds: number;
  readonly maxWait_rounds: number;
}

/** Variance of the slope, (kW/h)^2. */
export function powerFluctuation(theta_W: readonly number[], roundTime_s: number): number {
  const slopes = slopes_W(theta_W).map((slope) => (slope / 1000) * (3600 / roundTime_s));
  if (slopes.length === 0) return 0;
  const mean = slopes.reduce((sum, slope) => sum + slope, 0) / slopes.length;
  return slopes.reduce((sum, slope) => sum + (slope - mean) ** 2, 0) / slopes.length;
}

/** Theta when every order executes in the round it is placed, whatever the capacity. */
export function baseTheta_W(scenario: Scenario): number[] {
  const theta = [...scenario.load_w];
  const efficiency = { dischargingEfficiency_ppm: scenario.discharging_efficiency_ppm };
  for (const order of scenario.orders) theta[order.round]! += siteEffect_W(efficiency, order.side, order.power_w);
  return theta;
}

export function figures(scenario: Scenario, result: DayResult, rule: string): DayFigures {
  const base = baseTheta_W(scenario);
  const over = (cause: OverCause): number => result.over.filter((round) => round.cause === cause).length;
  const peak = (theta_W: readonly number[]): number => theta_W.reduce((a, b) => Math.max(a, b)) / 1000;
  const { waits } = result;
  return {
    name: scenario.name,
    rule,
    rounds: scenario.rounds,
    orders: scenario.orders.length,
    basePf: powerFluctuation(base, scenario.round_time_s),
    pf: powerFluctuation(result.theta_W, scenario.round_time_s),
    basePeak_kW: peak(base),
    peak_kW: peak(result.theta_W),
    over: { load: over('load'), forced: over('forced'), surprise: over('surprise') },
    operations: closings(scenario, result.executed),
    meanWait_rounds: waits.length > 0 ? waits.reduce((sum, wait) => sum + wait, 0) / waits.length : 0,
    maxWait_rounds: waits.reduce((a, b) => Math.max(a, b), 0),
  };
}

/**
 * How often a contact closes. Orders name no charge point, so an order continues, wherever that is possible, on a contact
 * that was closed in the round before for an order of the same side, connector and power; otherwise it closes one.
 */
export function closings({ orders }: Pick<Scenario, 'orders'>, executed: readonly Executed[]): number {
  const kinds = new Map(orders.map(({ id, side, connector, power_w }) => [id, `${side} ${connector} ${power_w}`]));
  const closed = new Map<string, number>();
  for (const { id, round } of executed) {
    const contact = `${round} ${kinds.get(id)}`;
    closed.set(contact, (closed.get(contact) ?? 0) + 1);
  }
  let count = 0;
  for (const [contact, running] of closed) {
    const [round, ...kind] = contact.split(' ');
    count += Math.max(0, running - (closed.get([Number(round) - 1, ...kind].join(' ')) ?? 0));
  }
  return count;
}

/** Reduction of x against its base, in percent; 0 for a base of 0. */
export const reduction_percent = (base: number, with_: number): number => (base > 0 ? 100 * (1 - with_ / base) : 0);
