/**
 * What "no causal rule can" rests on (test/experiment): on days so short that every course of them can be written down, HiGHS
 * finds the best causal rule exactly. The bound must lie below it (far below, where a day has five rounds), the program above;
 * the program also where the site has limits, which the bound does not know.
 */
import highsModule from 'highs';
import { describe, expect, test } from 'vitest';
import type { Scenario } from '../../firmware/simulate/scenario.ts';
import { type Bounded, dualBound, programDay } from '../experiment/dual-bound.ts';
import {
  type Arrivals,
  type Distribution,
  distributionOf,
  dynamicProgram,
  mean,
  NO_LIMITS,
} from '../experiment/dynamic-program.ts';
import { withPatched } from '../mutate.ts';
import { seeded } from './random-instance.ts';

const highs = await (highsModule as unknown as typeof import('highs').default)();

const ROUNDS = 5;
const DRAWS = 3;
const SEEDS = [1, 2, 3, 4];

/** A kind of days: what each round may bring, each with the same chance, W. */
function kindOf(seed: number): Scenario['history'] {
  const random = seeded(seed);
  const power_W = (most: number): number => 1000 * Math.floor(most * random());
  const load_w = Array.from({ length: ROUNDS }, () => 40_000 + power_W(3));
  const orders = (): number[] => Array.from({ length: ROUNDS }, () => power_W(40));
  return Array.from({ length: DRAWS }, () => ({ load_w, buy_w: orders(), sell_w: orders() }));
}

/** All courses that a day may take: of each round, which draw. */
const courses = (rounds: number): number[][] =>
  rounds === 0
    ? [[]]
    : courses(rounds - 1).flatMap((before) => Array.from({ length: DRAWS }, (_, draw) => [...before, draw]));

const dayOf = (days: Scenario['history'], course: readonly number[]): Scenario => ({
  name: course.join(''),
  round_time_s: 86_400 / ROUNDS,
  rounds: ROUNDS,
  capacity_w: 1_000_000,
  max_wait_rounds: 2,
  charging_efficiency_ppm: 1_000_000,
  discharging_efficiency_ppm: 1_000_000,
  load_w: days[0]!.load_w,
  history: [],
  orders: course.flatMap((draw, round) =>
    (['buy', 'sell'] as const).map((side) => ({
      id: `${round} ${side}`,
      round,
      side,
      power_w: days[draw]![`${side}_w`][round]!,
    })),
  ),
});

/**
 * The least mean that a causal rule can have, of the sum of squared slopes less that of the mean slope (with a mean slope of 0, of the
 * plain sum, which is what the program minimises): one variable, what is left over (net, kW), for each course up to a round, since a
 * rule knows no more. No round leaves `limits` but the last, in which all runs.
 */
function leastMean({ load, draws }: Distribution, { limits = NO_LIMITS, meanSlope = 'free' } = {}): number {
  const rows: string[] = [];
  const bounds: string[] = [];
  const squares: string[] = [];
  const came = (course: readonly number[]): Arrivals =>
    draws[course.length - 1]?.[course.at(-1)!] ?? { buy: 0, sell: 0 };
  const name = (letter: string, course: readonly number[]): string => `${letter}_${course.join('')}`;
  for (let t = 1; t <= ROUNDS; t++)
    for (const course of courses(t)) {
      const before = course.slice(0, -1);
      const { buy, sell } = came(course);
      const earlier = came(before);
      const most = t < ROUNDS ? [-(sell + earlier.sell), buy + earlier.buy] : [0, 0];
      const { least, most: greatest } = t < ROUNDS ? limits : NO_LIMITS;
      bounds.push(`${most[0]} <= ${name('left', course)} <= ${most[1]}`);
      bounds.push(`${least} <= ${name('theta', course)} <= ${greatest}`);
      const waited = t > 1 ? ` - ${name('left', before)}` : '';
      rows.push(`${name('theta', course)} + ${name('left', course)}${waited} = ${load[t - 1]! + buy - sell}`);
    }
  for (const course of courses(ROUNDS)) {
    bounds.push(`${name('m', course)} ${meanSlope}`);
    for (let t = 2; t <= ROUNDS; t++) {
      const slope = name(`slope${t}`, course);
      const [now, last] = [course.slice(0, t), course.slice(0, t - 1)];
      rows.push(`${slope} + ${name('m', course)} - ${name('theta', now)} + ${name('theta', last)} = 0`);
      bounds.push(`${slope} free`);
      squares.push(`2 ${slope} ^2`);
    }
  }
  const model = `Minimize\n obj: [ ${squares.join(' + ')} ] / 2\nSubject To\n ${rows.join('\n ')}\nBounds\n ${bounds.join('\n ')}\nEnd`;
  const { Status, ObjectiveValue } = highs.solve(model);
  expect(Status).toBe('Optimal');
  return ObjectiveValue / DRAWS ** ROUNDS;
}

type Bound = typeof dualBound;
type Compared = Readonly<Record<'bound' | 'best' | 'program' | 'steady', number>>;
/** Over all courses: what the bound says, the best causal rule, and the program's. */
function compared(seed: number, bound: Bound = dualBound): Compared {
  const days = kindOf(seed);
  const distribution = distributionOf(days, 1_000_000);
  const program = dynamicProgram(distribution);
  const all: Bounded[] = courses(ROUNDS).map((course) => bound(program, distribution, dayOf(days, course)));
  return {
    bound: mean(all.map((each) => each.bound)),
    best: leastMean(distribution),
    program: mean(all.map((each) => each.program)),
    steady: mean(all.map((each) => each.programSteady)),
  };
}

test.each(SEEDS)(
  'the bound lies below the best causal rule, and the dynamic program near above it (seed %d)',
  (seed) => {
    const { bound, best, program, steady } = compared(seed);
    expect(bound).toBeLessThan(best * (1 + 1e-6));
    expect(program).toBeGreaterThan(best * (1 - 1e-6));
    expect(program).toBeLessThan(1.05 * best);
    expect(steady).toBeCloseTo(program, 6); // what the surprises are worth has mean 0
  },
);

describe.each([
  ['a capacity', 'buy_w', 'sell_w', { least: Number.NEGATIVE_INFINITY, most: 46 }],
  ['an export limit', 'sell_w', 'buy_w', { least: 36, most: Number.POSITIVE_INFINITY }],
] as const)('under %s that binds', (_, side, other, limits) => {
  test.each(SEEDS)('the dynamic program lies near above the best causal rule (seed %d)', (seed) => {
    // None of that side in the first two rounds: none has to run before the last one, so the limit can be kept.
    const days = kindOf(seed).map((day) => ({
      ...day,
      [side]: [0, 0, ...day[side].slice(2)],
      [other]: day[other].map((power_W) => power_W / 2),
    }));
    const distribution = distributionOf(days, 1_000_000);
    const { load, draws } = distribution;
    const program = dynamicProgram(distribution, limits);
    const played = courses(ROUNDS).map((course) => {
      const arrived = course.map((draw, round) => draws[round]![draw]!);
      return programDay(program, load, arrived).theta;
    });
    const early = played.flatMap((theta) => theta.slice(0, -1));
    expect(Math.max(...early)).toBeLessThan(limits.most + 1e-9);
    expect(Math.min(...early)).toBeGreaterThan(limits.least - 1e-9);
    const cost = mean(
      played.map((theta) => theta.slice(1).reduce((sum, power, k) => sum + (power - theta[k]!) ** 2, 0)),
    );
    const plain = { meanSlope: '= 0' };
    const best = leastMean(distribution, { ...plain, limits });
    expect(best).toBeGreaterThan(1.01 * leastMean(distribution, plain));
    expect(cost).toBeGreaterThan(best * (1 - 1e-6));
    expect(cost).toBeLessThan(1.002 * best);
  });
});

test.each([
  [
    'nothing is paid',
    'bound: squares_kW2(seen) - paid',
    'bound: squares_kW2(seen)',
    (of: Compared) => of.bound > of.best,
  ],
  [
    'a surprise costs what it is worth, and not that less the mean',
    'real.value - mean(possible.map(({ value }) => value))',
    'real.value',
    (of: Compared) => Math.abs(of.steady - of.program) > 1,
  ],
])('if %s, that shows', async (meaning, find, replace, shows) => {
  const file = 'test/experiment/dual-bound.ts';
  const source = {
    folders: ['firmware', 'test/experiment', 'test/unit'],
    entry: file,
    patches: [{ file, find, replace }],
  };
  await withPatched<{ dualBound: Bound }, void>(meaning, source, (changed) => {
    expect(SEEDS.some((seed) => shows(compared(seed, changed.dualBound)))).toBe(true);
  });
});
