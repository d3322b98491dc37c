/**
 * The owner's need, brought up to now: what was said at plug-in, less what the meter has counted since. Energy
 * at the connector and energy in the battery differ by the conversion, whose efficiencies the neighbourhood
 * states in parts per million. Rounded against the owner's disadvantage: never full on paper only.
 */
import { type UnixMillis, type WattHours, wattHours } from '../../hal/units.ts';
import type { NeedNow } from './types.ts';

/** As the owner (or the vehicle) stated it at plug-in; energies are the battery's. */
export interface Need {
  readonly battery: WattHours;
  readonly soc: WattHours | 'unknown';
  /** What the target is above the state of charge; negative when the vehicle came with more than it needs. */
  readonly missing: WattHours;
  readonly departure: UnixMillis;
  readonly reserve: WattHours;
}

/** Metered at the connector since plug-in. */
export interface Session {
  readonly imported: WattHours;
  readonly exported: WattHours;
}

export interface Efficiency {
  readonly charging_ppm: number;
  readonly discharging_ppm: number;
}

export function needNow(need: Need, session: Session, efficiency: Efficiency): NeedNow {
  const gained =
    Math.floor((session.imported * efficiency.charging_ppm) / 1_000_000) -
    Math.ceil((session.exported * 1_000_000) / efficiency.discharging_ppm);
  const soc = need.soc === 'unknown' ? need.soc : wattHours(Math.min(Math.max(need.soc + gained, 0), need.battery));
  // No target can ask for more than the battery holds.
  const room = soc === 'unknown' ? need.battery : need.battery - soc;
  const missing = wattHours(Math.min(need.missing - gained, room));
  return {
    missing,
    toDraw: wattHours(Math.ceil((Math.max(missing, 0) * 1_000_000) / efficiency.charging_ppm)),
    departure: need.departure,
    soc,
    reserve: need.reserve,
  };
}
