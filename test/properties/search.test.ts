/** The search: near the best of all plans, parts never worse than wholes, and a valid plan whenever time is up. */
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import { refusal } from '../../firmware/protocol/benefit/feasible.ts';
import type { Instance, PlanAhead } from '../../firmware/protocol/benefit/instance.ts';
import { siteEffect_W } from '../../firmware/protocol/benefit/instance.ts';
import * as real from '../../firmware/solver/solve.ts';
import { valuation } from '../../firmware/solver/valuation.ts';
import { withPatched } from '../mutate.ts';
import { randomInstance } from '../unit/random-instance.ts';

type Solver = typeof real;

/** Runs with a solver in which one rule of a file is changed. */
const mutated = <T>(meaning: string, file: string, find: string, replace: string, run: (module: Solver) => T) =>
  withPatched<Solver, T>(
    meaning,
    {
      folders: ['firmware'],
      entry: 'firmware/solver/solve.ts',
      patches: [{ file: `firmware/solver/${file}`, find, replace }],
    },
    run,
  );

const pf = (instance: Instance, plan: PlanAhead): number => Number(evaluate(instance, plan).pfInt);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

it('the value that is searched by is the PFint of the benefit over W, but for what is rounded', () => {
  for (let seed = 0; seed < 40; seed++) {
    const instance = randomInstance(seed, { orders: 20, rounds: 1 + (seed % 12), window: 24, capacity_W: 400_000 });
    const benefit = evaluate(instance, real.solve(instance, 'once'));
    const net_W = benefit.theta_W.map((theta, k) => theta - instance.load_W[k]!);
    const searched = valuation(instance)(net_W, net_W.length) * benefit.slopes;
    expect(Math.abs(searched - Number(benefit.pfInt)) / Number(benefit.pfInt)).toBeLessThan(1e-6);
  }
});

describe('more plans than are all looked at', () => {
  /** Three rounds, no forecast orders, 60,000 to 2 million plans. */
  const instances = Array.from({ length: 60 }, (_, seed) => {
    const base = randomInstance(seed, { orders: 17, rounds: 3, window: 12, roughness_W: 20_000 });
    return { ...base, buyForecast_W: [0, 0, 0], sellForecast_W: [0, 0, 0] };
  })
    .filter(({ pending }) => {
      const plans = pending.reduce((product, order) => product * (order.remainingWait_rounds + 1), 1);
      return plans > 60_000 && plans < 2_000_000;
    })
    .slice(0, 20);

  /** The best plan: only sums count, so of the plans that lead to the same powers one is kept, order by order. */
  function bestPf(instance: Instance): number {
    type Sums = { net_W: number[]; waits: number[] };
    let reached: Sums[] = [{ net_W: [0, 0, 0], waits: [] }];
    for (const { side, power_W, remainingWait_rounds } of instance.pending) {
      const effect_W = siteEffect_W(instance, side, power_W);
      const next = new Map<number, Sums>();
      for (const { net_W, waits } of reached)
        for (let wait = 0; wait <= remainingWait_rounds; wait++) {
          const sums_W = net_W.map((power, k) => power + (k === wait ? effect_W : 0));
          const key = sums_W[0]! * 20_000_003 + sums_W[1]!; // the third follows: all run within the look-ahead
          if (!next.has(key)) next.set(key, { net_W: sums_W, waits: [...waits, wait] });
        }
      reached = [...next.values()];
    }
    const value = valuation(instance);
    const best = reached
      .map(({ net_W, waits }) => ({ waits, value: value(net_W, 3) }))
      .reduce((least, one) => (one.value < least.value ? one : least));
    return pf(instance, { orders: best.waits, shares: real.solve(instance).shares });
  }
  const best = instances.map(bestPf);
  const gaps = ({ solve }: Solver): number[] =>
    instances.map((instance, i) => (pf(instance, solve(instance)) - best[i]!) / best[i]!);

  it('mean 0.1 %, worst 2 % from the best', () => {
    expect(instances.length).toBe(20);
    const found = gaps(real);
    console.log(
      `distance to brute force, 17 orders: mean ${(100 * mean(found)).toFixed(4)} %, worst ${(100 * Math.max(...found)).toFixed(3)} %`,
    );
    expect(Math.min(...found)).toBeGreaterThan(-1e-9);
    expect(mean(found)).toBeLessThan(0.001);
    expect(Math.max(...found)).toBeLessThan(0.02);
  });
  it('pairs alone are not enough', async () => {
    const change = ['while ((whole.length / (size + 1))', 'while (false && (whole.length / (size + 1))'] as const;
    expect(Math.max(...(await mutated('pairs alone', 'improve.ts', ...change, gaps)))).toBeGreaterThan(0.02);
  });
  it('nor is the first plan', () => {
    const atOnce = { solve: (instance: Instance) => real.solve(instance, 'plan', { deadline: () => true }) };
    expect(Math.max(...gaps({ ...real, ...atOnce }))).toBeGreaterThan(0.02);
  });
});

describe('divisible orders', () => {
  const shapes = [
    { orders: 3, rounds: 3 },
    { orders: 5, rounds: 12 },
    { orders: 10, rounds: 12 },
    { orders: 40, rounds: 12 },
  ];
  /** By instance, how much better (below 0) the parts are than the same orders as wholes. */
  const differences = ({ solve }: Solver): number[] =>
    shapes.flatMap((shape) =>
      Array.from({ length: 25 }, (_, seed) => {
        const whole = randomInstance(seed, { ...shape, window: 48, roughness_W: 20_000 });
        const divisible = { ...whole, pending: whole.pending.map((order) => ({ ...order, divisible: true })) };
        const plan = solve(divisible);
        expect(refusal(divisible, plan)).toBeNull();
        const wholes = pf(whole, real.solve(whole));
        return (pf(divisible, plan) - wholes) / wholes;
      }),
    );

  it('are never worse than wholes, and gain where few wait', () => {
    const found = differences(real);
    expect(Math.max(...found)).toBeLessThan(1e-9);
    expect(mean(found.slice(0, 25))).toBeLessThan(-0.01);
  });
  it('a search that moves no parts gains nothing', async () => {
    const found = await mutated('no parts', 'improve.ts', 'this.#moveParts(index);', '', differences);
    expect(mean(found.slice(0, 25))).toBeGreaterThan(-0.01);
  });
  it('a search that begins with parts at once is worse than wholes', async () => {
    const change = [
      'this.#searchWhole(free);',
      'this.#searchWhole(free.filter((i) => !pending[i]!.divisible));',
    ] as const;
    expect(Math.max(...(await mutated('parts at once', 'improve.ts', ...change, differences)))).toBeGreaterThan(1e-6);
  });
  it('two of them come to within 2 % of the best of all parts in steps of 500 W', () => {
    for (let seed = 0; seed < 10; seed++) {
      const base = randomInstance(seed, { orders: 2, rounds: 3, window: 12, roughness_W: 5000 });
      const instance: Instance = {
        ...base,
        pending: base.pending.map((order, i) => ({
          ...order,
          power_W: 7000 + 500 * ((seed + 3 * i) % 5),
          remainingWait_rounds: 2,
          divisible: true,
          minimum_W: 1500,
        })),
      };
      const ours = real.solve(instance);
      const { shares } = ours;
      const partsOf = (power_W: number): number[][] => {
        const list: number[][] = [];
        for (let a = 0; a <= power_W; a += 500)
          for (let b = 0; a + b <= power_W; b += 500)
            if ([a, b, power_W - a - b].every((part) => part === 0 || part >= 1500)) list.push([a, b, power_W - a - b]);
        return list;
      };
      const [first, second] = instance.pending.map(({ power_W }) => partsOf(power_W));
      const value = valuation(instance);
      const rest_W = evaluate(instance, { orders: [3, 3], shares }).theta_W.map((t, k) => t - instance.load_W[k]!);
      const signed = (i: number, part_W: number): number => siteEffect_W(instance, instance.pending[i]!.side, part_W);
      let least = Number.POSITIVE_INFINITY;
      for (const a of first!)
        for (const b of second!)
          least = Math.min(
            least,
            value(
              rest_W.map((power, k) => power + signed(0, a[k]!) + signed(1, b[k]!)),
              3,
            ),
          );
      const slopes = evaluate(instance, ours).slopes;
      expect(pf(instance, ours) / slopes / least).toBeLessThan(1.02);
    }
  });
});

describe('time is up', () => {
  const instances = Array.from({ length: 8 }, (_, seed) => {
    const base = randomInstance(seed, {
      orders: [9, 20, 60, 12][seed % 4]!,
      rounds: 6,
      window: 48,
      divisible: seed % 2 === 0 ? 0.4 : 0,
      roughness_W: 20_000,
    });
    const forced_W = base.pending.reduce(
      (sum, { side, power_W, remainingWait_rounds }) =>
        sum + (remainingWait_rounds === 0 && side === 'buy' ? power_W : 0),
      0,
    );
    return { ...base, limits: { ...base.limits, capacity_W: base.load_W[0]! + Math.round(0.9 * forced_W) } };
  });
  /** The plan when the deadline strikes at the n-th question, and how often was asked. */
  const strikes = (solve: Solver['solve'], instance: Instance, n: number) => {
    let asked = 0;
    const plan = solve(instance, 'plan', { deadline: () => ++asked >= n });
    return { plan, asked };
  };

  it('the plan is valid at every question, never worse with more time, and no question is asked in vain', () => {
    for (const instance of instances) {
      let before = Number.POSITIVE_INFINITY;
      for (let n = 1; ; n = n < 12 ? n + 1 : Math.ceil(1.5 * n)) {
        const { plan, asked } = strikes(real.solve, instance, n);
        expect(refusal(instance, plan)).toBeNull();
        const now = pf(instance, plan);
        expect(now).toBeLessThanOrEqual(before * (1 + 1e-9));
        before = now;
        if (asked < n) break;
        expect(asked).toBeLessThan(n + 12); // every order of the group that is given up asks
      }
      expect(before).toBe(pf(instance, real.solve(instance)));
    }
  });

  /** How many of the instances are better with all the time than at the first question. */
  const unfinished = ({ solve }: Solver): number =>
    instances.filter((instance) => pf(instance, solve(instance)) < pf(instance, strikes(solve, instance, 1).plan))
      .length;
  it('at the first question the first plan is there, and nothing has been tried', () => {
    expect(unfinished(real)).toBeGreaterThan(instances.length / 2);
  });
  it('a search that does not ask before it looks at all plans is noticed', async () => {
    const asks = 'if (group.length - at >= UNASKED && this.#late()) return;';
    expect(await mutated('unasked', 'improve.ts', asks, '', unfinished)).toBeLessThan(unfinished(real));
  });
  it('nor does one of a thousand orders go unasked from pair to pair', async () => {
    const instance = randomInstance(3, { orders: 3000, rounds: 3, window: 48 });
    const gains = ({ solve }: Solver): boolean =>
      pf(instance, solve(instance)) < pf(instance, strikes(solve, instance, 1).plan);
    const asks = 'if (this.#late()) return;\n        this.#tryAll(';
    expect(gains(real)).toBe(true);
    expect(await mutated('unasked pairs', 'improve.ts', asks, 'this.#tryAll(', gains)).toBe(false);
  });
});

describe('contacts', () => {
  /** Swaps of two orders alike that would spare a contact, in the plans of 60 instances. */
  const leftBy = ({ solve }: Solver): string[] =>
    Array.from({ length: 60 }, (_, seed) => {
      const base = randomInstance(seed, { orders: 40, rounds: 6, window: 48, roughness_W: 20_000 });
      const instance: Instance = {
        ...base,
        directions: base.pending.map(({ side }, i) =>
          (i + seed) % 3 > 0 ? 'idle' : side === 'buy' ? 'charge' : 'discharge',
        ),
      };
      const { pending, directions } = instance;
      const { orders } = solve(instance);
      return pending.flatMap((now, a) =>
        pending.flatMap((later, b) => {
          const wait = orders[b] as number;
          const alike = now.side === later.side && now.power_W === later.power_W;
          const spares = orders[a] === 0 && directions[a] === 'idle' && wait > 0 && directions[b] !== 'idle';
          return alike && spares && wait <= now.remainingWait_rounds ? [`${seed}: ${a} for ${b}`] : [];
        }),
      );
    }).flat();

  it('no swap of two orders alike is left that would spare one', () => {
    expect(leftBy(real)).toEqual([]);
  });
  it('some are left where none is looked for', async () => {
    expect(await mutated('no swaps', 'improve.ts', 'this.#spareContacts(whole);', '', leftBy)).not.toEqual([]);
  });
});
