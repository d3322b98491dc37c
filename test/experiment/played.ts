/** A day played, in one figure. */
import { baseTheta_W, powerFluctuation, reduction_percent } from '../../firmware/simulate/measure.ts';
import { type RunOptions, runDay } from '../../firmware/simulate/run-day.ts';
import type { Scenario } from '../../firmware/simulate/scenario.ts';

/** By how much the shipped rule, or what `options` put in its place, lowers cbrt(PF) of the day, %. */
export function played_percent(day: Scenario, options: Omit<RunOptions, 'rule'> = {}): number {
  const cubeRoot = (theta_W: readonly number[]): number => Math.cbrt(powerFluctuation(theta_W, day.round_time_s));
  return reduction_percent(cubeRoot(baseTheta_W(day)), cubeRoot(runDay(day, { rule: 'plan', ...options }).theta_W));
}
