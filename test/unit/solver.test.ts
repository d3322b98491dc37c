/** The solver as a controller and a simulated day use it: feasible, causal, and as good as promised on the days. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bindingRound, refusal } from '../../firmware/protocol/benefit/feasible.ts';
import type { Instance, PlanAhead } from '../../firmware/protocol/benefit/instance.ts';
import { baseTheta_W, powerFluctuation, reduction_percent } from '../../firmware/simulate/measure.ts';
import { runDay } from '../../firmware/simulate/run-day.ts';
import { parseScenario, readScenario, type Scenario, ScenarioError } from '../../firmware/simulate/scenario.ts';
import { RULES, solve } from '../../firmware/solver/solve.ts';
import { randomInstance } from './random-instance.ts';

const day = (name: string): Scenario => readScenario(`${import.meta.dirname}/../scenarios-data/${name}.json`);

const reduction = (scenario: Scenario, theta_W: readonly number[]): number =>
  reduction_percent(
    Math.cbrt(powerFluctuation(baseTheta_W(scenario), scenario.round_time_s)),
    Math.cbrt(powerFluctuation(theta_W, scenario.round_time_s)),
  );

describe('the days', () => {
  // base: of the independent program that made the files. least: a point or two under what was measured (solver/README.md),
  // since on one day rules that are equally good lie so far apart; never under the target, where that is met.
  it.each([
    { name: 'paper-1', base: 59.6, least: 64.2 },
    { name: 'paper-2', base: 52.7, least: 74.6 },
    { name: 'paper-3', base: 58.4, least: 79 },
    { name: 'paper-4', base: 49.3, least: 67 },
    { name: 'thirds-1', base: 61.0, least: 73.2 },
    { name: 'thirds-2', base: 67.2, least: 74.5 },
    { name: 'evening-1', base: 48.9, least: 64 },
    { name: 'tight-capacity-1', base: 56.7, least: 66 },
    { name: 'large-1', base: 130.2, least: 75 },
    { name: 'few-vehicles-1', base: 23.2, least: 52 },
    { name: 'five-minute-1', base: 64.0, least: 44.7 },
    { name: 'five-minute-2', base: 43.9, least: 38.7 },
  ])('$name', ({ name, base, least }) => {
    const scenario = day(name);
    expect(Math.cbrt(powerFluctuation(baseTheta_W(scenario), scenario.round_time_s)).toFixed(1)).toBe(base.toFixed(1));
    const result = runDay(scenario, { rule: 'plan' });
    expect(reduction(scenario, result.theta_W)).toBeGreaterThan(least);
    expect(result.theta_W.filter((power) => power > scenario.capacity_w)).toEqual([]);
    expect(result.over).toEqual([]);
    // every order exactly once and within its wait
    const placed = new Map(scenario.orders.map((order) => [order.id, order.round]));
    for (const { id, round } of result.executed) {
      expect(round).toBeGreaterThanOrEqual(placed.get(id)!);
      expect(round).toBeLessThanOrEqual(placed.get(id)! + scenario.max_wait_rounds);
      placed.delete(id);
    }
    expect(placed.size).toBe(0);
  });

  it('each baseline ends with every order served, too', () => {
    const scenario = day('few-vehicles-1');
    for (const rule of RULES) {
      const refused: unknown[] = [];
      const { executed } = runDay(scenario, {
        rule,
        solver: (instance, named) => {
          const plan = solve(instance, named);
          refused.push(...[refusal(instance, plan)].filter((why) => why !== null)); // late is one of the reasons
          return plan;
        },
      });
      expect(executed.length).toBe(scenario.orders.length);
      expect(refused).toEqual([]);
    }
  });
});

describe('causality', () => {
  const CHANGED = 20;
  /** The same day until round 20 begins; other loads and orders from then on. */
  const other = (scenario: Scenario): Scenario => ({
    ...scenario,
    load_w: scenario.load_w.map((load, round) => (round >= CHANGED ? load + 30_000 : load)),
    orders: scenario.orders.flatMap((order) =>
      order.round < CHANGED ? [order] : order.round % 2 === 0 ? [] : [{ ...order, power_w: 2 * order.power_w }],
    ),
  });
  const past = (run: (scenario: Scenario) => ReturnType<typeof runDay>, scenario: Scenario) =>
    run(scenario).executed.filter(({ round }) => round < CHANGED);

  it.each(RULES)('%s: another future, the same past decisions', (rule) => {
    const run = (scenario: Scenario) => runDay(scenario, { rule });
    expect(past(run, other(day('paper-1')))).toEqual(past(run, day('paper-1')));
  });

  it('the test notices a solver that peeks', () => {
    const peeking = (scenario: Scenario) =>
      runDay(scenario, {
        rule: 'plan',
        solver: (instance: Instance): PlanAhead =>
          solve({ ...instance, load_W: instance.load_W.map((_, k) => scenario.load_w[(instance.round % 48) + k]!) }),
      });
    expect(past(peeking, other(day('paper-1')))).not.toEqual(past(peeking, day('paper-1')));
  });

  it('the same instance, the same plan', () => {
    const instance = randomInstance(11, { orders: 80, rounds: 12, window: 48 });
    expect(solve(structuredClone(instance))).toEqual(solve(instance));
  });
});

describe('connectors', () => {
  const shared = (waits: readonly number[]): Instance => {
    const base = randomInstance(5, { orders: waits.length, rounds: 6, window: 48 });
    return {
      ...base,
      pending: base.pending.map((order, i) => ({
        ...order,
        node: 0,
        side: i === 1 ? 'sell' : 'buy',
        power_W: 11_000,
        remainingWait_rounds: waits[i]!,
      })),
      limits: { ...base.limits, connectors: [{ charge_W: 11_000, discharge_W: 11_000 }] },
    };
  };
  it('serves in time what only fits one after the other', () => {
    const instance = shared([2, 2, 2]);
    const plan = solve(instance);
    expect(refusal(instance, plan)).toBeNull();
    expect(bindingRound(instance, plan).length).toBe(1);
    // one order of two with a round left each has to run now
    expect(bindingRound(shared([1, 1]), solve(shared([1, 1]))).length).toBe(1);
  });
  it('holds back the second of two that must run now', () => {
    const instance = shared([0, 0]);
    const plan = solve(instance);
    expect(refusal(instance, plan)).toBeNull();
    expect(bindingRound(instance, plan)).toEqual([{ index: 0, power_W: 11_000 }]);
  });
});

describe('more that must run than the capacity allows', () => {
  // 100 kW: of three buys of 60 kW that must run one fits alone, two beside the sell, three not at all.
  const base = randomInstance(5, { orders: 4, rounds: 6, window: 48 });
  const instance: Instance = {
    ...base,
    load_W: base.load_W.map(() => 0),
    loadBetween_W: { least_W: 0, most_W: 0 },
    pending: base.pending.map((order, i) => ({
      ...order,
      side: i < 3 ? 'buy' : 'sell',
      power_W: 60_000,
      remainingWait_rounds: i < 3 ? 0 : 2,
      curtailed_rounds: i === 2 ? 1 : 0,
    })),
    limits: { ...base.limits, capacity_W: 100_000 },
  };
  const running = (plan: PlanAhead) => bindingRound(instance, plan).map(({ index }) => index);

  it('a sell that could wait makes room; who was held back before comes first', () => {
    const plan = solve(instance);
    expect(refusal(instance, plan)).toBeNull();
    expect(running(plan)).toEqual([0, 2, 3]);
  });

  it('the test notices a solver that keeps the sell for later: the rules allow it', () => {
    const { shares } = solve(instance);
    const hoarding: PlanAhead = { orders: [1, 1, 0, 1], shares };
    expect(refusal(instance, hoarding)).toBeNull();
    expect(running(hoarding)).toEqual([2]);
  });
});

describe('relays', () => {
  it('of two orders alike, the one whose contact is closed already', () => {
    const base = randomInstance(5, { orders: 2, rounds: 1, window: 48 });
    const instance: Instance = {
      ...base,
      pending: base.pending.map((order) => ({ ...order, side: 'buy', power_W: 11_000, remainingWait_rounds: 1 })),
      theta_W: [100_000, 111_000],
      load_W: [111_000],
      loadBetween_W: { least_W: 111_000, most_W: 111_000 },
      surprise: [0],
    };
    for (const closed of [0, 1]) {
      const directions = [0, 1].map((node) => (node === closed ? ('charge' as const) : ('idle' as const)));
      expect(
        bindingRound({ ...instance, directions }, solve({ ...instance, directions })).map(({ index }) => index),
      ).toEqual([closed]);
    }
  });
});

describe('a bad scenario file', () => {
  const good = JSON.parse(readFileSync(`${import.meta.dirname}/../scenarios-data/few-vehicles-1.json`, 'utf8'));
  const message = (change: (scenario: typeof good) => void): string => {
    const scenario = structuredClone(good);
    change(scenario);
    try {
      parseScenario(JSON.stringify(scenario), 'day.json');
      return 'accepted';
    } catch (error) {
      if (!(error instanceof ScenarioError)) throw error;
      return error.message;
    }
  };
  it('names the field, the place and the reason', () => {
    expect(message(() => {})).toBe('accepted');
    expect(
      message((s) => {
        s.orders[3].power_w = -5;
      }),
    ).toMatch(/^day\.json: orders\[3\]\.power_w: .*>=1/);
    expect(
      message((s) => {
        s.history[2].load_w.pop();
      }),
    ).toBe('day.json: history[2].load_w: has 47 values, but the day has 48 rounds');
    expect(
      message((s) => {
        s.rounds = 47;
      }),
    ).toContain('rounds: 47 rounds of 1800 s are not a day of 86,400 s');
    expect(
      message((s) => {
        s.orders[1].id = s.orders[0].id;
      }),
    ).toBe('day.json: orders[1].id: "o00000" is also the id of orders[0]');
    expect(
      message((s) => {
        s.orders[0].round = 48;
      }),
    ).toBe('day.json: orders[0].round: round 48 is after the last round, 47');
    expect(
      message((s) => {
        delete s.capacity_w;
      }),
    ).toMatch(/^day\.json: capacity_w: /);
    expect(() => parseScenario('{', 'day.json')).toThrow(/^day\.json: not JSON: /);
  });
});
