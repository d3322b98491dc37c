/**
 * The life of the contacts: rest times and numbers of operations refuse a closing; no opening ever waits here.
 * So a plan is followed late, or not at all, and the reason says so; it is never overrun.
 *
 * How this meets rounds of 300 s: the hand-shake at a round's start and the cold opening at its end take
 * seconds, so a contact that follows single rounds is on for less than 300 s and off for less than 300 s. Under
 * a plan the rest times therefore are 4/5 of its interval, if that is less. Every closing counts for the hour
 * (six: every second round); for the day only openings under load count, since they wear the contact a
 * hundred times more than cold ones, and following plans is cold.
 */
import { rest } from './target.ts';
import { slotInForce } from './timetable.ts';
import type { Rule } from './types.ts';
import { span } from './words.ts';

const day = 24 * 3_600_000;
/** A minute short: hand-shakes differ by seconds, and the same place in the next hour must not drift with them. */
const hour = 59 * 60_000;

export const wear: Rule = ({ state, senses, limits }, below) => {
  if (below.contact === 'none' || state[below.contact].wanted === 'closed') return below;
  const { now } = senses;
  const contact = state[below.contact];
  const slot = below.reason.code === 'plan' ? slotInForce(state.slots, now) : undefined;
  const share = slot === undefined ? Number.POSITIVE_INFINITY : ((slot.until - slot.from) * 4) / 5;
  const off = Math.min(limits.minimumOff, share);
  if (contact.restingSince !== null && now - contact.restingSince < off) {
    const left = span(contact.restingSince + off - now);
    return rest('wear', `waiting: the ${below.contact} contact rests for another ${left} (${below.reason.text})`);
  }
  if (slot !== undefined && !continues(state.slots, slot.until, below.contact)) {
    if (slot.until - now < Math.min(limits.minimumOn, share))
      return rest('wear', `idle: only ${span(slot.until - now)} are left of the ${below.reason.text}`);
  }
  if (contact.closings.filter((at) => now - at < hour).length >= limits.closingsPerHour)
    return rest('wear', `waiting: the ${below.contact} contact has closed ${limits.closingsPerHour} times in an hour`);
  if (contact.loadedOpenings.filter((at) => now - at < day).length >= limits.loadedPerDay)
    return rest(
      'wear',
      `waiting: the ${below.contact} contact opened ${limits.loadedPerDay} times under load in a day`,
    );
  return below;
};

/** Whether a plan of the same direction follows without a gap (of more than a second). */
const continues = (slots: Parameters<typeof slotInForce>[0], until: number, direction: string): boolean =>
  slotInForce(slots, until + 1_000)?.plan.direction === direction;

/** The log without what no limit asks for any more. */
export const recent = <T extends number>(times: readonly T[], now: number): readonly T[] =>
  times.filter((at) => now - at < day);
