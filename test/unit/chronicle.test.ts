/** The chronicle against a dumb twin that knows the physical truth of the played rounds, and PF against its definition. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  emptyChronicle,
  fluctuation,
  outcomes,
  type PowerPoint,
  powerOf,
  record,
  unbalanced,
  unsettledRounds,
} from '../../firmware/chronicle.ts';
import type { SettlementRow } from '../../firmware/protocol/settlement.ts';
import { Neighbours } from './protocol-driver.ts';

const R = 1000;
const R_s = 300;
const load_W = (round: number): number => 60_000 + 1200 * ((round * 7) % 5); // whole Wh a round

function played(rounds: number, options: { terminated?: number } = {}) {
  const play = new Neighbours({
    load_W,
    lost: ({ body, round }) => body.type === 'PROPOSE' && body.kind === 'SCHEDULE' && round === options.terminated,
  });
  for (let i = 0; i < rounds; i++) {
    play.until(30);
    play.buy(i % 4, 6000);
    play.rounds(1);
    play.until(0);
  }
  const chronicle = emptyChronicle();
  for (const final of play.player(0).finals) record(chronicle, final);
  return { play, chronicle };
}

test('power with and without the trade is what the physical world did, and would have done', () => {
  const { play, chronicle } = played(7);
  const power = powerOf(chronicle);
  expect(power.length).toBeGreaterThanOrEqual(5);
  for (const { round, with_W, without_W } of power) {
    const plans_W = play.players.flatMap(({ plans }) =>
      plans.filter((plan) => plan.round === round).map((plan) => plan.power),
    );
    const placed_W = round >= R ? 6000 : 0; // one order a round, none before the first
    expect({ round, with_W }).toEqual({ round, with_W: load_W(round) + plans_W.reduce((a, b) => a + b, 0) });
    expect({ round, without_W }).toEqual({ round, without_W: load_W(round) + placed_W });
  }
});

/** The definition, in the units of the paper: variance of the slope in kW per hour. */
function dumb(values_W: readonly number[], hours: number): number {
  const slopes = values_W.slice(1).map((value, i) => (value - values_W[i]) / 1000 / hours);
  const mean = slopes.reduce((a, b) => a + b, 0) / slopes.length;
  return slopes.map((slope) => (slope - mean) ** 2).reduce((a, b) => a + b, 0) / slopes.length;
}

test('property: PF, its cube root and its square root are those of the definition', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -800_000, max: 800_000 }), { minLength: 3, maxLength: 60 }),
      fc.constantFrom(60, 300, 1800),
      (values, roundTime_s) => {
        const points = values.map((with_W, i): PowerPoint => ({ round: i, with_W, without_W: 0 }));
        const perDay = 86_400 / roundTime_s;
        const pf = dumb(values.slice(-perDay - 1), roundTime_s / 3600);
        const shown = fluctuation(points, 'with_W', roundTime_s)!;
        expect(shown.pf / (pf || 1)).toBeCloseTo(pf === 0 ? 0 : 1, 9);
        expect(shown.cbrt ** 3 / (pf || 1)).toBeCloseTo(pf === 0 ? 0 : 1, 9);
        expect(shown.sd ** 2 / (pf || 1)).toBeCloseTo(pf === 0 ? 0 : 1, 9);
        expect(fluctuation(points, 'without_W', roundTime_s)!.pf).toBe(0);
      },
    ),
  );
});

test('a gap makes no slope, and one slope makes no PF', () => {
  const at = (round: number, with_W: number): PowerPoint => ({ round, with_W, without_W: 0 });
  expect(fluctuation([at(1, 0), at(2, 9000)], 'with_W', 300)).toBeNull();
  expect(fluctuation([at(1, 0), at(2, 9000), at(4, 0), at(5, 9000)], 'with_W', 300)).toMatchObject({
    slopes: 2,
    pf: 0,
  });
});

test('rounds are committed or terminated; orders wait, run or expire', () => {
  const { play, chronicle } = played(3, { terminated: R + 1 });
  expect(outcomes(chronicle, R + 2)).toEqual({ committed: 2, terminated: 1 });
  expect([...chronicle.orders.values()].map(({ order, executed }) => [order.round, executed])).toEqual([
    [R, R],
    [R + 1, R + 2],
    [R + 2, R + 2],
  ]);
  expect(unbalanced(chronicle, play.registry)).toEqual([]);
});

test('at every moment ordered, allocated and metered are of the same orders; what is under way is said to be open', () => {
  const { play } = played(4);
  const chronicle = emptyChronicle();
  const moments = play.player(0).finals.map((final) => {
    record(chronicle, final);
    const { ordered_J, allocated_J, metered_J } = chronicle;
    return { ordered_J, allocated_J, metered_J, open: unsettledRounds(chronicle), placed: chronicle.orders.size };
  });
  const each_J = 6000 * R_s; // the driver's charge points deliver to the watt-hour what was allocated
  for (const { ordered_J, allocated_J, metered_J } of moments)
    expect([allocated_J, metered_J]).toEqual([ordered_J, ordered_J]);
  expect(moments.at(-1)?.ordered_J).toBeGreaterThanOrEqual(2 * each_J);
  expect(moments.some(({ open }) => open > 0)).toBe(true);
  // Every order is settled or its round is open, or it has not been scheduled yet; the twin counts what is left.
  for (const { ordered_J, open, placed } of moments) expect(placed - ordered_J / each_J - open).toBeOneOf([0, 1]);
  // Mutant: counted when it is placed, what was ordered is ahead of what was allocated.
  expect(moments.some(({ allocated_J, placed }) => placed * each_J > allocated_J)).toBe(true);
});

test('a settlement that loses a joule is noticed, however many rows ago', () => {
  const { play, chronicle } = played(3);
  const { block, state, votes } = play.player(0).finals.find(({ state: { settled } }) => settled.length > 0)!;
  const row: SettlementRow = { round: 1, rounds: 1, node: 1, order: null, ordered_J: 0, allocated_J: 0, metered_J: 0 };
  const seal = { ...block, body: { ...block.body, carried: [] } };
  const settle = (settled: SettlementRow[]): void =>
    record(chronicle, { block: seal, before: state, state: { ...state, settled }, votes });
  settle([{ ...row, metered_J: 1 }]);
  for (let i = 0; i < 50; i++) settle(new Array(100).fill(row));
  expect(chronicle.settlement.length).toBeLessThanOrEqual(4096);
  expect(unbalanced(chronicle, play.registry)).toHaveLength(1);
  expect(unbalanced(chronicle, play.registry)[0]).toMatch(/^cp2: /);
});

test('what is kept for display does not grow for ever', () => {
  const { play, chronicle } = played(2);
  const { block, state, votes } = play.player(0).finals[0];
  const order = block.body.carried.find(({ body }) => body.type === 'ORDER')!;
  for (let i = 0; i < 5000; i++) {
    const carried = [{ ...order, id: `${i}` }] as typeof block.body.carried;
    const pending = [{ order: carried[0] as never, age: 0, remaining_W: 1 }];
    const seal = { ...block, body: { ...block.body, carried } };
    record(chronicle, {
      block: seal,
      before: chronicle.state ?? state,
      state: { ...state, pending, settled: [] },
      votes,
    });
  }
  expect(chronicle.orders.size).toBeLessThanOrEqual(4096);
  expect(chronicle.blocks.length).toBeLessThanOrEqual(4096);
});
