/** `p2pebt simulate`: its figures by hand-worked rounds, its progress, its refusals. */
import { describe, expect, test } from 'vitest';
import { closings } from '../../firmware/simulate/measure.ts';
import { progressOf } from '../../firmware/simulate/progress.ts';
import { overCause, runDay } from '../../firmware/simulate/run-day.ts';
import { parseScenario, type Scenario, ScenarioError } from '../../firmware/simulate/scenario.ts';

const order = (id: string, side: 'buy' | 'sell', power_w: number, round = 0) => ({
  id,
  round,
  side,
  connector: 'fast' as const,
  power_w,
});

/** Four rounds of six hours, 1 kW of load in each. */
const day = (changes: Partial<Scenario> = {}): Scenario => ({
  name: 'by hand',
  round_time_s: 21_600,
  rounds: 4,
  capacity_w: 100_000,
  max_wait_rounds: 1,
  charging_efficiency_ppm: 1_000_000,
  discharging_efficiency_ppm: 1_000_000,
  load_w: [1000, 1000, 1000, 1000],
  history: [],
  orders: [],
  ...changes,
});

describe('relay operations: a contact goes on for an order of the same side, connector and power', () => {
  const ran = (orders: Scenario['orders'], ...rounds: number[]): number =>
    closings(
      { orders },
      orders.map(({ id }, i) => ({ id, round: rounds[i]! })),
    );

  test.each([
    {
      what: 'two in a row share one',
      orders: [order('a', 'buy', 11_000), order('b', 'buy', 11_000)],
      rounds: [0, 1],
      closed: 1,
    },
    {
      what: 'two at a time need two',
      orders: [order('a', 'buy', 11_000), order('b', 'buy', 11_000)],
      rounds: [0, 0],
      closed: 2,
    },
    {
      what: 'a round between opens it',
      orders: [order('a', 'buy', 11_000), order('b', 'buy', 11_000)],
      rounds: [0, 2],
      closed: 2,
    },
    {
      what: 'not for the other side',
      orders: [order('a', 'buy', 11_000), order('b', 'sell', 11_000)],
      rounds: [0, 1],
      closed: 2,
    },
    {
      what: 'not for another power',
      orders: [order('a', 'buy', 11_000), order('b', 'buy', 7000)],
      rounds: [0, 1],
      closed: 2,
    },
    {
      what: 'not on another connector',
      orders: [order('a', 'buy', 11_000), { ...order('b', 'buy', 11_000), connector: 'rapid' as const }],
      rounds: [0, 1],
      closed: 2,
    },
    {
      what: 'one contact goes on for one order only',
      orders: ['a', 'b', 'c'].map((id) => order(id, 'buy', 11_000)),
      rounds: [0, 1, 1],
      closed: 2,
    },
    {
      what: 'two, then three, then one: two and one more',
      orders: ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => order(id, 'buy', 11_000)),
      rounds: [0, 0, 1, 1, 1, 2],
      closed: 3,
    },
  ])('$what', ({ orders, rounds, closed }) => {
    expect(ran(orders, ...rounds)).toBe(closed);
  });

  test('rules are told apart by it', () => {
    const orders = [order('a', 'buy', 11_000), order('b', 'buy', 11_000)];
    expect(ran(orders, 0, 0)).toBeGreaterThan(ran(orders, 0, 1));
  });
});

describe('a round over capacity has one cause', () => {
  test.each([
    ['within', { load_W: 60, forecast_W: 50, net_W: 40 }, null],
    ['the load alone', { load_W: 101, forecast_W: 50, net_W: 40 }, 'load'],
    ['the load alone, though sells helped', { load_W: 120, forecast_W: 50, net_W: -10 }, 'load'],
    ['orders that had to run', { load_W: 60, forecast_W: 60, net_W: 41 }, 'forced'],
    ['a load above its forecast', { load_W: 61, forecast_W: 60, net_W: 40 }, 'surprise'],
  ])('%s', (_what, facts, cause) => {
    expect(overCause(100, facts)).toBe(cause);
  });

  const causes = (scenario: Scenario) => runDay(scenario, { rule: 'plan' }).over;
  const orders = [order('a', 'buy', 70_000), order('b', 'buy', 70_000)];

  test('on a day: capacity 0 is the load alone in every round, orders or none', () => {
    const all = [0, 1, 2, 3].map((round) => ({ round, cause: 'load' }));
    expect(causes(day({ capacity_w: 0, orders }))).toEqual(all);
    expect(causes(day({ capacity_w: 0 }))).toEqual(all);
  });
  test('on a day: two that may not wait are forced, where one can wait nothing goes over', () => {
    expect(causes(day({ max_wait_rounds: 0, orders }))).toEqual([{ round: 0, cause: 'forced' }]);
    expect(causes(day({ orders }))).toEqual([]);
  });
  test('on a day: a load that jumps after the decision is a surprise', () => {
    const loads = [1000, 90_000, 1000, 1000];
    const late = [order('a', 'buy', 50_000, 1)];
    expect(causes(day({ max_wait_rounds: 0, load_w: loads, orders: late }))).toEqual([{ round: 1, cause: 'surprise' }]);
  });
});

test('days of history beyond the eighth change nothing', () => {
  const days = Array.from({ length: 12 }, (_, d) => ({
    load_w: [2000 + 10 * d, 3000, 9000 - 7 * d, 4000],
    buy_w: [20_000, 0, 11_000 * (d % 3), 0],
    sell_w: [0, 7000, 0, 0],
  }));
  const orders = ['a', 'b', 'c', 'd'].map((id, i) => order(id, i === 1 ? 'sell' : 'buy', 7000 + 1000 * i, i % 3));
  const run = (history: Scenario['history']) => {
    const { executed, theta_W, lambda } = runDay(day({ history, orders }), { rule: 'plan' });
    return { executed, theta_W, lambda };
  };
  expect(run(days)).toEqual(run(days.slice(-8)));
  expect(run(days)).not.toEqual(run(days.slice(-6))); // it would notice days that are missing
});

describe('progress', () => {
  /** Ten rounds of three seconds each. */
  function written(isTTY: boolean): string[] {
    const lines: string[] = [];
    let now_ms = 0;
    const progress = progressOf('long', 10, { isTTY, write: (text) => lines.push(text) }, () => now_ms);
    for (let round = 0; round < 10; round++) {
      now_ms += 3000;
      progress.round(round);
    }
    progress.end();
    return lines;
  }
  test('in a pipe: nothing at first, then whole lines, far apart', () => {
    expect(written(false)).toEqual(['long: round 2 of 10\n', 'long: round 6 of 10\n', 'long: round 10 of 10\n']);
  });
  test('on a terminal: one line, cleared at the end', () => {
    const lines = written(true);
    expect(lines).toHaveLength(11);
    expect(lines[0]).toBe('\rlong: round 1 of 10');
    expect(lines[10]).toMatch(/^\r +\r$/);
  });
  test('a short run says nothing', () => {
    const lines: string[] = [];
    const progress = progressOf('short', 1, { isTTY: true, write: (text) => lines.push(text) }, () => 0);
    progress.round(0);
    progress.end();
    expect(lines).toEqual([]);
  });
});

describe('a bad file is told in plain words', () => {
  const fault = (content: unknown): string => {
    try {
      parseScenario(typeof content === 'string' ? content : JSON.stringify(content), 'a.json');
    } catch (error) {
      expect(error).toBeInstanceOf(ScenarioError);
      return (error as Error).message;
    }
    return 'accepted';
  };
  const { capacity_w: _left_out, ...incomplete } = day();

  test('the day that the others differ from is accepted', () => {
    expect(fault(day({ orders: [order('a', 'buy', 1)] }))).toBe('accepted');
  });
  test.each([
    ['a field that is missing', incomplete, 'a.json: capacity_w: missing'],
    [
      'one of an order',
      day({ orders: [{ ...order('a', 'buy', 1), power_w: undefined as never }] }),
      'a.json: orders[0].power_w: missing',
    ],
    [
      'what is no whole number',
      { ...day(), capacity_w: 1.5, max_wait_rounds: 'two', load_w: [1000, 1000, null, 1000] },
      'a.json: capacity_w: 1.5 is not a whole number\na.json: max_wait_rounds: "two" is not a whole number\n' +
        'a.json: load_w[2]: null is not a whole number',
    ],
    ['what is no list', { ...day(), history: {} }, 'a.json: history: {} is not a list'],
    ['an unknown key at the top', { ...day(), capacity: 1 }, 'a.json: the file: Unrecognized key: "capacity"'],
    [
      'an unknown key of an order',
      day({ orders: [{ ...order('a', 'buy', 1), watts: 1 } as never] }),
      'a.json: orders[0]: Unrecognized key: "watts"',
    ],
    ['a name with an escape sequence', day({ name: 'x\u001b[2J' }), 'a.json: name: has a control character'],
    ['a key with one', { ...day(), 'x\u001b[2J': 1 }, 'a.json: the file: Unrecognized key: "x\\u{1b}[2J"'],
    ['wrong JSON, with its line and column', '{\n  "name": "x",\n}', /^a\.json: not JSON: .*line 3 column 1/],
    [
      'more rounds than a day may have',
      day({ rounds: 86_400, round_time_s: 1 }),
      /^a\.json: rounds: more than 1440: a round is a minute at least$/m,
    ],
  ])('%s', (_what, content, message) => {
    if (typeof message === 'string') expect(fault(content)).toBe(message);
    else expect(fault(content)).toMatch(message);
  });
});
