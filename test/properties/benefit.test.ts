/** PFint and lambda against a second implementation with another algorithm, and properties of window and reserve. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import { refusal } from '../../firmware/protocol/benefit/feasible.ts';
import type { Instance, PlanAhead, Side } from '../../firmware/protocol/benefit/instance.ts';
import { lambda } from '../../firmware/protocol/benefit/lambda.ts';
import { pfInt, slopes_W } from '../../firmware/protocol/benefit/power-fluctuation.ts';
import { compareRank } from '../../firmware/protocol/benefit/rank.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { withPatched } from '../mutate.ts';
import { randomInstance, seeded } from '../unit/random-instance.ts';

/** The variance by pairs: W sum(l^2) - (sum l)^2 = sum over i < j of (l_i - l_j)^2. */
function pfByPairs(slopes: readonly number[]): bigint {
  let sum = 0n;
  for (let i = 0; i < slopes.length; i++)
    for (let j = 0; j < i; j++) sum += (BigInt(slopes[i]!) - BigInt(slopes[j]!)) ** 2n;
  return sum;
}

/** The largest whole number x with x (PF + K) <= L0 K, by bisection instead of division. */
function lambdaByBisection(pf: bigint, slopes: number): bigint {
  const k = BigInt(slopes) ** 2n * 10_000n;
  let low = 0n;
  let high = 2n ** 48n + 1n;
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (middle * (pf + k) <= 2n ** 48n * k) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * The reserve as it is stated, in floats and order by order: per round a twentieth of the surprise for the squared
 * distance from the middle (1 at a wall); a tenth of the square of what lacks of three rounds' surprises to a wall;
 * 0.35 of the square of what lacks, under the capacity, of the surprise of the unknown orders that must run in the round, and ten times it
 * where there are none.
 */
function reserveByDefinition(instance: Instance, net_W: readonly number[]): number {
  const last = net_W.length - 1;
  const site = (side: Side, power_W: number): number =>
    side === 'buy' ? power_W : Math.floor((power_W * instance.dischargingEfficiency_ppm) / 1e6);
  const orders = [
    ...instance.pending.map((o) => ({ side: o.side, arrives: 0, due: o.remainingWait_rounds, power_W: o.power_W })),
    ...(['buy', 'sell'] as const).flatMap((side) =>
      (side === 'buy' ? instance.buyForecast_W : instance.sellForecast_W)
        .map((power_W, k) => ({ side, arrives: k, due: k + instance.maxWait_rounds, power_W }))
        .slice(1),
    ),
  ].map((o) => ({ ...o, site_W: site(o.side, o.power_W), due: instance.closes ? Math.min(o.due, last) : o.due }));
  const usual_W = instance.surprise.map((square) => Math.sqrt(square) * 100);
  let ran_W = 0;
  return net_W.reduce((total, net, k) => {
    ran_W += net;
    const sum = (side: Side, by: 'arrives' | 'due'): number =>
      orders.filter((o) => o.side === side && o[by] <= k).reduce((power, o) => power + o.site_W, 0);
    const least_W = sum('buy', 'due') - sum('sell', 'arrives');
    const most_W = sum('buy', 'arrives') - sum('sell', 'due');
    const half_W = Math.max((most_W - least_W) / 2, 5000);
    const middle = Math.min(1, (0.05 * usual_W[k]! ** 2) / half_W ** 2) * (ran_W - (least_W + most_W) / 2) ** 2;
    const clear_W = Math.hypot(usual_W[k]!, k > 1 ? usual_W[k - 1]! : 0, k > 2 ? usual_W[k - 2]! : 0);
    const lacks_W = [least_W + clear_W - ran_W, ran_W - (most_W - clear_W)].map((lack) => Math.max(0, lack));
    const walls = k === 0 || (instance.closes && k === last) ? 0 : 0.1 * (lacks_W[0]! ** 2 + lacks_W[1]! ** 2);
    const dueOf = (arrives: number): number =>
      instance.closes ? Math.min(arrives + instance.maxWait_rounds, last) : arrives + instance.maxWait_rounds;
    const unknown_W = usual_W.filter((_, arrives) => arrives > 0 && arrives <= k && dueOf(arrives) === k);
    const room_W = instance.limits.capacity_W - instance.limits.margin_W - Math.hypot(...unknown_W);
    const excess_W = Math.max(0, net + instance.load_W[k]! - Math.max(room_W, instance.load_W[k]!));
    return total + middle + walls + (k === 0 ? 0 : (unknown_W.length > 0 ? 0.35 : 10) * excess_W ** 2);
  }, 0);
}

/** Theta as it is stated: round by round, for every order and every forecast flow what of it falls there. */
function thetaByDefinition(instance: Instance, plan: PlanAhead): number[] {
  const site_W = (side: Side, power_W: number): number =>
    side === 'buy' ? power_W : -Number((BigInt(power_W) * BigInt(instance.dischargingEfficiency_ppm)) / 1_000_000n);
  return instance.load_W.map((load_W, k) => {
    let theta = load_W;
    for (const [i, { side, power_W }] of instance.pending.entries()) {
      const planned = plan.orders[i]!;
      theta += site_W(side, typeof planned !== 'number' ? (planned[k] ?? 0) : planned === k ? power_W : 0);
    }
    for (let arrives = 1; arrives <= k; arrives++) {
      const part = (forecast_W: number, shares: readonly number[]): number =>
        Number((BigInt(forecast_W) * BigInt(shares[k - arrives] ?? 0)) / 1_000_000n);
      const { buy_ppm, sell_ppm } = plan.shares[arrives - 1]!;
      theta += site_W('buy', part(instance.buyForecast_W[arrives]!, buy_ppm));
      theta += site_W('sell', part(instance.sellForecast_W[arrives]!, sell_ppm));
    }
    return theta;
  });
}

/** Any plan of the declared form: waits, parts and shares at random. */
function randomPlan(instance: Instance, random: () => number): PlanAhead {
  const cut = (total: number, pieces: number): number[] => {
    const cuts = Array.from({ length: pieces - 1 }, () => Math.floor(random() * (total + 1))).sort((a, b) => a - b);
    return [...cuts, total].map((end, i) => end - (i > 0 ? cuts[i - 1]! : 0));
  };
  return {
    orders: instance.pending.map(({ divisible, power_W, remainingWait_rounds: wait }) =>
      divisible ? cut(power_W, wait + 1) : Math.floor(random() * (wait + 1)),
    ),
    shares: instance.load_W.slice(1).map(() => ({
      buy_ppm: cut(1_000_000, instance.maxWait_rounds + 1),
      sell_ppm: cut(1_000_000, instance.maxWait_rounds + 1),
    })),
  };
}

const powers = fc.array(fc.integer({ min: -20_000_000, max: 20_000_000 }), { minLength: 2, maxLength: 289 });

describe('PFint', () => {
  it('equals the sum over pairs', () => {
    fc.assert(
      fc.property(powers, (theta) => {
        expect(pfInt(slopes_W(theta))).toBe(pfByPairs(slopes_W(theta)));
      }),
    );
  });
  it('does not see a ramp, nor the direction of time', () => {
    fc.assert(
      fc.property(powers, fc.integer({ min: -10_000, max: 10_000 }), (theta, ramp) => {
        const is = pfInt(slopes_W(theta));
        expect(pfInt(slopes_W(theta.map((power, k) => power + ramp * k)))).toBe(is);
        expect(pfInt(slopes_W([...theta].reverse()))).toBe(is);
      }),
    );
  });
  it('a float sum would not do: it depends on the order of summation', () => {
    const float = (slopes: readonly number[]): number => {
      const mean = slopes.reduce((sum, slope) => sum + slope, 0) / slopes.length;
      return slopes.reduce((sum, slope) => sum + (slope - mean) ** 2, 0) / slopes.length;
    };
    const slopes = slopes_W(randomInstance(3, { orders: 0, rounds: 1, window: 288 }).theta_W);
    const shuffles = Array.from({ length: 50 }, (_, i) => [...slopes.slice(i), ...slopes.slice(0, i)]);
    expect(new Set(shuffles.map(float)).size).toBeGreaterThan(1);
    expect(new Set(shuffles.map(pfInt)).size).toBe(1);
  });
});

describe('lambda', () => {
  it('equals the bisection, and falls with PFint', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 70n }), fc.integer({ min: 1, max: 288 }), (pf, slopes) => {
        expect(lambda(pf, slopes)).toBe(lambdaByBisection(pf, slopes));
        expect(lambda(pf + 1n, slopes) <= lambda(pf, slopes)).toBe(true);
      }),
    );
  });
});

describe('rank', () => {
  it('is a total order', () => {
    const candidate = fc.record({
      pfInt: fc.bigInt({ min: 0n, max: 10n ** 9n }),
      slopes: fc.constant(48),
      welfare: fc.bigInt({ min: 0n, max: 2n }),
      operations: fc.integer({ min: 0, max: 2 }),
      tie: fc.constantFrom('00', '7f', '80'),
    });
    fc.assert(
      fc.property(candidate, candidate, candidate, (a, b, c) => {
        expect(compareRank(a, b)).toBe(-compareRank(b, a) || 0);
        if (compareRank(a, b) <= 0 && compareRank(b, c) <= 0) expect(compareRank(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });
});

describe('Theta', () => {
  type Theta = (instance: Instance, plan: PlanAhead) => readonly number[];
  const differing = (theta: Theta): number =>
    Array.from({ length: 80 }, (_, seed) => {
      const instance = randomInstance(seed, { orders: seed % 13, rounds: 1 + (seed % 9), window: 24, divisible: 0.5 });
      const plan = randomPlan(instance, seeded(seed));
      const [is, stated] = [theta(instance, plan), thetaByDefinition(instance, plan)];
      return +is.some((power, k) => power !== stated[k]);
    }).reduce((sum, one) => sum + one, 0);

  it('of any plan is what its orders and flows add up to', () => {
    expect(differing((instance, plan) => evaluate(instance, plan).theta_W)).toBe(0);
  });
  it.each([
    ['parts that all run at once', 'if (wait < net.length) net[wait]!', 'net[0]!'],
    ['shares that do not wait', 'net[k + wait]! += mulDiv(', 'net[k]! += mulDiv('],
    ['sells without the converter', "net[k + wait]! += siteEffect_W(instance, 'sell', ", 'net[k + wait]! -= ('],
  ])('%s are noticed', async (mutant, find, replace) => {
    const file = 'firmware/protocol/benefit/theta.ts';
    const source = { folders: ['firmware'], entry: file, patches: [{ file, find, replace }] };
    const wrong = (m: { planTheta_W: Theta }): number => differing(m.planTheta_W);
    expect(await withPatched(mutant, source, wrong)).toBeGreaterThan(0);
  });
});

describe('a plan', () => {
  it('has the benefit that its Theta has, whichever way it is added up', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 1, max: 12 }),
        (seed, orders, rounds) => {
          const random = randomInstance(seed, { orders, rounds, window: 24, divisible: 0.3, capacity_W: 400_000 });
          const instance: Instance = {
            ...random,
            closes: seed % 3 === 0,
            limits: { ...random.limits, margin_W: 5000 },
          };
          const plan = solve(instance);
          expect(refusal(instance, plan)).toBeNull();
          const benefit = evaluate(instance, plan);
          const slopes = slopes_W([...instance.theta_W, ...benefit.theta_W]).slice(-24);
          expect(benefit.pfInt).toBe(pfByPairs(slopes) + BigInt(slopes.length) * benefit.reserve);
          expect(benefit.lambda).toBe(lambdaByBisection(benefit.pfInt, slopes.length));
          // Whole watts are rounded before they are squared: 2 W more or less at each wall.
          const stated = reserveByDefinition(
            instance,
            benefit.theta_W.map((theta, k) => theta - instance.load_W[k]!),
          );
          expect(Math.abs(Number(benefit.reserve) - stated)).toBeLessThan(1 + 1e-4 * stated + rounds * 1e4);
        },
      ),
      { numRuns: 60 },
    );
  });
});
