/** A day played, in a few figures. */
import { figures, reduction_percent } from '../../firmware/simulate/measure.ts';
import { type RunOptions, runDay } from '../../firmware/simulate/run-day.ts';
import type { Scenario } from '../../firmware/simulate/scenario.ts';

type Options = Omit<RunOptions, 'rule'>;

/** By how much the shipped rule, or what `options` put in its place, lowers cbrt(PF) of the day, %. */
export const played_percent = (day: Scenario, options: Options = {}): number => played(day, options).percent;

/** The same, how many rounds it lets go over capacity, and the greatest power. */
export function played(day: Scenario, options: Options = {}): Record<'percent' | 'over' | 'peak_kW', number> {
  const result = runDay(day, { rule: 'plan', ...options });
  const { basePf, pf, peak_kW } = figures(day, result, 'plan');
  return { percent: reduction_percent(Math.cbrt(basePf), Math.cbrt(pf)), over: result.over.length, peak_kW };
}
