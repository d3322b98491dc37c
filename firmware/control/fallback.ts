/**
 * The lowest level: no plan for this moment. Then the charge point keeps to what is its own without agreement:
 * its minimal demand within the safe share, only if the owner's need cannot wait, and never discharge.
 */
import type { UnixMillis } from '../../hal/units.ts';
import { currentFor, leastPower_W } from './current.ts';
import { close, rest } from './target.ts';
import type { NeedNow, NoPlan, Rule } from './types.ts';
import { kW, kWh } from './words.ts';

const because = ({ why, round }: NoPlan): string =>
  ({
    terminated: `round ${round} was terminated`,
    'cut-off': 'no contact with the neighbourhood',
    starting: 'no round has been agreed yet',
    alone: 'too few charge points to agree on a plan',
    outside: 'not a member that may trade',
  })[why];

/** Whether drawing at this power must go on from now for the need to be met with `spare_ms` to spare. */
export const cannotWait = (need: NeedNow, power_W: number, utc: UnixMillis, spare_ms: number): boolean =>
  need.toDraw > 0 && (need.toDraw * 3_600_000) / power_W + spare_ms >= need.departure - utc;

export const fallback: Rule = (at) => {
  const { senses, state, limits } = at;
  const { need, installation } = senses;
  const why = `fallback: ${because(senses.noPlan)}`;
  if (need === null) return rest('fallback', `${why}; the owner has stated no need`);
  if (need.toDraw === 0) return rest('fallback', `${why}; nothing is missing`);
  const share_W = Math.min(installation.safeShare_W, installation.charge_W);
  const least_W = leastPower_W(at);
  if (share_W < least_W)
    return rest(
      'fallback',
      `${why}; the safe share of ${kW(share_W)} is below the ${kW(least_W)} a vehicle can follow`,
    );
  const spare = state.charge.wanted === 'closed' ? limits.fallbackHold : limits.fallbackSlack;
  // Without a trusted clock nobody can say how long it may wait; the share is safe at any time.
  if (senses.clockTrusted && !cannotWait(need, share_W, senses.utc, spare))
    return rest('fallback', `${why}; the missing ${kWh(need.toDraw)} can wait`);
  return close('charge', currentFor(share_W, at), 'fallback', `${why}, drawing ${kW(share_W)} inside the safe share`);
};
