/**
 * The owner's override. 'stop' is obeyed whatever the plan says. 'charge now' takes what needs no agreement:
 * the safe share, or more where the plan already grants more; a button may not overload the neighbourhood.
 */
import { currentFor } from './current.ts';
import { close, rest } from './target.ts';
import type { Rule } from './types.ts';
import { kW } from './words.ts';

export const override: Rule = (at, below) => {
  const { override: wish, installation } = at.senses;
  if (wish === 'none') return below;
  if (wish === 'stop') return rest('owner', 'stopped by the owner');
  const share = currentFor(installation.safeShare_W, at);
  if (below.contact === 'charge' && below.limit > share) return below;
  const text = `charging: the owner asked for it now, ${kW(installation.safeShare_W)} inside the safe share`;
  return close('charge', share, 'owner', text);
};
