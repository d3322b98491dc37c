/**
 * Every threshold of the control and its reason, in the clock's milliseconds (a bench may scale the clock) and
 * in milliamps per phase. Chapter numbers are those of the design's controller.md; figures that name a standard
 * are as public controllers implement it.
 */
import { type Milliamps, type Millis, milliamps, millis } from '../../hal/units.ts';

export interface Limits {
  readonly deadTime: Millis;
  readonly noCurrent: Milliamps;
  readonly minCurrent: Milliamps;
  readonly voltage_V: number;
  readonly fresh: Millis;
  readonly meterSafe: Millis;
  readonly meterOpen: Millis;
  readonly meterFast: Millis;
  readonly meterSlowest: Millis;
  readonly senseOpen: Millis;
  readonly pilotDebounce: Millis;
  readonly withdrawal: Millis;
  readonly minimumOn: Millis;
  readonly minimumOff: Millis;
  readonly closingsPerHour: number;
  readonly loadedPerDay: number;
  readonly settleContact: Millis;
  readonly settleMeter: Millis;
  readonly confirmWeld: Millis;
  readonly closeGrace: Millis;
  readonly overdraw: Millis;
  readonly learn: Millis;
  readonly fallbackSlack: Millis;
  readonly fallbackHold: Millis;
}

export const defaultLimits: Limits = {
  // 3: between the two directions, counted from the first sight of the open contact.
  deadTime: millis(10_000),
  // 3: what counts as no current; below the arc that wears a contact.
  noCurrent: milliamps(1_000),
  // IEC 61851-1: the least current a pilot signal can offer.
  minCurrent: milliamps(6_000),
  voltage_V: 230,
  // Nothing closes on a sense older than this.
  fresh: millis(5_000),
  // 2: no meter reading for 5 s: the safe share; for 10 s: open (others wait 10 to 60 s).
  meterSafe: millis(5_000),
  meterOpen: millis(10_000),
  // A source must be able to miss one reading within meterSafe to be judged by it; slower ones get the safe share.
  meterFast: millis(2_500),
  // Beyond this a meter is no sense of the control.
  meterSlowest: millis(60_000),
  // Connector or read-back silent for this long: open. The pilot board itself reacts in 0.1 s.
  senseOpen: millis(10_000),
  // 3: state C counts after this; contacts bounce and connectors are wiggled.
  pilotDebounce: millis(500),
  // A vehicle follows a changed offer within 5 s (IEC 61851-1); then the contact opens anyway.
  withdrawal: millis(5_000),
  // 3: rest times. They refuse closings, never delay an opening; wear.ts says how they meet rounds of 300 s.
  minimumOn: millis(300_000),
  minimumOff: millis(300_000),
  // 3: six an hour is a contact that follows every second 5-minute round.
  closingsPerHour: 6,
  // 3: only openings under load spend a contactor's 10^4 electrical cycles; cold ones spend 10^6 mechanical ones.
  loadedPerDay: 48,
  // A contact and its auxiliary contact have moved; a meter's averaging has passed. Before that they prove nothing.
  settleContact: millis(500),
  settleMeter: millis(3_000),
  // 3: latched within 2 s of valid data; two looks at least this far apart, since one may be a disturbed frame.
  confirmWeld: millis(1_000),
  closeGrace: millis(2_000),
  // A vehicle that draws a tenth and 1 A more than offered for this long, after its time to follow, is cut off.
  overdraw: millis(5_000),
  // After this time at one offer the vehicle's ramp is over and its draw is its own.
  learn: millis(30_000),
  // Fallback begins when the safe share would fill the need with this much to spare, and ends with that much
  // (at a constant draw the spare time stays the same: without the distance it would flicker).
  fallbackSlack: millis(15 * 60_000),
  fallbackHold: millis(60 * 60_000),
};

/** What an answer may take on the wires of a busy bench, wall ms. */
const wires_ms = 150;

/**
 * The limits on a bench whose clock runs `scale` times faster. Wires and processes do not run faster with it, so
 * every limit that waits for a device to follow a command grows by what the wires take; what protects (silence,
 * dead time, debounce) stays as it is.
 */
export const limitsAt = (scale: number, limits: Limits = defaultLimits): Limits => {
  if (scale === 1) return limits;
  const longer = (limit: Millis): Millis => millis(Math.ceil(limit + wires_ms * scale));
  return {
    ...limits,
    withdrawal: longer(limits.withdrawal),
    settleContact: longer(limits.settleContact),
    settleMeter: longer(limits.settleMeter),
    confirmWeld: longer(limits.confirmWeld),
    closeGrace: longer(limits.closeGrace),
    overdraw: longer(limits.overdraw),
  };
};
