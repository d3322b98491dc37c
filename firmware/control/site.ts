/**
 * What the connector, its cable and its fuse carry, and what a pilot signal can say: the offer is cut to the
 * first and refused under the second. A vehicle that keeps drawing more than offered is cut off.
 */
import { milliamps } from '../../hal/units.ts';
import { currentFor, leastPower_W } from './current.ts';
import { openNow, rest } from './target.ts';
import type { Rule } from './types.ts';
import { amps, kW } from './words.ts';

export const site: Rule = (at, below) => {
  const { state, senses, limits } = at;
  if (below.contact === 'none') return below;
  const { installation, connector } = senses;
  const rated_W = below.contact === 'charge' ? installation.charge_W : installation.discharge_W;
  if (rated_W === 0) return rest('rating', `idle: this connector cannot ${below.contact} (${below.reason.text})`);
  if (state.overdrawnSince !== null && senses.now - state.overdrawnSince >= limits.overdraw)
    return openNow('overdrawn', 'paused: the vehicle drew more than it was offered');
  const carried = Math.min(installation.maxCurrent, connector?.status.cableRating ?? Number.POSITIVE_INFINITY);
  const limit = milliamps(Math.min(below.limit, carried, currentFor(rated_W, at)));
  if (limit < limits.minCurrent) {
    const least = `${amps(limits.minCurrent)} per phase (${kW(leastPower_W(at))})`;
    return rest(
      'below-minimum',
      `idle: ${amps(limit)} is below the ${least} a vehicle can follow (${below.reason.text})`,
    );
  }
  return { ...below, limit };
};
