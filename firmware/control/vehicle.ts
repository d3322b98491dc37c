/**
 * What the vehicle shows of itself: the phases it uses and the power it takes although more is offered. Both
 * count only after its ramp, and are forgotten when it leaves. Plans, orders and the fallback are cut to it.
 */
import { flowing, phasesInUse } from './current.ts';
import type { Situation, Vehicle } from './types.ts';

const unknown: Vehicle = { phases: 0, limit_W: null };

export function learnVehicle({ state, senses, limits }: Situation): Vehicle {
  const { meter, connector, installation, now } = senses;
  if (connector !== null && connector.status.pilot === 'A') return unknown;
  const known = state.vehicle;
  const closed = [state.charge, state.discharge].find((contact) => contact.wanted === 'closed');
  const { limit, since } = state.offer;
  if (meter === null || closed === undefined || limit === 'none') return known;
  if (now - meter.age < Math.max(since, closed.since) + limits.learn || flowing(meter.reading) < limits.noCurrent)
    return known;
  const drawing = meter.reading.phaseCurrents.filter((current) => Math.abs(current) >= limits.noCurrent).length;
  const phases = Math.max(known.phases, Math.min(drawing, installation.phases));
  const drawn_W = Math.abs(meter.reading.power);
  const offered_W = (limit / 1000) * limits.voltage_V * phasesInUse(installation, { ...known, phases });
  if (drawn_W < 0.9 * offered_W) return { phases, limit_W: drawn_W };
  // Taking all of an offer that was cut to the known limit proves nothing new; taking more does.
  return { phases, limit_W: known.limit_W !== null && drawn_W > 1.1 * known.limit_W ? null : known.limit_W };
}
