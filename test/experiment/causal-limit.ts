/**
 * node firmware/launch.cjs test/experiment/causal-limit.ts FILE...: what a causal rule can reach that is given the
 * true distribution. The FILEs are half-hour scenarios of one kind; the orders of a slot, buys and sells together,
 * are taken to be drawn from those of all their days.
 *
 * Given that, the best rule is a stochastic dynamic program, since rounds are independent: its state is what waits
 * (net, kW) and the last Theta, and what arrived in this round and the one before bounds what may still wait. Orders
 * are taken as divisible in the program and are all or nothing in the day. It is run against the shipped rule on
 *  - drawn days, whose distribution it knows exactly; the shipped rule has seven drawn days of history;
 *  - the files' own days, where it knows the days of all the files but the one that is played.
 */
import { parseArgs } from 'node:util';
import type { Instance, PlanAhead } from '../../firmware/protocol/benefit/instance.ts';
import { tube } from '../../firmware/protocol/benefit/tube.ts';
import { baseTheta_W, powerFluctuation, reduction_percent } from '../../firmware/simulate/measure.ts';
import { runDay } from '../../firmware/simulate/run-day.ts';
import { readScenario, type Scenario } from '../../firmware/simulate/scenario.ts';
import { assign } from '../../firmware/solver/assign.ts';
import { chooseExact, chooseGreedy } from '../../firmware/solver/choose.ts';
import { asHistory, type Day, daysOf, drawnDay } from './drawn-day.ts';

/** One draw of a slot, kW at the site. */
interface Arrivals {
  readonly buy: number;
  readonly sell: number;
}

const WAITING_STEPS = 101;
const THETA_STEPS = 81;
/** Steps of the search for the best backlog; the cost is convex in it. */
const SEARCH_STEPS = 8;
const GOLDEN = 0.381966;

function least(cost: (x: number) => number, low: number, high: number): { readonly x: number; readonly cost: number } {
  if (high <= low) return { x: (low + high) / 2, cost: cost((low + high) / 2) };
  let a = low;
  let b = high;
  let left = { x: a + GOLDEN * (b - a), cost: 0 };
  let right = { x: b - GOLDEN * (b - a), cost: 0 };
  left.cost = cost(left.x);
  right.cost = cost(right.x);
  for (let step = 0; step < SEARCH_STEPS; step++) {
    if (left.cost < right.cost) {
      b = right.x;
      right = left;
      left = { x: a + GOLDEN * (b - a), cost: 0 };
      left.cost = cost(left.x);
    } else {
      a = left.x;
      left = right;
      right = { x: b - GOLDEN * (b - a), cost: 0 };
      right.cost = cost(right.x);
    }
  }
  return left.cost < right.cost ? left : right;
}

/** The rule that minimises the expected sum of squared slopes of a day whose slots are drawn from `days`. */
function dynamicProgram(days: readonly Day[], efficiency_ppm: number): (instance: Instance) => PlanAhead {
  const rounds = days[0]!.load_w.length;
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const load = Array.from({ length: rounds }, (_, t) => mean(days.map(({ load_w }) => load_w[t]! / 1000)));
  const draws = load.map((_, t) =>
    days.map((day): Arrivals => ({ buy: day.buy_w[t]! / 1000, sell: (day.sell_w[t]! * efficiency_ppm) / 1e9 })),
  );
  const usual = draws.map(
    (list): Arrivals => ({ buy: mean(list.map(({ buy }) => buy)), sell: mean(list.map(({ sell }) => sell)) }),
  );
  const most = 60 + 2.2 * Math.max(...usual.map(({ buy, sell }) => buy + sell));
  const peak = 30 + 1.25 * Math.max(...load.map((power, t) => power + usual[t]!.buy - usual[t]!.sell));
  const waitingStep = (2 * 0.6 * most) / (WAITING_STEPS - 1);
  const thetaStep = (1.25 * peak) / (THETA_STEPS - 1);
  const table = (): Float64Array => new Float64Array(WAITING_STEPS * THETA_STEPS);
  const cell = (at: number, steps: number): number => Math.max(0, Math.min(steps - 2, Math.floor(at)));
  /** Cost to go, linear between the grid's points and beyond them. */
  const read = (values: Float64Array, waiting: number, theta: number): number => {
    const w = (waiting + 0.6 * most) / waitingStep;
    const h = (theta + 0.25 * peak) / thetaStep;
    const i = cell(w, WAITING_STEPS);
    const j = cell(h, THETA_STEPS);
    const k = i * THETA_STEPS + j;
    const low = values[k]! + (h - j) * (values[k + 1]! - values[k]!);
    const high = values[k + THETA_STEPS]! + (h - j) * (values[k + THETA_STEPS + 1]! - values[k + THETA_STEPS]!);
    return low + (w - i) * (high - low);
  };
  /** Expected cost from round t on, when `waiting` is left over and `before` arrived in the round before. */
  const expected = (t: number, waiting: number, theta: number, before: Arrivals): number => {
    let sum = 0;
    for (const { buy, sell } of draws[t]!) {
      const all = waiting + buy - sell;
      if (t === rounds - 1) sum += (load[t]! + all - theta) ** 2;
      else {
        const cost = (left: number): number => {
          const next = load[t]! + all - left;
          return (next - theta) ** 2 + read(toGo[t + 1]!, left, next);
        };
        sum += least(cost, -(sell + before.sell), buy + before.buy).cost;
      }
    }
    return sum / draws[t]!.length;
  };
  const toGo: Float64Array[] = new Array<Float64Array>(rounds + 1);
  for (let t = rounds - 1; t > 0; t--) {
    const values = table();
    for (let i = 0; i < WAITING_STEPS; i++)
      for (let j = 0; j < THETA_STEPS; j++)
        values[i * THETA_STEPS + j] = expected(
          t,
          i * waitingStep - 0.6 * most,
          j * thetaStep - 0.25 * peak,
          usual[t - 1]!,
        );
    toGo[t] = values;
  }
  return (instance) => {
    const t = instance.round % rounds;
    const path = new Float64Array(instance.load_W.length);
    const { lower_W, upper_W } = tube(instance);
    if (t === rounds - 1) path[0] = lower_W[0]!;
    else {
      // What has just arrived and may still wait in the next round is known, and so is this round's load, nearly.
      const arrived = { buy: 0, sell: 0 };
      let all = 0;
      for (const { side, power_W, remainingWait_rounds } of instance.pending) {
        const power = side === 'buy' ? power_W / 1000 : (power_W * efficiency_ppm) / 1e9;
        all += side === 'buy' ? power : -power;
        if (remainingWait_rounds === Math.min(instance.maxWait_rounds, rounds - 1 - t)) arrived[side] += power;
      }
      const before = instance.theta_W.at(-1);
      const cost = (runs: number): number => {
        const theta = instance.load_W[0]! / 1000 + runs;
        const slope = before === undefined ? 0 : theta - before / 1000;
        return slope ** 2 + expected(t + 1, all - runs, theta, arrived);
      };
      path[0] = 1000 * least(cost, lower_W[0]! / 1000, upper_W[0]! / 1000).x;
    }
    return assign(instance, path, chooseGreedy, chooseExact);
  };
}

type Solver = (instance: Instance) => PlanAhead;

function reduction(scenario: Scenario, solver?: Solver): number {
  const pf = (theta_W: readonly number[]): number => Math.cbrt(powerFluctuation(theta_W, scenario.round_time_s));
  const { theta_W } = runDay(scenario, solver ? { rule: 'plan', solver } : { rule: 'plan' });
  return reduction_percent(pf(baseTheta_W(scenario)), pf(theta_W));
}

/** Mean and its standard error. */
function summary(values: readonly number[]): string {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return `${mean.toFixed(1)} ± ${Math.sqrt(squares / Math.max(1, values.length - 1) / values.length).toFixed(1)}`;
}

const { values, positionals } = parseArgs({
  options: { days: { type: 'string', default: '20' } },
  allowPositionals: true,
});
const scenarios = positionals.map(readScenario);
const first = scenarios[0];
if (first === undefined || scenarios.some(({ rounds }) => rounds !== 48)) {
  console.error('Give half-hour scenario files of one kind, such as paper-*.json');
  process.exit(2);
}
const all = daysOf(scenarios);
const known = dynamicProgram(all, first.discharging_efficiency_ppm);
const drawn = Array.from({ length: Number(values.days) }, (_, seed) => drawnDay(all, first, seed + 1));
const limit = drawn.map((day) => reduction(day, known));
const ours = drawn.map((day) => reduction(day));
console.log(`${drawn.length} drawn days, reduction of cbrt(PF), %:`);
console.log(`  dynamic program that knows the distribution  ${summary(limit)}`);
console.log(`  plan, seven days of history                  ${summary(ours)}`);
console.log(`  difference                                   ${summary(limit.map((value, i) => value - ours[i]!))}`);
for (const scenario of scenarios) {
  const others = scenarios.flatMap((other) =>
    other === scenario ? other.history : [asHistory(other), ...other.history],
  );
  const informed = reduction(scenario, dynamicProgram(others, scenario.discharging_efficiency_ppm));
  console.log(`${scenario.name}: dynamic program ${informed.toFixed(1)}, plan ${reduction(scenario).toFixed(1)}`);
}
