/**
 * The highest level: hardware that is broken or cannot be seen. A latched weld keeps everything open until a
 * person has cleared it; a contact that fell open starts again from the beginning, offer first.
 */
import { openNow } from './target.ts';
import type { Direction, Rule } from './types.ts';
import { span } from './words.ts';

const directions: readonly Direction[] = ['charge', 'discharge'];

export const hardware: Rule = ({ state, senses, limits }, below) => {
  const welded = directions.filter((which) => state[which].welded);
  if (welded.length > 0)
    return openNow('contact-fault', `out of service: ${welded.join(' and ')} contact welded; a person must clear it`);
  const faults = [...(senses.connector?.status.faults ?? [])].sort();
  if (faults.length > 0) return openNow('connector-fault', `paused: connector reports ${faults.join(', ')}`);
  const fallen = directions.find((which) => state[which].wanted === 'closed' && state[which].failedToClose);
  if (fallen !== undefined)
    return openNow('contact-fault', `paused: the ${fallen} contact did not close, or fell open`);
  const { relays } = senses;
  if (relays === null) return openNow('read-back-lost', 'paused: the contacts have not been seen yet');
  if (relays.age >= limits.senseOpen)
    return openNow('read-back-lost', `paused: contacts not seen for ${span(relays.age)}`);
  return below;
};
