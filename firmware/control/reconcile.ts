/**
 * Wanted against observed. A contact commanded open that is seen closed, or through which current flows, is
 * welded: two contradicting looks, at least confirmWeld apart, latch it. Looks count only when the bank has
 * accepted the command and contact and meter have had their time: a moving contact or a lagging meter is no
 * evidence. A contact commanded closed that is seen open has failed to close, or fell.
 */

import { type Millis, millis } from '../../hal/units.ts';
import { flowing } from './current.ts';
import type { ContactMemory, Direction, Observed, Situation } from './types.ts';

/** The contact's memory after this cycle's look. */
export function reconcile(at: Situation, which: Direction): ContactMemory {
  const contact = at.state[which];
  const { relays, now } = at.senses;
  const observed: Observed = relays === null ? 'unknown' : relays.contacts[which === 'charge' ? 0 : 1];
  const seenAt = relays === null ? null : now - relays.age;
  const drivenAt = relays?.drivenAge == null ? null : now - relays.drivenAge;
  const delivered = contact.delivered ?? (drivenAt !== null && drivenAt >= contact.since ? millis(drivenAt) : null);
  const known = { ...contact, delivered };
  if (contact.wanted === 'closed') {
    const settled = delivered !== null && seenAt !== null && seenAt >= delivered + at.limits.closeGrace;
    const failedToClose = observed === 'closed' ? false : contact.failedToClose || (settled && observed === 'open');
    return { ...known, openSeen: null, suspect: null, failedToClose };
  }
  const fresh = relays !== null && relays.age <= at.limits.fresh && seenAt !== null && seenAt >= contact.since;
  const openSeen = fresh && observed === 'open' ? (contact.openSeen ?? millis(seenAt)) : null;
  return { ...known, openSeen, ...judgeWeld(at, known, which, observed) };
}

function judgeWeld(
  at: Situation,
  contact: ContactMemory,
  which: Direction,
  observed: Observed,
): Pick<ContactMemory, 'suspect' | 'welded'> {
  const { relays, meter, now } = at.senses;
  const { suspect, welded, delivered } = contact;
  if (delivered === null || observed === 'absent') return { suspect: null, welded };
  const looks: { at: Millis; contradicts: boolean }[] = [];
  if (relays !== null && observed !== 'unknown' && now - relays.age >= delivered + at.limits.settleContact)
    looks.push({ at: millis(now - relays.age), contradicts: observed === 'closed' });
  if (
    meter !== null &&
    mayCarry(at, which) &&
    now - meter.age - meter.period >= allOpenFrom(at) + at.limits.settleMeter
  )
    looks.push({ at: millis(now - meter.age), contradicts: flowing(meter.reading) >= at.limits.noCurrent });
  const contradicting = looks.filter((look) => look.contradicts);
  if (looks.length > 0 && contradicting.length === 0) return { suspect: null, welded };
  const latest = Math.max(...contradicting.map((look) => look.at));
  if (contradicting.length === 0) return { suspect, welded };
  if (suspect === null) return { suspect: millis(latest), welded };
  return { suspect, welded: welded || latest - suspect >= at.limits.confirmWeld };
}

/** Since when both contacts are known to have been told to open; infinite while one is not. */
const allOpenFrom = ({ state }: Situation): number =>
  Math.max(
    ...[state.charge, state.discharge].map((contact) =>
      contact.wanted === 'open' && contact.delivered !== null ? contact.delivered : Number.POSITIVE_INFINITY,
    ),
  );

/** Current with both contacts commanded open is laid to the contact of its direction, if there is one. */
const mayCarry = ({ senses }: Situation, which: Direction): boolean => {
  const back = (senses.meter?.reading.power ?? 0) < 0 && senses.relays?.contacts[1] !== 'absent';
  return back === (which === 'discharge');
};
