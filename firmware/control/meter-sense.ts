/**
 * Losing the meter: first the safe share, then open contacts. Who cannot see what flows may draw no more than
 * what is his in any case, and feeds nothing back. A source that declares a slow period lives under the safe
 * share always and is judged by that period, so that it is limited rather than tripped at random.
 */
import { type Millis, milliamps, millis } from '../../hal/units.ts';
import { currentFor } from './current.ts';
import type { Limits } from './limits.ts';
import { openNow, rest } from './target.ts';
import type { Rule } from './types.ts';
import { kW, span } from './words.ts';

/** After how long a silence the contacts open. */
export const meterOpenAfter = (period: Millis, limits: Limits): Millis =>
  period <= limits.meterFast || period > limits.meterSlowest
    ? limits.meterOpen
    : millis(Math.max(limits.meterOpen, 3 * period));

export const meterSense: Rule = (at, below) => {
  const { meter, installation } = at.senses;
  const { limits } = at;
  if (meter === null) return openNow('meter-silent', 'paused: the meter has not been heard yet');
  if (meter.age >= meterOpenAfter(meter.period, limits))
    return openNow('meter-silent', `paused: meter silent for ${span(meter.age)}`);
  const slow = meter.period > limits.meterFast;
  if (below.contact === 'none' || (!slow && meter.age < limits.meterSafe)) return below;
  const code = slow ? 'meter-slow' : 'meter-silent';
  const why = slow ? `the meter answers only every ${span(meter.period)}` : `meter silent for ${span(meter.age)}`;
  const share = currentFor(installation.safeShare_W, at);
  if (below.contact === 'discharge') return rest(code, `paused: no discharge, ${why}`);
  if (share < limits.minCurrent)
    return rest(code, `paused: ${why}, and a vehicle cannot follow the safe share of ${kW(installation.safeShare_W)}`);
  const text = `${below.reason.text}; at most ${kW(installation.safeShare_W)}, ${why}`;
  return { ...below, limit: milliamps(Math.min(below.limit, share)), reason: { code, text } };
};
