/**
 * The committed plan, while its interval lasts. Discharge needs a trusted clock: who feeds back at the wrong
 * time harms the neighbourhood.
 */
import { currentFor } from './current.ts';
import { close, rest } from './target.ts';
import { slotInForce } from './timetable.ts';
import type { Rule } from './types.ts';

export const followPlan: Rule = (at, below) => {
  const slot = slotInForce(at.state.slots, at.senses.now);
  if (slot === undefined) return below;
  const { direction, power, block } = slot.plan;
  const by = `plan of block ${block}`;
  if (direction === 'idle' || power === 0) return rest('plan', `idle: ${by}`);
  if (direction === 'discharge' && !at.senses.clockTrusted)
    return rest('clock', `paused: no discharge until the clock is trusted (${by})`);
  return close(
    direction,
    currentFor(power, at),
    'plan',
    `${direction === 'charge' ? 'charging' : 'discharging'}: ${by}`,
  );
};
