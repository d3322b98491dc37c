/**
 * npm run bench:benefit: how long it takes to solve a round, how soon the plan is within 1 % of the final one, how
 * long an audit takes (also of a round whose forced orders exceed the capacity), and what memory a solve costs.
 * With the look-aheads of a neighbourhood (24 rounds) and
 * of a simulated day (48), rated connectors and a capacity. Prints a table and, as the last line, the same as JSON; the
 * exit code is 1 when a limit is missed. Figures are medians; the instances are seeded.
 */
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import { refusal } from '../../firmware/protocol/benefit/feasible.ts';
import type { Instance } from '../../firmware/protocol/benefit/instance.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { randomInstance } from '../unit/random-instance.ts';

const LIMITS = { 100: { near_ms: 20, audit_ms: 1 }, 10000: { near_ms: 1000, audit_ms: 20 } } as const;

/** An audit is short: one alone would mostly tell how much the solver left for the garbage collector. */
const REPEATS = 5;

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;

function timed(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

/** Time to the first plan whose PFint (with reserve) is within 1 % of the final one's: the deadline strikes ever earlier. */
function near_ms(instance: Instance): number {
  const striking = (asked: number) => {
    let left = asked;
    return solve(instance, 'plan', { deadline: () => left-- <= 0 });
  };
  const within = (asked: number): boolean =>
    evaluate(instance, striking(asked)).pfInt * 100n <= evaluate(instance, solve(instance)).pfInt * 101n;
  let low = 0;
  let high = 1;
  while (!within(high)) high *= 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (within(middle)) high = middle;
    else low = middle + 1;
  }
  return timed(() => striking(high));
}

/** As controllers pose it: every order at a rated connector, and room for half of what buys. */
function posed(seed: number, orders: number, rounds: number): Instance {
  const instance = randomInstance(seed, { orders, rounds, window: 48 });
  const buys_W = instance.pending.reduce((sum, { side, power_W }) => sum + (side === 'buy' ? power_W : 0), 0);
  const connectors = instance.pending.map(() => ({ charge_W: 120_000, discharge_W: 120_000 }));
  const capacity_W = instance.load_W[0]! + Math.round(buys_W / 2);
  return { ...instance, limits: { ...instance.limits, capacity_W, connectors } };
}

function bench(orders: 100 | 10_000, rounds: number) {
  const instances = Array.from({ length: orders === 100 ? 30 : 5 }, (_, seed) => posed(seed + 1, orders, rounds));
  const overloaded = instances.map((instance): Instance => {
    const forced = instance.pending.map((order) => ({ ...order, remainingWait_rounds: 0 }));
    const drawn_W = forced.reduce((sum, { side, power_W }) => sum + (side === 'buy' ? power_W : 0), 0);
    return { ...instance, pending: forced, limits: { ...instance.limits, capacity_W: Math.round(drawn_W / 3) } };
  });
  const audit = (instance: Instance, plan: ReturnType<typeof solve>): void => {
    if (refusal(instance, plan) !== null) throw new Error('the solver made an invalid plan');
    evaluate(instance, plan);
  };
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  solve(instances[0]!);
  const after = process.memoryUsage().rss; // the first solve of its size: nothing that could be used again is there
  for (const instance of [...instances, ...overloaded]) audit(instance, solve(instance)); // warm up: the first rounds of a device are slower
  const solving: number[] = [];
  const auditing: number[] = [];
  for (const instance of instances) {
    let plan = solve(instance);
    solving.push(
      timed(() => {
        plan = solve(instance);
      }),
    );
    for (let i = 0; i < REPEATS; i++) auditing.push(timed(() => audit(instance, plan)));
  }
  const auditingOverload = overloaded.flatMap((instance) => {
    const plan = solve(instance);
    return Array.from({ length: REPEATS }, () => timed(() => audit(instance, plan)));
  });
  return {
    orders,
    rounds,
    near_1_percent_ms: median(instances.map(near_ms)),
    solve_ms: median(solving),
    near_limit_ms: LIMITS[orders].near_ms,
    audit_ms: median(auditing),
    audit_overload_ms: median(auditingOverload),
    audit_limit_ms: LIMITS[orders].audit_ms,
    memory_MB: (after - before) / 1e6,
    memory_limit_MB: 100,
  };
}

const results = ([100, 10_000] as const).flatMap((orders) => [24, 48].map((rounds) => bench(orders, rounds)));
console.table(
  results.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, value]) => [key, Math.round(value * 100) / 100])),
  ),
);
console.log(JSON.stringify({ bench: 'benefit', results }));
const missed = results.filter(
  (row) =>
    row.near_1_percent_ms > row.near_limit_ms ||
    Math.max(row.audit_ms, row.audit_overload_ms) > row.audit_limit_ms ||
    row.memory_MB > row.memory_limit_MB,
);
for (const { orders, rounds } of missed) console.error(`${orders} orders, ${rounds} rounds: over a limit`);
process.exitCode = missed.length > 0 ? 1 : 0;
