/**
 * node firmware/launch.cjs test/experiment/sampled-limit.ts FILE... [--days 6] [--futures 80]: what a causal rule can
 * reach on five-minute days that is given the distribution (session-day.ts). There causal-limit.ts does not apply.
 *
 * The rule knows that model and which sessions run. Each round it draws futures and takes the net power whose mean cost
 * over them is least, when each future is played as well as can be from the next round on (a two-stage stochastic
 * program; the same futures for every power tried). It runs beside the shipped rule on days drawn from the model, and on
 * the files' own days, where the model has seen the very day. What it costs that orders are whole shows when the plan
 * plays the same day with every order cut into parts of 3 kW at most.
 */
import { parseArgs } from 'node:util';
import type { Instance, PlanAhead } from '../../firmware/protocol/benefit/instance.ts';
import { tube } from '../../firmware/protocol/benefit/tube.ts';
import { readScenario, type Scenario } from '../../firmware/simulate/scenario.ts';
import { assign } from '../../firmware/solver/assign.ts';
import { chooseExact, chooseGreedy } from '../../firmware/solver/choose.ts';
import { pathProgram } from '../../firmware/solver/path.ts';
import { minimise, type QuadraticProgram } from '../../firmware/solver/quadratic.ts';
import { seeded } from '../unit/random-instance.ts';
import { played_percent } from './played.ts';
import { drawnSessions, type Model, modelOf, power_W, type Session, step } from './session-day.ts';
import { withError } from './statistic.ts';

const { values, positionals } = parseArgs({
  options: { days: { type: 'string', default: '6' }, futures: { type: 'string', default: '80' } },
  allowPositionals: true,
});
const FUTURES = Number(values.futures);
/** An order waits two rounds at most, so what comes later hardly matters for what runs now. */
const AHEAD_rounds = 6;
const SEARCH_STEPS = 9;
/** As path.ts scales its program. */
const SCALE_W = 10_000;

/** Least cost when the net power of the first round is `first_W`. */
function costOf({ Q, c, u, bounds }: QuadraticProgram, first_W: number): number {
  const fixed = ([1, -1] as const).map((sign) => ({
    of: 'value' as const,
    k: 0,
    sign,
    limit: first_W / SCALE_W,
    price: 1e5,
  }));
  const N = minimise({ Q, c, u, bounds: [...bounds.filter(({ k }) => k > 0), ...fixed] });
  let cost = 0;
  let along = 0;
  for (let k = 0; k < N.length; k++) {
    cost += c[k]! * N[k]! + (Q[0][k]! * N[k]! ** 2) / 2;
    for (const d of [1, 2] as const) cost += Q[d][k]! * N[k]! * (N[k + d] ?? 0);
    along += u[k]! * N[k]!;
  }
  for (const { of, k, sign, limit, price } of bounds) {
    if (k === 0) continue;
    const lack = sign * (limit - (of === 'value' ? N[k]! : N[k]! - N[k - 1]!));
    if (lack > 0) cost += (price * lack * lack) / 2;
  }
  return cost - (along * along) / 2;
}

/** The two-stage rule. */
function sampled(model: Model): (instance: Instance) => PlanAhead {
  return (instance) => {
    const rounds = Math.min(AHEAD_rounds, instance.load_W.length);
    const today = instance.round % instance.slotsPerDay;
    const random = seeded(instance.round);
    const longest = Math.min(instance.maxWait_rounds, instance.slotsPerDay - 1 - today);
    const running = instance.pending.filter(({ remainingWait_rounds }) => remainingWait_rounds === longest);
    const near: Instance = {
      ...instance,
      load_W: instance.load_W.slice(0, rounds),
      buyForecast_W: instance.buyForecast_W.slice(0, rounds),
      sellForecast_W: instance.sellForecast_W.slice(0, rounds),
      surprise: new Array<number>(rounds).fill(0), // the futures stand for it
      closes: instance.closes && rounds === instance.load_W.length,
    };
    const programs = Array.from({ length: FUTURES }, () => {
      let sessions: Session[] = running;
      const future = Array.from({ length: rounds }, (_, k) => {
        if (k > 0) sessions = step(model, sessions, today + k, random);
        return sessions;
      });
      return pathProgram({
        ...near,
        buyForecast_W: future.map((list) => power_W(list, 'buy')),
        sellForecast_W: future.map((list) => power_W(list, 'sell')),
      });
    });
    const cost = (first_W: number): number => programs.reduce((sum, program) => sum + costOf(program, first_W), 0);
    const { lower_W, upper_W } = tube(near);
    let low = lower_W[0]!;
    let high = upper_W[0]!;
    for (let i = 0; i < SEARCH_STEPS && high > low; i++) {
      const third = (high - low) / 3;
      if (cost(low + third) < cost(high - third)) high -= third;
      else low += third;
    }
    const path = new Float64Array(instance.load_W.length);
    path[0] = (low + high) / 2;
    return assign(instance, path, chooseGreedy, chooseExact);
  };
}

const PART_W = 3000;

/** The same day, with orders in small parts. */
const inParts = (day: Scenario): Scenario => ({
  ...day,
  orders: day.orders.flatMap((order) => {
    const parts = Math.ceil(order.power_w / PART_W);
    const power_w = Math.floor(order.power_w / parts);
    return Array.from({ length: parts }, (_, i) => ({ ...order, id: `${order.id}/${i}`, power_w }));
  }),
});

if (positionals.length === 0) {
  console.error('Give five-minute scenario files, such as five-minute-1.json');
  process.exit(2);
}
for (const file of positionals) {
  const scenario = readScenario(file);
  const model = modelOf(scenario);
  const rule = sampled(model);
  console.log(
    `${scenario.name}: program ${played_percent(scenario, { solver: rule }).toFixed(1)}, plan ${played_percent(scenario).toFixed(1)}, in parts ${played_percent(inParts(scenario)).toFixed(1)}`,
  );
  const days = Array.from({ length: Number(values.days) }, (_, i) => drawnSessions(model, scenario, i + 1));
  const known = days.map((day) => played_percent(day, { solver: rule }));
  const ours = days.map((day) => played_percent(day));
  const difference = withError(known.map((value, i) => value - ours[i]!));
  console.log(
    `  ${days.length} drawn days: program ${withError(known)}, plan ${withError(ours)}, difference ${difference}`,
  );
}
