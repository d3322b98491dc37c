/**
 * npm run bench:benefit: how long it takes to solve a round, and to audit the plan, and what memory it costs.
 * Prints a table and, as the last line, the same as JSON. Figures are medians; the instances are seeded.
 */
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import { refusal } from '../../firmware/protocol/benefit/feasible.ts';
import type { Instance } from '../../firmware/protocol/benefit/instance.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { randomInstance } from '../unit/random-instance.ts';

const LIMITS = { 100: { solve_ms: 20, audit_ms: 1 }, 10000: { solve_ms: 1000, audit_ms: 20 } } as const;

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;

function timed(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function bench(orders: 100 | 10_000) {
  const instances = Array.from({ length: orders === 100 ? 30 : 5 }, (_, seed) =>
    randomInstance(seed + 1, { orders, rounds: 12, window: 48 }),
  );
  const audit = (instance: Instance, plan: ReturnType<typeof solve>): void => {
    if (refusal(instance, plan) !== null) throw new Error('the solver made an invalid plan');
    evaluate(instance, plan);
  };
  for (const instance of instances) audit(instance, solve(instance)); // warm up: the first rounds of a device are slower
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let peak = before;
  const solving: number[] = [];
  const auditing: number[] = [];
  for (const instance of instances) {
    let plan = solve(instance);
    solving.push(
      timed(() => {
        plan = solve(instance);
      }),
    );
    peak = Math.max(peak, process.memoryUsage().rss);
    auditing.push(timed(() => audit(instance, plan)));
  }
  return {
    orders,
    solve_ms: median(solving),
    solve_limit_ms: LIMITS[orders].solve_ms,
    audit_ms: median(auditing),
    audit_limit_ms: LIMITS[orders].audit_ms,
    memory_MB: (peak - before) / 1e6,
  };
}

const results = ([100, 10_000] as const).map(bench);
console.table(
  results.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, value]) => [key, Math.round(value * 100) / 100])),
  ),
);
console.log(JSON.stringify({ bench: 'benefit', results }));
