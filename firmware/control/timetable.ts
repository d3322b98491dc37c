/**
 * Puts plans on the monotonic clock. A plan gets its place once, while UTC is trusted, and keeps it: no step of
 * the clock can prolong, repeat or cut it. A round that has run out is never taken up again.
 */
import { millis } from '../../hal/units.ts';
import type { Plan } from '../protocol/plan.ts';
import type { ControlState, Senses, Slot } from './types.ts';

/** The state's slots and last round, brought up to now. */
export function timetable(state: ControlState, senses: Senses): Pick<ControlState, 'slots' | 'lastRound'> {
  const { now, utc } = senses;
  const place = (plan: Plan): Slot => {
    const known = state.slots.find((slot) => slot.plan.round === plan.round);
    if (known) return { ...known, plan };
    return { plan, from: millis(now + plan.start - utc), until: millis(now + plan.end - utc) };
  };
  const offered = senses.plans.filter(
    (plan) =>
      plan.round > state.lastRound && (senses.clockTrusted || state.slots.some((s) => s.plan.round === plan.round)),
  );
  const kept = state.slots.filter((slot) => !offered.some((plan) => plan.round === slot.plan.round));
  const all = [...kept, ...offered.map(place)];
  const over = all.filter((slot) => now >= slot.until);
  return {
    slots: all.filter((slot) => now < slot.until),
    lastRound: Math.max(state.lastRound, ...over.map((slot) => slot.plan.round)),
  };
}

/** The plan whose interval holds this moment; of two that overlap after a step of UTC, the later round's. */
export const slotInForce = (slots: readonly Slot[], now: number): Slot | undefined =>
  slots.filter((slot) => slot.from <= now && now < slot.until).sort((a, b) => b.plan.round - a.plan.round)[0];
