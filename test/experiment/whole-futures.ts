/**
 * node firmware/launch.cjs test/experiment/whole-futures.ts FILE... [--ahead 2] [--days 20]: does a plan gain by knowing
 * that later orders are whole, too? The FILEs are five-minute scenarios. The rule takes the shipped plan, and for `ahead`
 * rounds puts whole orders in the place of the forecast: those that were placed for this round, the largest first, as
 * many as the forecast has power for; what is left of it runs as planned. Then it looks for the best rounds of all whole
 * orders, waiting and expected, by the same value. It plays the files' own days and days drawn from them
 * (session-day.ts), beside the shipped plan.
 */
import { parseArgs } from 'node:util';
import { refusal } from '../../firmware/protocol/benefit/feasible.ts';
import type { Instance, PlanAhead } from '../../firmware/protocol/benefit/instance.ts';
import { PPM, siteEffect_W } from '../../firmware/protocol/benefit/instance.ts';
import { planNet_W } from '../../firmware/protocol/benefit/theta.ts';
import { readScenario, type Scenario } from '../../firmware/simulate/scenario.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { valuation } from '../../firmware/solver/valuation.ts';
import { seeded } from '../unit/random-instance.ts';
import { played_percent } from './played.ts';
import { drawnSessions, modelOf } from './session-day.ts';
import { withError } from './statistic.ts';

const { values, positionals } = parseArgs({
  options: { ahead: { type: 'string', default: '2' }, days: { type: 'string', default: '20' } },
  allowPositionals: true,
});
const AHEAD_rounds = Number(values.ahead);
/** Orders whose rounds are chosen at once, and passes in a row that bring nothing before the search ends. */
const GROUP = 5;
const IDLE_PASSES = 3;
const WORTH = 1e-6;

/** A whole order, waiting or expected; `round` is when it runs. */
interface Whole {
  readonly effect_W: number;
  readonly from: number;
  readonly until: number;
  round: number;
}

const waiting = (instance: Instance, plan: PlanAhead): Whole[] =>
  instance.pending.map(({ side, power_W, remainingWait_rounds }, index) => ({
    effect_W: siteEffect_W(instance, side, power_W),
    from: 0,
    until: remainingWait_rounds,
    round: plan.orders[index] as number,
  }));

/** The orders expected for round `k`; what they are made of is taken off the plan's `net_W`, and they are put on it. */
function expected(instance: Instance, plan: PlanAhead, net_W: number[], k: number): Whole[] {
  const rounds = instance.load_W.length;
  const last = instance.closes ? rounds - 1 : Number.POSITIVE_INFINITY;
  const longest = Math.min(instance.maxWait_rounds, last);
  return (['buy', 'sell'] as const).flatMap((side) => {
    const forecast_W = (side === 'buy' ? instance.buyForecast_W : instance.sellForecast_W)[k]!;
    let left_W = forecast_W;
    const kept = instance.pending
      .filter((order) => order.side === side && order.remainingWait_rounds === longest)
      .sort((a, b) => b.power_W - a.power_W)
      .filter(({ power_W }) => {
        if (power_W > left_W) return false;
        left_W -= power_W;
        return true;
      });
    const { buy_ppm, sell_ppm } = plan.shares[k - 1]!;
    const shares_ppm = side === 'buy' ? buy_ppm : sell_ppm;
    const flow_W = shares_ppm.map((share) =>
      forecast_W > 0 ? Math.floor((((forecast_W * share) / PPM) * (forecast_W - left_W)) / forecast_W) : 0,
    );
    const add = (round: number, power_W: number, sign: 1 | -1): void => {
      if (round < rounds) net_W[round]! += sign * siteEffect_W(instance, side, power_W);
    };
    flow_W.forEach((power_W, wait) => {
      add(k + wait, power_W, -1);
    });
    return kept.map(({ power_W }): Whole => {
      const until = Math.min(k + instance.maxWait_rounds, last);
      const open = flow_W.slice(0, until - k + 1);
      const wait = open.indexOf(Math.max(...open)); // where the plan has most of it
      flow_W[wait]! -= power_W;
      add(k + wait, power_W, 1);
      return { effect_W: siteEffect_W(instance, side, power_W), from: k, until, round: k + wait };
    });
  });
}

function wholeAhead(instance: Instance): PlanAhead {
  const plan = solve(instance);
  const rounds = instance.load_W.length;
  const net_W = planNet_W(instance, plan);
  const own = waiting(instance, plan);
  const all = [...own];
  for (let k = 1; k <= Math.min(AHEAD_rounds, rounds - 1); k++) all.push(...expected(instance, plan, net_W, k));
  const until = Math.min(rounds, all.reduce((most, whole) => Math.max(most, whole.until), 0) + 2);
  const value = valuation(instance);
  const put = (whole: Whole, round: number): void => {
    if (whole.round < rounds) net_W[whole.round]! -= whole.effect_W;
    if (round < rounds) net_W[round]! += whole.effect_W;
    whole.round = round;
  };
  let best = value(net_W, until);
  const tryAll = (group: readonly Whole[]): void => {
    let kept = group.map(({ round }) => round);
    const visit = (at: number): void => {
      const whole = group[at];
      if (whole) {
        for (let round = whole.from; round <= whole.until; round++) {
          put(whole, round);
          visit(at + 1);
        }
        return;
      }
      const now = value(net_W, until);
      if (now >= best) return;
      best = now;
      kept = group.map(({ round }) => round);
    };
    visit(0);
    group.forEach((whole, i) => {
      put(whole, kept[i]!);
    });
  };
  const random = seeded(instance.round);
  for (let idle = 0; idle < IDLE_PASSES; ) {
    const before = best;
    const free = all
      .filter((whole) => whole.until > whole.from)
      .map((whole) => ({ whole, key: random() }))
      .sort((a, b) => a.key - b.key)
      .map(({ whole }) => whole);
    for (let at = 0; at < free.length; at += GROUP) tryAll(free.slice(at, at + GROUP));
    idle = before - best <= WORTH * before ? idle + 1 : 0;
  }
  const whole: PlanAhead = { orders: own.map(({ round }) => round), shares: plan.shares };
  return refusal(instance, whole) === null ? whole : plan;
}

if (positionals.length === 0) {
  console.error('Give five-minute scenario files, such as five-minute-1.json');
  process.exit(2);
}
const FIRST_SEED = 900; // sampled-limit.ts draws from 1 on
for (const scenario of positionals.map(readScenario)) {
  const rule = (day: Scenario): number => played_percent(day, { solver: wholeAhead });
  const plan = (day: Scenario): number => played_percent(day);
  console.log(`${scenario.name}: whole ${rule(scenario).toFixed(1)}, plan ${plan(scenario).toFixed(1)}`);
  const model = modelOf(scenario);
  const days = Array.from({ length: Number(values.days) }, (_, i) => drawnSessions(model, scenario, FIRST_SEED + i));
  const [whole, shipped] = [days.map(rule), days.map(plan)];
  const difference = withError(
    whole.map((value, i) => value - shipped[i]!),
    2,
  );
  console.log(
    `  ${days.length} drawn days: whole ${withError(whole)}, plan ${withError(shipped)}, difference ${difference}`,
  );
}
