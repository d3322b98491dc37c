/**
 * node firmware/launch.cjs test/experiment/causal-limit.ts FILE... [--days 20] [--bound 100] [--limits]: what a causal
 * rule can reach that is given the true distribution. The FILEs are half-hour scenarios of one kind; the orders of a slot, buys
 * and sells together, are taken to be drawn from those of all their days (dynamic-program.ts). The program's rule, all or
 * nothing and with the load as forecast, is run against the shipped rule on
 *  - drawn days, whose distribution it knows exactly; the shipped rule has seven drawn days of history;
 *  - the files' own days, where it knows the days of all the files but the one that is played.
 * All decisions are kept within the capacity where that is possible (of drawn days, the first file's). With `limits` the
 * program knows that in advance.
 * On `bound` more drawn days it is set against a bound that no causal rule can pass (dual-bound.ts).
 */
import { parseArgs } from 'node:util';
import type { Instance, PlanAhead } from '../../firmware/protocol/benefit/instance.ts';
import { tube } from '../../firmware/protocol/benefit/tube.ts';
import { baseTheta_W } from '../../firmware/simulate/measure.ts';
import { loadMargin_W } from '../../firmware/simulate/run-day.ts';
import { readScenario, type Scenario } from '../../firmware/simulate/scenario.ts';
import { assign } from '../../firmware/solver/assign.ts';
import { chooseExact, chooseGreedy } from '../../firmware/solver/choose.ts';
import { asHistory, daysOf, drawnDay } from './drawn-day.ts';
import { dualBound, squares_kW2 } from './dual-bound.ts';
import {
  type Distribution,
  distributionOf,
  dynamicProgram,
  type Limits,
  mean,
  type Program,
} from './dynamic-program.ts';
import { played } from './played.ts';
import { meanOf } from './statistic.ts';

type Solver = (instance: Instance) => PlanAhead;
type Played = ReturnType<typeof played>;

function variance(values: readonly number[]): number {
  const middle = mean(values);
  return mean(values.map((value) => (value - middle) ** 2));
}

/** Whether rounds are independent, as the program takes them to be. */
function independence({ draws }: Distribution): string {
  const off = draws.map((list) => {
    const net = list.map(({ buy, sell }) => buy - sell);
    const usual = mean(net);
    return net.map((value) => value - usual);
  });
  const together = off.slice(1).map((list, t) => mean(list.map((value, day) => value * off[t]![day]!)));
  const correlation = (mean(together) / mean(off.map(variance))).toFixed(2);
  const ofDays = draws[0]!.map((_, day) => draws.reduce((sum, list) => sum + list[day]!.buy, 0));
  const ofRounds = draws.reduce((sum, list) => sum + variance(list.map(({ buy }) => buy)), 0);
  const percent = (square: number): string => ((100 * Math.sqrt(square)) / mean(ofDays)).toFixed(0);
  return `the net orders' autocorrelation at one round is ${correlation}; the buys of a day vary by ${percent(variance(ofDays))} %, those of independent rounds would by ${percent(ofRounds)} %`;
}

/** What safety asks of a decision, whose load may come out otherwise by the margin. */
function limitsOf(day: Scenario): Limits {
  const margin_W = loadMargin_W(day);
  return {
    least: (margin_W - (day.export_limit_w ?? Number.POSITIVE_INFINITY)) / 1000,
    most: (day.capacity_w - margin_W) / 1000,
  };
}

/** The program's rule for whole orders. */
function ruleOf({ best }: Program, rounds: number, efficiency_ppm: number): Solver {
  return (instance) => {
    const t = instance.round % rounds;
    const arrived = { buy: 0, sell: 0 };
    let all = 0;
    for (const { side, power_W, remainingWait_rounds } of instance.pending) {
      const power = side === 'buy' ? power_W / 1000 : (power_W * efficiency_ppm) / 1e9;
      all += side === 'buy' ? power : -power;
      if (remainingWait_rounds === Math.min(instance.maxWait_rounds, rounds - 1 - t)) arrived[side] += power;
    }
    const { lower_W, upper_W } = tube(instance);
    const last = instance.theta_W.at(-1);
    const left = best(
      t,
      instance.load_W[0]! / 1000,
      all,
      last === undefined ? last : last / 1000,
      arrived,
      all - upper_W[0]! / 1000,
      all - lower_W[0]! / 1000,
    );
    const path = new Float64Array(instance.load_W.length);
    path[0] = 1000 * (all - left);
    return assign(instance, path, chooseGreedy, chooseExact);
  };
}

/** Mean, its standard error, and the spread of a day. */
function summary(values: readonly number[], digits = 1): string {
  const { mean: middle, error, spread } = meanOf(values);
  return `${middle.toFixed(digits)} ± ${error.toFixed(digits)} (a day ± ${spread.toFixed(digits)})`;
}

const words = ({ percent, over, peak_kW }: Played): string =>
  `${percent.toFixed(1)} (${over} rounds over, peak ${peak_kW.toFixed(0)} kW)`;

const { values, positionals } = parseArgs({
  options: {
    days: { type: 'string', default: '20' },
    bound: { type: 'string', default: '100' },
    limits: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const scenarios = positionals.map(readScenario);
const like = scenarios[0];
if (like === undefined || scenarios.some(({ rounds, max_wait_rounds }) => rounds !== 48 || max_wait_rounds !== 2)) {
  console.error('Give half-hour scenario files of one kind, such as paper-*.json');
  process.exit(2);
}
const efficiency_ppm = like.discharging_efficiency_ppm;
const days = daysOf(scenarios);
const distribution = distributionOf(days, efficiency_ppm);
console.log(independence(distribution));
const free = dynamicProgram(distribution);
/** The rule of the program that knows this distribution and, if asked to, the limits of such a day. */
function informedBy(known: Distribution, day: Scenario): Solver {
  const limits = values.limits ? limitsOf(day) : undefined;
  const program = limits === undefined && known === distribution ? free : dynamicProgram(known, limits);
  return ruleOf(program, day.rounds, efficiency_ppm);
}

const drawn = Array.from({ length: Number(values.days) }, (_, seed) => drawnDay(days, like, seed + 1));
const solver = informedBy(distribution, like);
const informed = drawn.map((day) => played(day, { solver }));
const ours = drawn.map((day) => played(day));
const line = (list: readonly Played[]): string =>
  `${summary(list.map(({ percent }) => percent))}; ${list.reduce((sum, { over }) => sum + over, 0)} rounds over capacity, mean peak ${mean(list.map(({ peak_kW }) => peak_kW)).toFixed(0)} kW`;
const ahead = informed.map(({ percent }, i) => percent - ours[i]!.percent);
console.log(`${drawn.length} drawn days, reduction of cbrt(PF), %:`);
console.log(`  dynamic program that knows the distribution  ${line(informed)}`);
console.log(`  plan, seven days of history                  ${line(ours)}`);
console.log(`  difference                                   ${summary(ahead)}`);

const more = Array.from({ length: Number(values.bound) }, (_, i) => drawnDay(days, like, i + 10_001));
const bounded = more.map((day) => dualBound(free, distribution, day));
// Who sees the day and pays can always do what the program does: a bound above that is none.
const wrong = bounded.filter(({ bound, programSteady }) => bound > programSteady * (1 + 1e-6));
if (wrong.length > 0) throw new Error(`the bound lies above the program on ${wrong.length} of ${more.length} days`);
const base = more.map((day) => squares_kW2(baseTheta_W(day).map((power) => power / 1000)));
const reached = bounded.map((day, i) => 100 * (1 - Math.cbrt(day.program / base[i]!)));
const least = mean(bounded.map(({ bound }) => bound)) / mean(bounded.map(({ programSteady }) => programSteady));
const unknowable = variance(distribution.draws.at(-1)!.map(({ buy, sell }) => buy - sell));
console.log(`${more.length} more, the program with divisible orders and the load known:`);
console.log(`  reduction, %                                 ${summary(reached)}`);
console.log(
  `  sum of squared slopes, kW^2                  ${summary(
    bounded.map((day) => day.programSteady),
    0,
  )}`,
);
console.log(
  `  bound: no causal rule's mean is below        ${summary(
    bounded.map(({ bound }) => bound),
    0,
  )}`,
);
console.log(
  `  which as a reduction is                      ${(100 - (100 - mean(reached)) * Math.cbrt(least)).toFixed(1)}`,
);
console.log(`  variance of what arrives in the last round   ${unknowable.toFixed(0)}`);
console.log(
  `  last slope of the program, squared           ${summary(
    bounded.map(({ last }) => last),
    0,
  )}`,
);

for (const scenario of scenarios.length > 1 || like.history.length > 0 ? scenarios : []) {
  const others = scenarios.flatMap((other) =>
    other === scenario ? other.history : [asHistory(other), ...other.history],
  );
  const rule = informedBy(distributionOf(others, efficiency_ppm), scenario);
  console.log(
    `${scenario.name}: dynamic program ${words(played(scenario, { solver: rule }))}, plan ${words(played(scenario))}`,
  );
}
