/** The curtailment against a dumb twin: the same rule, written as it is stated, with every order tried every time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { curtailment } from '../../firmware/protocol/benefit/curtailment.ts';
import type { Instance } from '../../firmware/protocol/benefit/instance.ts';
import { breach } from '../../firmware/protocol/benefit/safety.ts';
import { withPatched } from '../mutate.ts';
import { randomInstance, seeded } from '../unit/random-instance.ts';

const NO_CONNECTOR = { charge_W: 0, discharge_W: 0 };

/** All-or-nothing orders by trial; `passes` is how often the list is gone through. */
function byTrial(instance: Instance, passes = Number.POSITIVE_INFINITY): Map<number, number> {
  const forced = instance.pending
    .map((order, index) => ({ index, power_W: order.power_W, order }))
    .filter(({ order }) => order.remainingWait_rounds === 0);
  if (breach(instance, forced) === null) return new Map();
  forced.sort((a, b) => b.order.curtailed_rounds - a.order.curtailed_rounds || a.index - b.index);
  const granted = new Map(forced.map(({ index }) => [index, 0]));
  const safe = (): boolean =>
    breach(
      instance,
      [...granted].map(([index, power_W]) => ({ index, power_W })),
    ) === null;
  for (let pass = 0, again = true; again && pass < passes; pass++) {
    again = false;
    for (const { index, power_W, order } of forced) {
      if (order.divisible || granted.get(index)! > 0) continue;
      granted.set(index, power_W);
      if (safe()) again = true;
      else granted.set(index, 0);
    }
  }
  for (const side of ['buy', 'sell'] as const) {
    const sharing = forced.filter(({ order }) => order.divisible && order.side === side);
    const set = (level_W: number): boolean => {
      for (const { index } of sharing) granted.set(index, 0);
      for (const { index, order } of sharing) {
        const { connectors } = instance.limits;
        const there = [...granted]
          .filter(([, power_W]) => power_W > 0)
          .map(([other, power_W]) => ({ ...instance.pending[other]!, power_W }));
        const beside = connectors.length === 0 ? [] : there.filter(({ node }) => node === order.node);
        const { charge_W, discharge_W } = connectors[order.node] ?? NO_CONNECTOR;
        const rating_W = connectors.length === 0 ? Number.POSITIVE_INFINITY : side === 'buy' ? charge_W : discharge_W;
        const taken_W = beside.reduce((sum, { power_W }) => sum + power_W, 0);
        const carried_W = beside.some((other) => other.side !== side) ? 0 : rating_W - taken_W;
        const part_W = Math.min(level_W, order.power_W, carried_W);
        if (part_W >= order.minimum_W) granted.set(index, part_W);
      }
      return safe();
    };
    let low = 0;
    let high = Math.ceil(sharing.reduce((most, { power_W }) => Math.max(most, power_W), 0) / 100);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (set(middle * 100)) low = middle;
      else high = middle - 1;
    }
    set(low * 100);
  }
  return new Map([...granted].filter(([index, power_W]) => power_W < instance.pending[index]!.power_W));
}

/** Forced orders on limits that are tight in both directions, some of them on shared connectors with ratings and safe shares. */
function overloaded(seed: number): Instance {
  const random = seeded(seed);
  const whole = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
  const orders = whole(1, 40);
  const nodes = random() < 0.5 ? orders : whole(1, orders);
  const base = randomInstance(seed, { orders, rounds: 1, window: 8, divisible: random() < 0.5 ? 0 : 0.3 });
  const load_W = whole(0, 200_000);
  const margin_W = whole(0, 20_000);
  return {
    ...base,
    load_W: [load_W],
    loadBetween_W: { least_W: load_W - margin_W, most_W: load_W + margin_W },
    limits: {
      capacity_W: whole(0, 500_000),
      exportLimit_W: random() < 0.7 ? whole(0, 300_000) : Number.MAX_SAFE_INTEGER,
      margin_W,
      safeShares_W: random() < 0.5 ? [] : Array.from({ length: nodes }, () => whole(0, 15_000)),
      lostParts: whole(0, 4),
      connectors:
        random() < 0.5
          ? []
          : Array.from({ length: nodes }, () => ({ charge_W: whole(0, 200_000), discharge_W: whole(0, 200_000) })),
    },
    pending: base.pending.map((order, i) => ({
      ...order,
      node: nodes === orders ? i : whole(0, nodes - 1),
      power_W: whole(1, 8) * 10_000 + whole(0, 3),
      remainingWait_rounds: random() < 0.8 ? 0 : 1,
      curtailed_rounds: whole(0, 2),
    })),
  };
}

describe('the curtailment', () => {
  it('grants what trying every order every time grants, in the same order', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const instance = overloaded(seed);
        expect([...curtailment(instance)]).toEqual([...byTrial(instance)]);
      }),
      { numRuns: 2000 },
    );
  });

  it('a neighbour whose two orders collide at a connector takes nothing from the divisible ones of others', async () => {
    const base = randomInstance(1, { orders: 3, rounds: 1, window: 8 });
    const orders = [
      { node: 0, side: 'sell', power_W: 10_000 },
      { node: 0, side: 'buy', power_W: 10_000, divisible: true },
      { node: 1, side: 'buy', power_W: 7000, divisible: true },
    ] as const;
    const rating = { charge_W: 22_000, discharge_W: 22_000 };
    const problem: Instance = {
      ...base,
      limits: { ...base.limits, connectors: [rating, rating] },
      pending: base.pending.map((order, i) => ({ ...order, remainingWait_rounds: 0, minimum_W: 1380, ...orders[i] })),
    };
    expect([...curtailment(problem)]).toEqual([[1, 0]]);
    const patch = { find: 'order.power_W, left_W[at[i]!]!)', replace: 'order.power_W)' };
    const file = 'firmware/protocol/benefit/curtailment.ts';
    const source = { folders: ['firmware'], entry: file, patches: [{ file, ...patch }] };
    const shared = await withPatched('one level for all', source, (mutant: { curtailment: typeof curtailment }) => [
      ...mutant.curtailment(problem),
    ]);
    expect(shared).toEqual([
      [1, 0],
      [2, 0],
    ]);
  });

  it('the twin notices a rule that goes through the list once, or twice', () => {
    const seeds = Array.from({ length: 1000 }, (_, seed) => seed);
    for (const passes of [1, 2])
      expect(
        seeds.some((seed) => {
          const instance = overloaded(seed);
          return JSON.stringify([...curtailment(instance)]) !== JSON.stringify([...byTrial(instance, passes)]);
        }),
      ).toBe(true);
  });

  it('goes through 10,000 orders that make room for each other one by one', () => {
    const pending = Array.from({ length: 10_000 }, (_, i) => ({
      ...randomInstance(1, { orders: 1, rounds: 1, window: 8 }).pending[0]!,
      id: String(i).padStart(5, '0'),
      node: i,
      side: i < 5000 ? ('buy' as const) : ('sell' as const),
      power_W: 10_000,
      remainingWait_rounds: 0,
    }));
    const base = randomInstance(1, { orders: 0, rounds: 1, window: 8 });
    const problem: Instance = {
      ...base,
      load_W: [0],
      loadBetween_W: { least_W: 0, most_W: 0 },
      dischargingEfficiency_ppm: 1_000_000,
      limits: { ...base.limits, capacity_W: 0, exportLimit_W: 10_000 },
      pending: [...pending, { ...pending[0]!, id: 'last', node: 10_000, power_W: 20_000 }],
    };
    const started = performance.now();
    expect([...curtailment(problem)]).toEqual([[10_000, 0]]); // 5,000 passes, one buy and one sell in each
    expect(performance.now() - started).toBeLessThan(2000); // trying every order every time would take hours
  });
});
