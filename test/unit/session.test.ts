/** The session of a vehicle: what its owner said, what is assumed when nobody says anything, and until when. */
import { expect, test } from 'vitest';
import type { OwnerDefaults } from '../../firmware/config.ts';
import { assumed, begin, metered, nextDeparture, revive, stated } from '../../firmware/session.ts';
import type { MeterReading } from '../../hal/ports.ts';
import { milliamps, unixMillis, wattHours, watts } from '../../hal/units.ts';

const none = milliamps(0);
const reading = (imported: number, exported = 0): MeterReading => ({
  takenAt: unixMillis(0),
  imported: wattHours(imported),
  exported: wattHours(exported),
  power: watts(0),
  phaseCurrents: [none, none, none],
});
const NOON = unixMillis(Date.UTC(2026, 6, 1, 12));
const LARGEST = wattHours(150_000);
const owner = {
  energy: wattHours(10_000),
  reserve: wattHours(5_000),
  departure: { hour: 7, minute: 30 },
  timeZone: 'Europe/Vienna',
} as OwnerDefaults;
const said = { energyMissing_Wh: 20_000, departure_ms: NOON + 3_600_000, maySell: false };

test('plugged in: nothing is needed until somebody speaks, and energy counts from here', () => {
  const session = begin(reading(1000, 10), NOON);
  expect(session).toMatchObject({ since: NOON, need: null, maySell: false });
  expect(metered(session, reading(1500, 30))).toEqual({ imported: 500, exported: 20 });
});

test('the owner speaks: energy counts anew from that word', () => {
  const session = stated(begin(reading(1000), NOON), said, reading(1400), LARGEST);
  expect(session.need).toMatchObject({ missing: 20_000, battery: LARGEST, soc: 'unknown', reserve: 0 });
  expect(metered(session, reading(1500))).toEqual({ imported: 100, exported: 0 });
});

test.each([
  [
    'nothing missing, may sell, charge known: what lies above the reserve is for sale',
    { energyMissing_Wh: 0, maySell: true, battery_Wh: 60_000, soc_ppm: 750_000, reserve_Wh: 15_000 },
    -30_000,
  ],
  [
    'below the reserve nothing is for sale',
    { energyMissing_Wh: 0, maySell: true, battery_Wh: 60_000, soc_ppm: 200_000, reserve_Wh: 15_000 },
    0,
  ],
  [
    'with energy missing nothing is for sale',
    { energyMissing_Wh: 5000, maySell: true, battery_Wh: 60_000, soc_ppm: 900_000 },
    5000,
  ],
  ['with an unknown charge nothing is for sale', { energyMissing_Wh: 0, maySell: true, battery_Wh: 60_000 }, 0],
  [
    'without leave nothing is for sale',
    { energyMissing_Wh: 0, maySell: false, battery_Wh: 60_000, soc_ppm: 900_000 },
    0,
  ],
])('%s', (_what, words, missing) => {
  expect(stated(begin(reading(0), NOON), { ...said, ...words }, reading(0), LARGEST).need?.missing).toBe(missing);
});

test('nobody speaks: the configured energy by the configured hour, and nothing is sold on a guess', () => {
  const session = assumed(begin(reading(0), NOON), owner, NOON, LARGEST);
  expect(session).toMatchObject({ maySell: false, need: { missing: 10_000, reserve: 5_000, soc: 'unknown' } });
  expect(session.need?.departure).toBe(Date.UTC(2026, 6, 2, 5, 30)); // 7:30 of summer time
});

test.each([
  ['winter', [2026, 0, 10, 12], [2026, 0, 11, 6, 30]],
  ['later the same day', [2026, 0, 10, 2], [2026, 0, 10, 6, 30]],
  ['at that very minute: tomorrow', [2026, 0, 10, 6, 30], [2026, 0, 11, 6, 30]],
  ['over the change to summer time', [2026, 2, 28, 12], [2026, 2, 29, 5, 30]],
  ['over the change to winter time', [2026, 9, 24, 12], [2026, 9, 25, 6, 30]],
] as const)('the next departure, %s', (_when, now, expected) => {
  const utc = ([y, m, d, h, min = 0]: readonly [number, number, number, number, number?]): number =>
    Date.UTC(y, m, d, h, min);
  expect(nextDeparture(owner, unixMillis(utc(now)))).toBe(utc(expected));
});

test('an hour that the change to summer time leaves out is never waited for for ever', () => {
  const now = Date.UTC(2026, 2, 28, 1, 30); // 2:30 on the day before it is left out
  const at = nextDeparture({ ...owner, departure: { hour: 2, minute: 30 } }, unixMillis(now));
  expect(at - now).toBeLessThanOrEqual(25 * 3_600_000);
});

test('a restart in the middle of the night forgets nothing', () => {
  const session = stated(begin(reading(1000), NOON), said, reading(1400), LARGEST);
  expect(revive(JSON.stringify(session))).toEqual(session);
  expect([revive(undefined), revive('')]).toEqual([null, null]);
});
