import { describe, expect, it } from 'vitest';
import { curtailment } from '../../firmware/protocol/benefit/curtailment.ts';
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import { refusal } from '../../firmware/protocol/benefit/feasible.ts';
import { forecastSeries, persistence_ppm, profile } from '../../firmware/protocol/benefit/forecast.ts';
import type { Instance, PendingOrder, PlanAhead } from '../../firmware/protocol/benefit/instance.ts';
import { floorDiv, integerSqrt, mulDiv } from '../../firmware/protocol/benefit/instance.ts';
import { L0, lambda } from '../../firmware/protocol/benefit/lambda.ts';
import { pfInt, window_W } from '../../firmware/protocol/benefit/power-fluctuation.ts';
import { type Candidate, compareRank } from '../../firmware/protocol/benefit/rank.ts';
import { cares, clearances } from '../../firmware/protocol/benefit/reserve.ts';
import { bounds_W } from '../../firmware/protocol/benefit/safety.ts';
import { planTheta_W } from '../../firmware/protocol/benefit/theta.ts';
import { frozenBenefit, recomputed } from '../vectors/benefit.ts';

const order = (fields: Partial<PendingOrder>): PendingOrder => ({
  id: 'a0',
  node: 0,
  side: 'buy',
  power_W: 11_000,
  remainingWait_rounds: 2,
  curtailed_rounds: 0,
  divisible: false,
  minimum_W: 1380,
  ...fields,
});

/** Whose load lies on its forecast, the margin more or less. */
const instance = (fields: Partial<Instance>): Instance => {
  const made = { ...AN_HOUR, ...fields };
  const [least_W, most_W] = [-1, 1].map((side) => made.load_W[0]! + side * made.limits.margin_W) as [number, number];
  return { ...made, loadBetween_W: { least_W, most_W } };
};
const AN_HOUR: Omit<Instance, 'loadBetween_W'> = {
  round: 100,
  roundTime_s: 1800,
  slotsPerDay: 48,
  theta_W: [100_000, 100_000],
  load_W: [100_000],
  buyForecast_W: [0],
  sellForecast_W: [0],
  surprise: [0],
  maxWait_rounds: 2,
  closes: false,
  chargingEfficiency_ppm: 930_000,
  dischargingEfficiency_ppm: 930_000,
  limits: {
    capacity_W: 800_000,
    exportLimit_W: 800_000,
    margin_W: 0,
    safeShares_W: [],
    lostParts: 0,
    connectors: [],
  },
  pending: [],
  directions: [],
};

describe('whole numbers', () => {
  it.each([
    [7, 2, 3],
    [-7, 2, -4],
    [-1, 1_000_000, -1],
    [9_007_199_254_740_991, 3, 3_002_399_751_580_330],
    [-9_007_199_254_740_991, 2, -4_503_599_627_370_496],
  ])('floor(%d / %d) = %d', (a, b, quotient) => expect(floorDiv(a, b)).toBe(quotient));

  it('multiplies exactly past 2^53', () => {
    expect(mulDiv(123_456_789_012, 999_999, 1_000_000)).toBe(123_456_665_555);
    expect(mulDiv(-123_456_789_012, 999_999, 1_000_000)).toBe(-123_456_665_556);
  });
});

describe('published vectors of PFint and lambda', () => {
  // Theta in W; PFint = W sum(l^2) - (sum l)^2 worked by hand.
  it.each([
    { theta: [5000], pf: 0n, is: L0 },
    { theta: [0, 100, 200, 300], pf: 0n, is: L0 }, // finding 3: a ramp does not fluctuate
    { theta: [0, 300, 0], pf: 2n * 180_000n, is: 28_147_497_671_065n }, // slopes 300, -300; K = 40,000
    { theta: [10, 0, 10, 0], pf: 3n * 300n - 100n, is: 278_995_020_968_711n }, // K = 90,000
  ])('$theta', ({ theta, pf, is }) => {
    const window = window_W(theta, [], 48);
    expect(pfInt(window)).toBe(pf);
    expect(lambda(pf, window.length)).toBe(is);
  });

  it('keeps a day of slopes at most', () => {
    expect(window_W([9, 9, 9, 1, 2, 4], [8, 16], 4)).toEqual([1, 2, 4, 8]);
    expect(window_W([1, 2], [4, 8, 16, 32], 2)).toEqual([8, 16]);
  });
});

it('the cases published for other implementations come out as they are written down', () => {
  expect(recomputed()).toBe(frozenBenefit());
});

describe('Theta of a plan', () => {
  it('adds buys, takes off what the converter leaves of sells, and spreads forecast orders by their shares', () => {
    const problem = instance({
      load_W: [100_000, 110_000],
      buyForecast_W: [0, 10_000],
      sellForecast_W: [0, 1001],
      surprise: [0, 0],
      pending: [order({ power_W: 22_000 }), order({ id: 'b0', node: 1, side: 'sell', power_W: 3001 })],
    });
    const plan: PlanAhead = {
      orders: [1, 0],
      shares: [{ buy_ppm: [250_000, 750_000, 0], sell_ppm: [1_000_000, 0, 0] }],
    };
    expect(refusal(problem, plan)).toBeNull();
    expect(planTheta_W(problem, plan)).toEqual([100_000 - 2790, 110_000 + 22_000 + 2500 - 930]);
  });
});

describe('validity of a plan', () => {
  const problem = instance({ pending: [order({ remainingWait_rounds: 0 }), order({ id: 'b0', node: 1 })] });
  it.each([
    ['both in time', [0, 2], null],
    ['the forced one late', [1, 0], 'must-run'],
    ['past the cap', [0, 3], 'wait'],
    ['half a round', [0, 0.5], 'wait'],
    ['parts of an indivisible order', [0, [5000, 6000, 0]], 'parts'],
    ['an order missing', [0], 'order-count'],
  ] as const)('%s', (_, orders, code) => {
    expect(refusal(problem, { orders: [...orders], shares: [] })?.code ?? null).toBe(code);
  });

  it('parts of a divisible order keep its sum and the least power of the connector', () => {
    const divisible = instance({ pending: [order({ divisible: true })] });
    const code = (parts: number[]) => refusal(divisible, { orders: [parts], shares: [] })?.code ?? null;
    expect(code([6000, 5000, 0])).toBeNull();
    expect(code([10_000, 1000, 0])).toBe('parts');
    expect(code([6000, 4000, 0])).toBe('parts');
  });

  it('one connector: one direction, and no more than its rating', () => {
    const pair = (side: 'buy' | 'sell', power_W: number) =>
      instance({
        pending: [order({}), order({ id: 'b0', side, power_W })],
        limits: { ...instance({}).limits, connectors: [{ charge_W: 22_000, discharge_W: 11_000 }] },
      });
    const together: PlanAhead = { orders: [0, 0], shares: [] };
    expect(refusal(pair('buy', 11_000), together)).toBeNull();
    expect(refusal(pair('buy', 11_001), together)?.code).toBe('connector');
    expect(refusal(pair('sell', 3000), together)?.code).toBe('connector');
  });
});

describe('physical safety', () => {
  const limits = { ...instance({}).limits, capacity_W: 130_000, margin_W: 5000, lostParts: 1 };

  it('counts safe shares of idle nodes and not on the largest discharge', () => {
    const problem = instance({
      limits: { ...limits, safeShares_W: [4000, 4000, 4000] },
      pending: [
        order({ node: 0 }),
        order({ id: 'b0', node: 1, side: 'sell', power_W: 10_000 }),
        order({ id: 'c0', node: 2, side: 'sell', power_W: 20_000 }),
      ],
    });
    const all = problem.pending.map(({ power_W }, index) => ({ index, power_W }));
    expect(bounds_W(problem, all).import_W).toBe(100_000 + 5000 + 11_000 + 4000 + 4000 - 9300);
  });

  it('curtails by a fixed rule only what does not fit: curtailed before first, then tie order', () => {
    const problem = instance({
      limits,
      pending: [
        order({ id: 'a0', node: 0, remainingWait_rounds: 0 }),
        order({ id: 'b0', node: 1, remainingWait_rounds: 0 }),
        order({ id: 'c0', node: 2, remainingWait_rounds: 0, curtailed_rounds: 1 }),
      ],
    });
    expect([...curtailment(problem)]).toEqual([[1, 0]]);
    expect(refusal(problem, { orders: [0, 1, 0], shares: [] })).toBeNull();
    expect(refusal(problem, { orders: [1, 0, 0], shares: [] })?.code).toBe('must-run');
    expect(refusal(problem, { orders: [0, 0, 0], shares: [] })?.code).toBe('capacity');
  });

  it('divisible forced orders share one level', () => {
    const divisible = [0, 1, 2].map((node) =>
      order({ id: `${node}0`, node, power_W: [4000, 22_000, 22_000][node]!, remainingWait_rounds: 0, divisible: true }),
    );
    expect([...curtailment(instance({ limits, pending: divisible }))]).toEqual([
      [1, 10_500],
      [2, 10_500],
    ]);
  });

  it('a divisible order that is granted a part cannot be put off as a whole', () => {
    const problem = instance({
      limits,
      pending: [order({ power_W: 40_000, remainingWait_rounds: 0, divisible: true })],
    });
    expect([...curtailment(problem)]).toEqual([[0, 25_000]]);
    expect(refusal(problem, { orders: [[25_000, 15_000]], shares: [] })).toBeNull();
    expect(refusal(problem, { orders: [1], shares: [] })?.code).toBe('must-run');
  });

  it('a load that breaks the limit alone refuses buys, but not idleness', () => {
    const problem = instance({ load_W: [200_000], limits, pending: [order({})] });
    expect(refusal(problem, { orders: [1], shares: [] })).toBeNull();
    expect(refusal(problem, { orders: [0], shares: [] })?.code).toBe('capacity');
  });
});

describe('the reserve', () => {
  // A tube of -50 to 50 kW, and 10 kW of usual surprise in the next round.
  const problem = instance({
    theta_W: [100_000, 100_000],
    load_W: [100_000, 100_000],
    buyForecast_W: [0, 0],
    sellForecast_W: [0, 0],
    surprise: [10_000, 10_000],
    pending: [order({ power_W: 50_000 }), order({ id: 'b0', node: 1, side: 'sell', power_W: 50_000 })],
  });
  const now = { buy_ppm: [1_000_000, 0, 0], sell_ppm: [1_000_000, 0, 0] };
  const reserveOf = (orders: number[], changed = {}): bigint =>
    evaluate({ ...problem, ...changed }, { orders, shares: [now] }).reserve;
  /** 10 kW squared. */
  const SURPRISE = 10_000n ** 2n;

  it('at a wall is a twentieth of the surprise for each round there, and a tenth where a surprise may still come', () => {
    expect(reserveOf([2, 2])).toBeLessThan(SURPRISE / 1000n); // the middle, but for what the converter loses
    const quiet = { surprise: [10_000, 0] };
    expect(reserveOf([0, 2], quiet)).toBe(SURPRISE / 20n);
    expect(reserveOf([0, 2])).toBe(2n * (SURPRISE / 20n) + SURPRISE / 10n);
    expect(reserveOf([2, 0])).toBe(2n * (SURPRISE / 20n) + SURPRISE / 10n);
  });

  it('keeps no clearance in the last round of a day, when nothing is unknown', () => {
    const closed = problem.pending.map((pending) => ({ ...pending, remainingWait_rounds: 1 }));
    expect(clearances({ ...problem, closes: true, pending: closed })).toEqual([null, null]);
    expect(clearances({ ...problem, pending: closed })).not.toEqual([null, null]);
  });

  it('keeps clear by the surprises of three rounds, added up as squares', () => {
    const flat = (value: number): number[] => new Array<number>(5).fill(value);
    const quiet = { load_W: flat(100_000), buyForecast_W: flat(0), sellForecast_W: flat(0), surprise: flat(10_000) };
    // Nothing pending: the tube has no width, so what a round keeps clear is all there is.
    expect(clearances(instance(quiet)).map((clear) => clear?.least_W)).toEqual([
      undefined,
      10_000,
      14_142,
      17_320,
      17_320,
    ]);
  });

  it('keeps free under the capacity the surprise of what must run and nobody knows yet', () => {
    const flat = (value: number): number[] => new Array<number>(5).fill(value);
    const quiet = { load_W: flat(100_000), buyForecast_W: flat(0), sellForecast_W: flat(0), surprise: flat(10_000) };
    const limits = { ...instance({}).limits, capacity_W: 200_000, margin_W: 5000 };
    const room = (changed: Partial<Instance>) =>
      cares(instance({ ...quiet, limits, ...changed })).map((care) => care?.power_W ?? null);
    expect(room({ maxWait_rounds: 2 })).toEqual([null, 195_000, 195_000, 185_000, 185_000]);
    expect(cares(instance({ ...quiet, limits, maxWait_rounds: 2 })).map((care) => care?.price_ppt)).toEqual([
      undefined,
      10_000,
      10_000,
      350,
      350,
    ]);
    expect(room({ maxWait_rounds: 0 })).toEqual([null, 185_000, 185_000, 185_000, 185_000]);
    // The day closes: in its last round all that comes from two rounds before on must run.
    expect(room({ maxWait_rounds: 2, closes: true })).toEqual([null, 195_000, 195_000, 185_000, 195_000 - 17_320]);
    expect(room({ maxWait_rounds: 2, closes: true, load_W: flat(190_000) }).at(-1)).toBe(190_000);
  });
});

describe('rank', () => {
  const candidate = (fields: Partial<Candidate>): Candidate => ({
    pfInt: 10n ** 12n,
    slopes: 48,
    welfare: 0n,
    operations: 10,
    tie: '80',
    ...fields,
  });
  it.each([
    ['a visibly better plan wins whatever it wears', { pfInt: 99n * 10n ** 10n, operations: 99 }, {}],
    ['the meters cannot tell: welfare', { pfInt: 10n ** 12n + 100n, welfare: 1n }, {}],
    ['then fewer contacts', { pfInt: 10n ** 12n + 100n, operations: 9 }, {}],
    ['then PFint', { pfInt: 10n ** 12n - 1n }, {}],
    ['then the tie', { tie: '7f' }, {}],
  ] as const)('%s', (_, better, worse) => {
    expect(compareRank(candidate(better), candidate(worse))).toBeLessThan(0);
    expect(compareRank(candidate(worse), candidate(better))).toBeGreaterThan(0);
  });

  it('integer roots', () => {
    for (const n of [0n, 1n, 3n, 4n, 10n ** 30n, 10n ** 30n - 1n]) {
      const root = integerSqrt(n);
      expect(root * root <= n && (root + 1n) ** 2n > n).toBe(true);
    }
  });
});

describe('the forecast', () => {
  const f = {
    known: 96,
    round: 97,
    rounds: 3,
    slotsPerDay: 48,
    roundTime_s: 1800,
    reach_s: 1800,
    unknown: 'persists',
  } as const;
  it('knows nothing: the load persists, orders do not', () => {
    expect(forecastSeries(new Map([[96, 7]]), f)).toEqual([7, 7, 7]);
    expect(forecastSeries(new Map([[96, 7]]), { ...f, unknown: 'zero' })).toEqual([0, 0, 0]);
  });
  it('falls back on the prior profile', () => {
    const prior = Array.from({ length: 48 }, (_, slot) => slot * 100);
    expect(forecastSeries(new Map(), { ...f, prior })).toEqual([100, 200, 300]);
  });
  it('a deviation fades as past deviations did', () => {
    // Two days: slot means 1000; deviations +200, +100, +50, .. halve each round on one day and mirror on the other.
    const series = new Map<number, number>();
    for (let slot = 0; slot < 48; slot++) {
      const deviation = Math.round(3200 / 2 ** (slot % 8));
      series.set(slot, 10_000 + deviation);
      series.set(48 + slot, 10_000 - deviation);
    }
    series.set(96, 10_800);
    const mean = profile(series, f);
    expect(mean.every((value) => value === 10_000)).toBe(true);
    const rho = persistence_ppm(series, mean, f);
    expect(rho).toBeGreaterThan(400_000);
    expect(rho).toBeLessThan(600_000);
    const [first, second] = forecastSeries(series, f);
    expect(first! - 10_000).toBe(mulDiv(800, rho, 1_000_000));
    expect(second!).toBeLessThan(first!);
  });
});
