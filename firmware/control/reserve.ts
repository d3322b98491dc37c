/** The battery's reserve: no discharge at or under it, nor while nobody knows how full the battery is. */
import { rest } from './target.ts';
import type { Rule } from './types.ts';
import { kWh } from './words.ts';

export const reserve: Rule = ({ senses }, below) => {
  if (below.contact !== 'discharge') return below;
  const { need } = senses;
  if (need === null || need.soc === 'unknown')
    return rest('reserve', 'paused: no discharge while the state of charge is unknown');
  if (need.soc <= need.reserve)
    return rest('reserve', `paused: the battery is at the owner's reserve of ${kWh(need.reserve)}`);
  return below;
};
