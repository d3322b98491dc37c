/** PFint and lambda against a second implementation with another algorithm, and properties of window and reserve. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import { refusal } from '../../firmware/protocol/benefit/feasible.ts';
import { lambda } from '../../firmware/protocol/benefit/lambda.ts';
import { pfInt, slopes_W } from '../../firmware/protocol/benefit/power-fluctuation.ts';
import { compareRank } from '../../firmware/protocol/benefit/rank.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { randomInstance } from '../unit/random-instance.ts';

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

describe('a plan', () => {
  it('has the benefit that its Theta has, whichever way it is added up', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 1, max: 12 }),
        (seed, orders, rounds) => {
          const instance = randomInstance(seed, { orders, rounds, window: 24, divisible: 0.3 });
          const plan = solve(instance);
          expect(refusal(instance, plan)).toBeNull();
          const benefit = evaluate(instance, plan);
          const slopes = slopes_W([...instance.theta_W, ...benefit.theta_W]).slice(-24);
          expect(benefit.pfInt).toBe(pfByPairs(slopes) + BigInt(slopes.length) * benefit.reserve);
          expect(benefit.lambda).toBe(lambdaByBisection(benefit.pfInt, slopes.length));
        },
      ),
      { numRuns: 60 },
    );
  });
});
