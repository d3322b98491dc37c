/**
 * From where the contacts are to where the arbiter wants them, in the vehicle's order: offer, wait until it asks
 * (state C, debounced), close; withdraw the offer, wait until no current flows (bounded), open cold. Urgent
 * openings skip all waiting. The only place where a contact changes.
 */
import { type Milliamps, millis } from '../../hal/units.ts';
import { flowing } from './current.ts';
import type { ContactMemory, ControlState, Direction, Reason, Situation, Target } from './types.ts';
import { recent } from './wear.ts';
import { amps } from './words.ts';

interface Step {
  readonly state: ControlState;
  readonly reason: Reason;
}

/** The state after this cycle: contacts commanded, offer made, and the reason as things now stand. */
export function sequence(at: Situation, target: Target): Step {
  const { state, senses, limits } = at;
  const closed = (['charge', 'discharge'] as const).find((which) => state[which].wanted === 'closed');
  if (closed === undefined) return target.contact === 'none' ? stay(at, 'none', target.reason) : start(at, target);
  if (target.contact === closed) {
    const asks = senses.connector?.status.pilot !== 'B';
    return asks ? stay(at, target.limit, target.reason) : open(at, closed, target.limit, awaiting(target));
  }
  if (target.contact === 'none' && target.urgent) return open(at, closed, 'none', target.reason);
  const withdrawn = state.offer.limit === 'none' ? state.offer.since : senses.now;
  const ended = current(at, withdrawn) < limits.noCurrent;
  if (ended || senses.now - withdrawn >= limits.withdrawal) return open(at, closed, 'none', target.reason);
  const text = `opening the ${closed} contact when the current has ended (${target.reason.text})`;
  return stay(at, 'none', { code: 'withdrawing', text });
}

type Wish = Extract<Target, { contact: Direction }>;

function start(at: Situation, target: Wish): Step {
  const { state, senses, limits } = at;
  if (state.askedSince === null || senses.now - state.askedSince < limits.pilotDebounce)
    return stay(at, target.limit, awaiting(target));
  const contact = state[target.contact];
  const closing: ContactMemory = {
    ...contact,
    wanted: 'closed',
    since: senses.now,
    delivered: null,
    openSeen: null,
    suspect: null,
    closings: recent([...contact.closings, senses.now], senses.now),
  };
  return switched(at, { ...state, [target.contact]: closing }, target.limit, target.reason);
}

function open(at: Situation, which: Direction, offer: Milliamps | 'none', reason: Reason): Step {
  const { state, senses, limits } = at;
  const cold = current(at, millis(senses.now - limits.fresh)) < limits.noCurrent;
  return switched(at, { ...state, [which]: opened(state[which], senses.now, cold) }, offer, reason);
}

/** A contact that has just been told to open. */
export const opened = (contact: ContactMemory, now: ContactMemory['since'], cold: boolean): ContactMemory => ({
  ...contact,
  wanted: 'open',
  since: now,
  delivered: null,
  openSeen: null,
  suspect: null,
  restingSince: now,
  operations: contact.operations + 1,
  loadedOperations: contact.loadedOperations + (cold ? 0 : 1),
  loadedOpenings: recent(cold ? contact.loadedOpenings : [...contact.loadedOpenings, now], now),
});

/** What flows by a reading taken at or after `since`; what nobody has measured counts as endless. */
const current = ({ senses: { meter, now } }: Situation, since: number): number =>
  meter !== null && now - meter.age >= since ? flowing(meter.reading) : Number.POSITIVE_INFINITY;

const awaiting = ({ limit, reason }: Wish): Reason => ({
  code: 'awaiting-vehicle',
  text: `waiting: ${amps(limit)} offered, the vehicle does not ask for it (${reason.text})`,
});

function stay({ state, senses }: Situation, limit: Milliamps | 'none', reason: Reason): Step {
  const offer = state.offer.limit === limit ? state.offer : { limit, since: senses.now };
  return { state: { ...state, offer }, reason };
}

const switched = (at: Situation, state: ControlState, limit: Milliamps | 'none', reason: Reason): Step =>
  stay({ ...at, state: { ...state, switched: { now: at.senses.now, utc: at.senses.utc } } }, limit, reason);
