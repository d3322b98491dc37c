/** What the paper's experiment rests on: the bound of HiGHS, the confidence intervals, the charts and their CSV. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it, test } from 'vitest';
import { baseTheta_W, powerFluctuation } from '../../firmware/simulate/measure.ts';
import { readScenario, type Scenario } from '../../firmware/simulate/scenario.ts';
import { type Chart, csv, rowsOf, svg } from '../experiment/chart.ts';
import { offlineTheta_W } from '../experiment/offline-bound.ts';
import { quantileT, statistic } from '../experiment/statistic.ts';
import { generate, PAPER } from '../experiment/workload.ts';
import { withPatched } from '../mutate.ts';

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('the offline bound', () => {
  type Bound = typeof import('../experiment/offline-bound.ts');
  const entry = 'test/experiment/offline-bound.ts';
  const mutant = <T>(meaning: string, find: string, replace: string, run: (bound: Bound['offlineTheta_W']) => T) =>
    withPatched<Bound, T>(
      meaning,
      { folders: ['test/experiment'], entry, patches: [{ file: entry, find, replace }] },
      ({ offlineTheta_W }) => run(offlineTheta_W),
    );

  // bound: of the independent program that made the files. It leaves the mean slope in, so its plan is a little less flat.
  const DAYS = [
    { name: 'paper-1', bound: 7.3 },
    { name: 'few-vehicles-1', bound: 6.9 },
    { name: 'tight-capacity-1', bound: 4.3 },
  ];
  const cubeRoot = (scenario: Scenario, bound: Bound['offlineTheta_W']): number =>
    Math.cbrt(powerFluctuation(bound(scenario), scenario.round_time_s));

  test.each(DAYS)('$name: as the independent program where it minimises the same, else below', async (day) => {
    const scenario = readScenario(`${import.meta.dirname}/../scenarios-data/${day.name}.json`);
    const same = await mutant('squares of slopes', "bounds.push('m free')", "bounds.push('m = 0')", (bound) =>
      cubeRoot(scenario, bound),
    );
    expect(same.toFixed(1)).toBe(day.bound.toFixed(1));
    const theta_W = offlineTheta_W(scenario);
    const own = cubeRoot(scenario, () => theta_W);
    expect(own).toBeLessThan(same + 1e-3);
    expect(own).toBeGreaterThan(0.9 * same);
    expect(sum(theta_W)).toBeCloseTo(sum(baseTheta_W(scenario)), -2); // every order runs
  });

  /** Sells nothing: what must run and what has room runs, oldest first, and nothing can go over by less. */
  const crowded = generate({ ...PAPER, seed: 102, sellers: 0 });
  const excess_W = (theta_W: readonly number[], { capacity_w }: Scenario): number =>
    sum(theta_W.map((power) => Math.max(0, power - capacity_w)));
  function leastExcess_W({ rounds, capacity_w, max_wait_rounds, load_w, orders }: Scenario): number {
    const waiting = load_w.map(() => 0); // by the round of arrival
    let excess = 0;
    for (let round = 0; round < rounds; round++) {
      for (const order of orders) if (order.round === round) waiting[round]! += order.power_w;
      let room = capacity_w - load_w[round]!;
      for (let arrived = 0; arrived <= round; arrived++) {
        const forced = round === rounds - 1 || arrived + max_wait_rounds <= round;
        const runs = forced ? waiting[arrived]! : Math.max(0, Math.min(waiting[arrived]!, room));
        waiting[arrived]! -= runs;
        excess += Math.max(0, runs - Math.max(0, room));
        room -= runs;
      }
    }
    return excess;
  }

  it('exists on a day that is over capacity whatever one does, and exceeds it by the least', () => {
    expect(leastExcess_W(crowded)).toBeGreaterThan(1e6);
    expect(excess_W(offlineTheta_W(crowded), crowded)).toBeCloseTo(leastExcess_W(crowded), -2);
    expect(excess_W(baseTheta_W(crowded), crowded)).toBeGreaterThan(1.5 * leastExcess_W(crowded));
  });

  it('is everything at once where nothing may wait', () => {
    const scenario = { ...crowded, max_wait_rounds: 0 };
    offlineTheta_W(scenario).forEach((power, k) => {
      expect(power).toBeCloseTo(baseTheta_W(scenario)[k]!, -1);
    });
  });

  it('has a test that notices a capacity that is hard, and a status that says so', async () => {
    const hard = mutant('hard capacity', ` - e\${k} <= `, ' <= ', (bound) => bound(crowded));
    await expect(hard).rejects.toThrow('seed-102: HiGHS finds no bound: Infeasible');
  });

  it('has a test that notices an excess that costs next to nothing', async () => {
    const cheap = await mutant('cheap', 'PRICE_OF_EXCESS = 1e5', 'PRICE_OF_EXCESS = 1', (bound) => bound(crowded));
    expect(excess_W(cheap, crowded)).toBeGreaterThan(1.01 * leastExcess_W(crowded));
  });
});

describe('the forecast that the solver is misled by', () => {
  it('changes the history of the orders, and nothing of the day', () => {
    const [usual, misled, foreknown] = [{}, { historyNoise: 1 }, { foreknown: 1 }].map((change) =>
      generate({ ...PAPER, ...change }),
    ) as [Scenario, Scenario, Scenario];
    for (const other of [misled, foreknown]) {
      expect({ ...other, history: [] }).toEqual({ ...usual, history: [] });
      expect(other.history.map(({ load_w }) => load_w)).toEqual(usual.history.map(({ load_w }) => load_w));
    }
    // one factor a slot, whatever the day and side
    for (let slot = 0; slot < usual.rounds; slot++) {
      const factors = usual.history.flatMap((day, d) =>
        (['buy_w', 'sell_w'] as const).flatMap((side) =>
          day[side][slot]! > 0 ? [misled.history[d]![side][slot]! / day[side][slot]!] : [],
        ),
      );
      for (const factor of factors) expect(factor).toBeCloseTo(factors[0]!, 2);
    }
    const [bought_W] = foreknown.history.map(({ buy_w }) => sum(buy_w));
    expect(bought_W).toBe(sum(usual.orders.map(({ side, power_w }) => (side === 'buy' ? power_w : 0))));
  });
});

describe('the confidence interval', () => {
  // Student's t, 97.5 %, as in the tables.
  test.each([
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [5, 2.571],
    [10, 2.228],
    [29, 2.045],
    [120, 1.98],
  ])('%i degrees of freedom: %d', (freedom, t) => {
    expect(quantileT(freedom)).toBeCloseTo(t, 3);
  });

  it('is wide for two values and unknown for one', () => {
    expect(statistic([4, 6])).toEqual({ mean: 5, half: expect.closeTo(12.706, 3), n: 2 });
    expect(statistic([4])).toEqual({ mean: 4, half: Number.NaN, n: 1 });
  });
});

describe('a chart', () => {
  const chart: Chart = {
    id: 'fig',
    title: 'A chart',
    x: [0, 1, 2, 3, 4],
    xName: 'x',
    yName: 'power, kW',
    kind: 'points',
    series: [{ name: 'a', colour: '#000', values: [1, 2, Number.NaN, 4, 5], error: [0.5, 0.5, Number.NaN, 1, 0] }],
    limit: { name: 'capacity', value: 8 },
  };

  it('shows a gap where there is nothing, and its limit', () => {
    const drawn = svg(chart);
    expect(drawn.match(/<polyline/g)).toHaveLength(2);
    expect(drawn.match(/<circle/g)).toHaveLength(4);
    expect(drawn.match(/stroke-dasharray/g)).toHaveLength(1);
    expect(drawn).not.toMatch(/NaN|Infinity|undefined/);
    expect(svg({ ...chart, kind: 'bar' }).match(/height="[\d.]+" fill="#000"/g)).toHaveLength(4 + 1); // and the legend's
  });

  it('is in the CSV whole', () => {
    expect(csv(rowsOf(chart, 6)).trimEnd().split('\n')).toEqual([
      'part,x,series,figure,value,half_width_95,days',
      'fig,0,a,"power, kW",1,0.5,6',
      'fig,1,a,"power, kW",2,0.5,6',
      'fig,2,a,"power, kW",,,6',
      'fig,3,a,"power, kW",4,1,6',
      'fig,4,a,"power, kW",5,0,6',
      'fig,,capacity,"power, kW",8,,6',
    ]);
  });
});

describe('npm run experiment', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [`${import.meta.dirname}/../experiment/main.ts`, ...args], { encoding: 'utf8' });

  it('--help prints the usage', () => {
    const { status, stdout, stderr } = run('--help');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^npm run experiment -- /);
  });

  test.each([
    [['--sed', '3'], /^Unknown option '--sed'/],
    [['--seeds', '1'], /^--seeds 1: not a whole number from 2 to 1000/],
    [['--sweep-seeds'], /^Option '--sweep-seeds <value>' argument missing/],
    [['30'], /^Unexpected argument '30'/],
    [['--out', '/dev/null/out'], /^--out \/dev\/null\/out: ENOTDIR/],
  ])('%j gets the reason and the usage', (args, reason) => {
    const { status, stdout, stderr } = run(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(reason);
    expect(stderr).toContain('\nnpm run experiment -- ');
    expect(stderr).not.toMatch(/\n {4}at /);
  });
});
