/** The solver's rules, each on a problem that can be worked by hand, and each missed where it is taken out. */
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import { bindingRound, refusal } from '../../firmware/protocol/benefit/feasible.ts';
import type { Instance, PendingOrder } from '../../firmware/protocol/benefit/instance.ts';
import type { Choose, Item } from '../../firmware/solver/assign.ts';
import { chooseExact, chooseGreedy } from '../../firmware/solver/choose.ts';
import * as path from '../../firmware/solver/path.ts';
import * as solver from '../../firmware/solver/solve.ts';
import { withPatched } from '../mutate.ts';
import { randomInstance } from './random-instance.ts';

const { solve } = solver;

/** Runs with a solver in which one rule of a file is changed. */
const mutated = <M, T>(file: string, find: string, replace: string, run: (module: M) => T, entry = 'solve.ts') =>
  withPatched<M, T>(
    `${file}: ${find}`,
    {
      folders: ['firmware'],
      entry: `firmware/solver/${entry}`,
      patches: [{ file: `firmware/solver/${file}`, find, replace }],
    },
    run,
  );
type Solver = typeof solver;

/** Two rounds ahead, an empty household, no forecast orders. */
const quiet = (pending: readonly Partial<PendingOrder>[], theta_W: readonly number[] = []): Instance => {
  const base = randomInstance(5, { orders: pending.length, rounds: 3, window: 48 });
  return {
    ...base,
    theta_W,
    load_W: [0, 0, 0],
    loadBetween_W: { least_W: 0, most_W: 0 },
    buyForecast_W: [0, 0, 0],
    sellForecast_W: [0, 0, 0],
    surprise: [0, 0, 0],
    pending: base.pending.map((order, i) => ({ ...order, side: 'buy', minimum_W: 1380, ...pending[i] })),
  };
};

describe('spread, worked by hand', () => {
  const divisible = { power_W: 9000, remainingWait_rounds: 2, divisible: true };
  const cases = [
    { of: '9 kW over three rounds', order: divisible, parts: [3000, 3000, 3000] },
    { of: '10 kW: a watt more at first', order: { ...divisible, power_W: 10_000 }, parts: [3334, 3333, 3333] },
    { of: '3 kW of at least 1.38', order: { ...divisible, power_W: 3000 }, parts: [1500, 1500, 0] },
    { of: 'less than twice the least', order: { ...divisible, power_W: 2000 }, parts: [2000, 0, 0] },
    { of: 'a sell', order: { ...divisible, side: 'sell' as const, power_W: 6000 }, parts: [2000, 2000, 2000] },
    { of: 'no wait', order: { ...divisible, remainingWait_rounds: 0 }, parts: 0 },
  ];
  it.each(cases)('$of', ({ order, parts }) => {
    const instance = quiet([order]);
    const plan = solve(instance, 'spread');
    expect(refusal(instance, plan)).toBeNull();
    expect(plan.orders).toEqual([parts]);
  });
  it('of whole orders, those whose power has come together', () => {
    // due 2, 11 kW each: a third each is 3.7, 7.3 (over half of one: it runs, 3.7 too much), 0, 3.7, 7.3 ..
    const instance = quiet(Array.from({ length: 6 }, () => ({ power_W: 11_000, remainingWait_rounds: 2 })));
    expect(bindingRound(instance, solve(instance, 'spread')).map(({ index }) => index)).toEqual([1, 4]);
  });
  it('as many as the capacity has room for', () => {
    const two = quiet([divisible, divisible]);
    const instance = { ...two, limits: { ...two.limits, capacity_W: 5000 } };
    const plan = solve(instance, 'spread');
    expect(refusal(instance, plan)).toBeNull();
    expect(plan.orders[0]).toEqual([3000, 3000, 3000]);
    expect(bindingRound(instance, plan).length).toBe(1);
  });
  it('the test notices a spread that runs everything at once', async () => {
    const change = ['remainingWait_rounds + 1, Math.floor(', '1, Math.floor('] as const;
    const planned = await mutated('solve.ts', ...change, (m: Solver) => m.solve(quiet([divisible]), 'spread').orders);
    expect(planned).toEqual([[9000, 0, 0]]);
  });
});

describe('eq11, worked by hand', () => {
  // The window rises from 10 to 40 kW in three slopes: 10 kW on average, so 50 kW are wanted now.
  const instance = quiet(
    [10, 30, 40, 5].map((power_kW) => ({ power_W: 1000 * power_kW, remainingWait_rounds: 2 })),
    [10_000, 25_000, 35_000, 40_000],
  );
  const power_W = ({ solve: by }: Pick<Solver, 'solve'>): number =>
    bindingRound(instance, by(instance, 'eq11')).reduce((sum, each) => sum + each.power_W, 0);
  it("runs what makes this round's slope the mean slope", () => {
    expect(power_W(solver)).toBe(50_000);
  });
  it('the test notices an eq11 without the mean slope', async () => {
    expect(await mutated('solve.ts', 'before + mean - load_W[0]!', 'before - load_W[0]!', power_W)).toBe(40_000);
  });
});

describe('the choice', () => {
  const items = (list: readonly (readonly [effect_W: number, due: number])[]): Item[] =>
    list.map(([effect_W, due], index) => ({ index, effect_W, due, switches: false }));
  const chosen = (choose: Choose, list: Parameters<typeof items>[0], need_W: number): number[] =>
    choose(items(list), need_W)
      .map(({ index }) => index)
      .sort();
  it('finds the set that the greedy one misses', () => {
    const list = [
      [22_000, 2],
      [11_000, 2],
      [7400, 2],
    ] as const;
    expect(chosen(chooseGreedy, list, 18_400)).toEqual([0]);
    expect(chosen(chooseExact, list, 18_400)).toEqual([1, 2]);
  });
  const spends = ({ chooseExact: choose }: { chooseExact: Choose }) => [
    chosen(
      choose,
      [
        [11_000, 2],
        [10_500, 0],
      ],
      11_000,
    ), // half a kilowatt of gap is cheaper than 2 rounds of 11 kW
    chosen(
      choose,
      [
        [50_000, 2],
        [-50_000, 2],
        [11_000, 1],
      ],
      11_100,
    ), // no pair that cancels
  ];
  it('spends no freedom for a few watts', async () => {
    expect(spends({ chooseExact })).toEqual([[1], [2]]);
    const free = await mutated(
      'choose.ts',
      'const FREEDOM_PRICE_kW = 0.1',
      'const FREEDOM_PRICE_kW = 0',
      spends,
      'choose.ts',
    );
    expect(free).not.toEqual([[1], [2]]);
  });
  it('makes first plans that the greedy one does not', async () => {
    const first = ({ solve: by }: Solver): bigint[] =>
      Array.from({ length: 20 }, (_, seed) => {
        const instance = randomInstance(seed, { orders: 30, rounds: 1, window: 48, roughness_W: 20_000 });
        return evaluate(instance, by(instance, 'plan', { deadline: () => true })).pfInt;
      });
    const greedy = await mutated('solve.ts', 'chooseExact(items, need_W, later)', 'chooseGreedy(items, need_W)', first);
    const better = first(solver).filter((pf, i) => pf < greedy[i]!);
    expect(better.length).toBeGreaterThan(10);
  });
});

describe('the path', () => {
  it('keeps the room under the capacity that the reserve asks for', async () => {
    // 120 kW within three rounds and 30 of load in the second: flat is some 50 kW. Of 60 kW capacity 20 are to stay free.
    const three = quiet(
      [0, 2, 2].map((remainingWait_rounds) => ({ power_W: 40_000, remainingWait_rounds })),
      [60_000],
    );
    const instance = {
      ...three,
      load_W: [0, 30_000, 0],
      maxWait_rounds: 0, // of what comes later
      surprise: [40_000, 40_000, 40_000],
      limits: { ...three.limits, capacity_W: 60_000 },
    };
    const most_W = (m: Pick<typeof path, 'smoothestPath'>) => 30_000 + m.smoothestPath(instance)[1]!;
    const without = await mutated('path.ts', 'if (most > limit)', 'if (false)', most_W, 'path.ts');
    expect(most_W(path)).toBeLessThan(without - 400);
  });
});

describe('orders that must run and need help', () => {
  // 60 kW must run, 50 are allowed: one sell of 12 kW is enough, the other two may wait.
  const one = quiet(
    [
      { power_W: 60_000, remainingWait_rounds: 0 },
      ...[0, 1, 2].map(() => ({ side: 'sell' as const, power_W: 12_000, remainingWait_rounds: 2 })),
    ],
    [60_000, 60_000],
  );
  const instance = { ...one, limits: { ...one.limits, capacity_W: 50_000 } };
  const running = ({ solve: by }: Pick<Solver, 'solve'>) =>
    bindingRound(instance, by(instance, 'eq11')).map(({ index }) => index);
  it('get as much as they need, and no more', () => {
    expect(running(solver)).toEqual([0, 1]);
  });
  it('the test notices when all that could help is spent', async () => {
    const change = [
      'helped = helpForced(instance, base, free);',
      'helped = free.length < 0 ? helpForced(instance, base, free) : null;',
    ] as const;
    expect(await mutated('assign.ts', ...change, running)).toEqual([0, 1, 2, 3]);
  });
});
