/**
 * Between watts at the connector and milliamps per phase, at the nominal voltage. Division rounds down, so that
 * an offer never exceeds the power it was made from.
 */
import type { MeterReading } from '../../hal/ports.ts';
import { type Milliamps, milliamps } from '../../hal/units.ts';
import type { Installation, Situation, Vehicle } from './types.ts';

/**
 * Phases to reckon with: those the vehicle was seen to use; all of the connector's until it has drawn. A vehicle
 * on one phase of a three-phase connector needs three times the current for the same plan.
 */
export const phasesInUse = (installation: Installation, vehicle: Vehicle): number =>
  vehicle.phases || installation.phases;

export const currentFor = (power_W: number, { state, senses, limits }: Situation): Milliamps =>
  milliamps(Math.floor((power_W * 1000) / (limits.voltage_V * phasesInUse(senses.installation, state.vehicle))));

/** The least power this vehicle can be told to take. */
export const leastPower_W = ({ state, senses, limits }: Situation): number =>
  (limits.minCurrent / 1000) * limits.voltage_V * phasesInUse(senses.installation, state.vehicle);

/** The current of the fullest phase, either direction. */
export const flowing = (reading: MeterReading): number => Math.max(...reading.phaseCurrents.map(Math.abs));
