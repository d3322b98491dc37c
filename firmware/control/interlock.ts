/**
 * Break before make. A contact closes only when the other has been seen open for the whole dead time, no
 * current flows, and its own read-back shows it open: what cannot be seen does not close. After a start nothing
 * has been seen yet, so the dead time runs again. Both seen closed together: open both.
 */
import { flowing } from './current.ts';
import { openNow, rest } from './target.ts';
import type { Direction, Rule } from './types.ts';
import { amps, span } from './words.ts';

export const interlock: Rule = ({ state, senses, limits }, below) => {
  if (below.contact === 'none') return below;
  const { relays, meter, now } = senses;
  const wanted = below.contact;
  const other: Direction = wanted === 'charge' ? 'discharge' : 'charge';
  const [self, its] = wanted === 'charge' ? ([0, 1] as const) : ([1, 0] as const);
  const wait = (why: string) => rest('interlock', `waiting: ${why} (${below.reason.text})`);
  if (state[wanted].wanted === 'closed')
    return relays?.contacts[its] === 'closed'
      ? openNow('interlock', `paused: the ${other} contact is seen closed while the ${wanted} contact is`)
      : below;
  if (relays === null || relays.age > limits.fresh) return wait('the contacts cannot be seen');
  if (relays.contacts[self] === 'absent') return rest('rating', `idle: this connector has no ${wanted} contact`);
  if (relays.contacts[self] !== 'open') return wait(`the ${wanted} contact is not seen open`);
  if (relays.contacts[its] !== 'absent') {
    const { openSeen } = state[other];
    if (state[other].wanted === 'closed') return wait(`the ${other} contact must open first`);
    if (openSeen === null) return wait(`the ${other} contact is not seen open`);
    if (now - openSeen < limits.deadTime)
      return wait(`the ${other} contact must be open for another ${span(openSeen + limits.deadTime - now)}`);
  }
  if (meter === null || meter.age > Math.max(limits.fresh, 2 * meter.period)) return wait('the meter is not heard');
  const current = flowing(meter.reading);
  return current >= limits.noCurrent ? wait(`${amps(current)} still flow`) : below;
};
