/** The owner's agent, case by case: what is known, and the order that follows. */
import { describe, expect, it } from 'vitest';
import { type AgentSenses, advise } from '../../firmware/control/agent.ts';
import { type Need, needNow } from '../../firmware/control/need.ts';
import type { NeedNow } from '../../firmware/control/types.ts';
import { milliamps, millis, unixMillis, wattHours } from '../../hal/units.ts';

const start = 1_700_000_100_000;
const round_ms = 300_000;
const efficiency = { charging_ppm: 900_000, discharging_ppm: 900_000 };

/** Energy missing at the connector, and how many rounds are left for it. */
const need = (toDraw: number, rounds: number, more: Partial<NeedNow> = {}): NeedNow => ({
  missing: wattHours(Math.floor(toDraw * 0.9)),
  toDraw: wattHours(toDraw),
  departure: unixMillis(start + rounds * round_ms),
  soc: wattHours(30_000),
  reserve: wattHours(10_000),
  ...more,
});
/** Nothing missing, this much above the target. */
const surplus = (battery_Wh: number, rounds = 50, more: Partial<NeedNow> = {}) =>
  need(0, rounds, { missing: wattHours(-battery_Wh), ...more });

const usual: AgentSenses = {
  start: unixMillis(start),
  roundTime: millis(round_ms),
  maxWait_rounds: 2,
  need: need(10_000, 100),
  maySell: true,
  efficiency,
  installation: { phases: 1, maxCurrent: milliamps(32_000), charge_W: 7_360, discharge_W: 7_360, safeShare_W: 1_400 },
  vehicle: { phases: 0, limit_W: null },
  pilot: 'B',
  pending: false,
  override: 'none',
};
const threePhase = { ...usual.installation, phases: 3, charge_W: 22_080 } as const;

const told = (senses: Partial<AgentSenses>): string => {
  const { order, reason } = advise({ ...usual, ...senses });
  if (order === null) return `none: ${reason}`;
  const { side, power, maxWait_rounds, minimum } = order;
  return `${side} ${power} W, waits ${maxWait_rounds}${minimum > 0 ? `, must run at ${minimum} W` : ''}: ${reason}`;
};

describe('buying', () => {
  it.each<[string, Partial<AgentSenses>, string]>([
    ['plenty of time', {}, 'buy 7360 W, waits 2: 10 kWh missing, 17 rounds at 7.4 kW; may wait 2'],
    [
      'one round to spare',
      { need: need(10_000, 19) },
      'buy 7360 W, waits 1: 10 kWh missing, 17 rounds at 7.4 kW; may wait 1',
    ],
    [
      'no round to spare',
      { need: need(10_000, 18) },
      'buy 7360 W, waits 0: 10 kWh missing, 17 rounds at 7.4 kW; may wait 0',
    ],
    [
      'time is short',
      { need: need(10_000, 17) },
      'buy 7360 W, waits 0, must run at 7360 W: 10 kWh missing, 17 rounds at 7.4 kW; it cannot wait',
    ],
    [
      'departure passed, vehicle still here',
      { need: need(10_000, -3) },
      'buy 7360 W, waits 0, must run at 7360 W: 10 kWh missing, 17 rounds at 7.4 kW; it cannot wait',
    ],
    [
      'a vehicle that takes less',
      { vehicle: { phases: 1, limit_W: 3_600 } },
      'buy 3600 W, waits 2: 10 kWh missing, 34 rounds at 3.6 kW; may wait 2',
    ],
    [
      'a thin cable',
      { cableRating: milliamps(20_000) },
      'buy 4600 W, waits 2: 10 kWh missing, 27 rounds at 4.6 kW; may wait 2',
    ],
    [
      'a partial last round',
      { need: need(300, 50) },
      'buy 3600 W, waits 2: 0.3 kWh missing, 1 round at 7.4 kW; may wait 2',
    ],
    [
      'most of the least round',
      { need: need(60, 50) },
      'buy 1380 W, waits 2: 0.1 kWh missing, 1 round at 7.4 kW; may wait 2',
    ],
    ['less than that', { need: need(57, 50) }, 'none: the missing 57 Wh are less than can be ordered'],
    [
      'three phases, the least is 4140 W',
      { installation: threePhase, need: need(200, 50) },
      'buy 4140 W, waits 2: 0.2 kWh missing, 1 round at 22.1 kW; may wait 2',
    ],
    [
      'one phase seen at a connector of three',
      { installation: threePhase, vehicle: { phases: 1, limit_W: null } },
      'buy 7360 W, waits 2: 10 kWh missing, 17 rounds at 7.4 kW; may wait 2',
    ],
    [
      'a vehicle nearly full',
      { vehicle: { phases: 1, limit_W: 900 } },
      'none: the vehicle takes 0.9 kW, less than the 1.4 kW that can be offered',
    ],
  ])('%s', (_case, senses, expected) => expect(told(senses)).toBe(expected));

  it('carries the price limit, modest if none is stated', () => {
    expect(advise(usual).order?.price_1e5EURperkWh).toBe(30_000);
    expect(advise({ ...usual, buyLimit_1e5EURperkWh: 18_000 }).order?.price_1e5EURperkWh).toBe(18_000);
  });
});

describe('selling', () => {
  it.each<[string, Partial<AgentSenses>, string]>([
    ['more than enough', { need: surplus(5_000) }, 'sell 7360 W, waits 2: 4.5 kWh more than the owner needs'],
    [
      'only what lies above the target',
      { need: surplus(400) },
      'sell 4320 W, waits 2: 0.4 kWh more than the owner needs',
    ],
    [
      'only what lies above the reserve',
      { need: surplus(5_000, 50, { reserve: wattHours(29_600) }) },
      'sell 4320 W, waits 2: 0.4 kWh more than the owner needs',
    ],
    ['too little', { need: surplus(100) }, 'none: nothing is missing, and too little is over for a sale'],
    ['leaving soon', { need: surplus(5_000, 2) }, 'sell 7360 W, waits 1: 4.5 kWh more than the owner needs'],
    ['leaving now', { need: surplus(5_000, 0) }, 'none: the departure is too near for a sale'],
    ['owner does not sell', { need: surplus(5_000), maySell: false }, 'none: nothing is missing'],
    [
      'state of charge unknown',
      { need: surplus(5_000, 50, { soc: 'unknown' }) },
      'none: nothing is missing; no sale while the state of charge is unknown',
    ],
  ])('%s', (_case, senses, expected) => expect(told(senses)).toBe(expected));
});

describe('keeping quiet', () => {
  it.each<[Partial<AgentSenses>, string]>([
    [{ pending: true }, 'none: an order is still pending'],
    [{ override: 'stop' }, 'none: stopped by the owner'],
    [{ pilot: 'A' }, 'none: no vehicle that could draw is plugged in'],
    [{ pilot: 'F' }, 'none: no vehicle that could draw is plugged in'],
    [{ pilot: 'unknown' }, 'none: no vehicle that could draw is plugged in'],
    [{ need: null }, 'none: the owner has stated no need'],
  ])('%j', (senses, expected) => expect(told(senses)).toBe(expected));
});

describe('a night of orders', () => {
  /** Each order waits as long as it may; now and then a round is terminated. Returns Wh missing at the departure. */
  const night = (terminated: (round: number) => boolean, lax: (wait: number) => number = (wait) => wait) => {
    const stated: Need = {
      battery: wattHours(50_000),
      soc: wattHours(20_000),
      missing: wattHours(20_000),
      departure: unixMillis(start + 50 * round_ms),
      reserve: wattHours(5_000),
    };
    let imported = 0;
    const now = () => needNow(stated, { imported: wattHours(imported), exported: wattHours(0) }, efficiency);
    for (let round = 0; round < 50; ) {
      const { order } = advise({ ...usual, start: unixMillis(start + round * round_ms), need: now() });
      if (order === null) break;
      round += lax(order.maxWait_rounds);
      if (round < 50 && !terminated(round)) imported += Math.floor((order.power * round_ms) / 3_600_000);
      round++;
    }
    return now().missing;
  };

  it('fills the vehicle on time though every order waits as long as it may', () => {
    expect(night(() => false)).toBeLessThan(60);
    expect(night((round) => round === 30)).toBeLessThan(60);
  });

  it('would not if orders waited without regard to the time', () => {
    expect(
      night(
        () => false,
        () => 2,
      ),
    ).toBeGreaterThan(5_000);
  });
});

describe('the need as it stands', () => {
  const stated: Need = {
    battery: wattHours(50_000),
    soc: wattHours(40_000),
    missing: wattHours(9_000),
    departure: unixMillis(start),
    reserve: wattHours(5_000),
  };
  const standing = (imported: number, exported: number, more: Partial<Need> = {}) =>
    needNow({ ...stated, ...more }, { imported: wattHours(imported), exported: wattHours(exported) }, efficiency);

  it('falls by what was charged less its losses, rises by what was fed back and its losses', () => {
    expect(standing(0, 0)).toMatchObject({ missing: 9_000, toDraw: 10_000, soc: 40_000 });
    expect(standing(5_000, 0)).toMatchObject({ missing: 4_500, toDraw: 5_000, soc: 44_500 });
    expect(standing(0, 900)).toMatchObject({ missing: 10_000, soc: 39_000 });
    expect(standing(11_000, 0)).toMatchObject({ missing: -900, toDraw: 0, soc: 49_900 });
  });

  it('never asks for more than the battery holds', () => {
    expect(standing(0, 0, { missing: wattHours(90_000) }).missing).toBe(10_000);
    expect(standing(0, 0, { missing: wattHours(90_000), soc: 'unknown' })).toMatchObject({
      missing: 50_000,
      soc: 'unknown',
    });
  });
});
