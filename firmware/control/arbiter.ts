/**
 * Who may command a contact (controller.md 1). The levels speak from the lowest to the highest, each seeing
 * what those below want, and each free to replace it: so the higher level always wins, and its reason stands.
 */
import { fallback } from './fallback.ts';
import { followPlan } from './follow-plan.ts';
import { hardware } from './hardware.ts';
import { interlock } from './interlock.ts';
import { meterSense } from './meter-sense.ts';
import { override } from './override.ts';
import { pilot } from './pilot.ts';
import { reserve } from './reserve.ts';
import { site } from './site.ts';
import { rest } from './target.ts';
import type { Rule, Situation, Target } from './types.ts';
import { wear } from './wear.ts';

/** In the order of their power, lowest first. */
export const defaultRules = {
  fallback,
  plan: followPlan,
  override,
  reserve,
  wear,
  interlock,
  site,
  meter: meterSense,
  pilot,
  hardware,
} satisfies Record<string, Rule>;

export type Level = keyof typeof defaultRules;
export type Rules = Readonly<Record<Level, Rule>>;
const levels = Object.keys(defaultRules) as Level[];

export const arbitrate = (at: Situation, rules: Rules): Target =>
  levels.reduce((below, level) => rules[level](at, below), rest('fallback', 'idle'));
