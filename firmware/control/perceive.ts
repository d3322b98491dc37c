/** Brings the memory up to this cycle's senses, before anything is decided on it. */
import { type Millis, millis } from '../../hal/units.ts';
import { flowing } from './current.ts';
import { reconcile } from './reconcile.ts';
import { timetable } from './timetable.ts';
import type { ControlState, Situation } from './types.ts';
import { learnVehicle } from './vehicle.ts';

export const perceive = (at: Situation): ControlState => ({
  ...at.state,
  ...timetable(at.state, at.senses),
  charge: reconcile(at, 'charge'),
  discharge: reconcile(at, 'discharge'),
  askedSince: askedSince(at),
  overdrawnSince: overdrawnSince(at),
  vehicle: learnVehicle(at),
});

/** State C counts from the offer on: before it, a vehicle has nothing to ask for. */
function askedSince({ state, senses: { connector, now }, limits }: Situation): Millis | null {
  const asks = connector !== null && connector.age <= limits.fresh && connector.status.pilot === 'C';
  if (!asks || state.offer.limit === 'none') return null;
  return state.askedSince ?? millis(Math.max(now - connector.age, state.offer.since));
}

/** Counts from the end of the time that a vehicle has to follow a changed offer. */
function overdrawnSince({ state, senses: { meter, now }, limits }: Situation): Millis | null {
  const { limit, since } = state.offer;
  const closed = state.charge.wanted === 'closed' || state.discharge.wanted === 'closed';
  if (!closed || limit === 'none') return null;
  if (meter === null || now - meter.age < since + limits.withdrawal) return state.overdrawnSince;
  const allowed = limit * 1.1 + limits.noCurrent;
  return flowing(meter.reading) > allowed ? (state.overdrawnSince ?? millis(now - meter.age)) : null;
}
