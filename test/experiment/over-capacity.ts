/**
 * node firmware/launch.cjs test/experiment/over-capacity.ts FILE... [--days 20]: could a round over capacity have been
 * avoided? Plays days drawn from the FILEs; for every round that went over, and the decisions that led to it, HiGHS
 * looks for a choice of whole orders that keeps all rounds up to it under capacity:
 *  - known: from what waits at that decision and the forecast of load and orders (the choice that a causal rule has);
 *  - kept: the same, after what the plan chose. "known" without "kept" is a fault of the solver;
 *  - hindsight: from what waits at that decision and the orders and load that really came.
 */
import { parseArgs } from 'node:util';
import highsModule from 'highs';
import { bindingRound } from '../../firmware/protocol/benefit/feasible.ts';
import type { Instance, PlanAhead } from '../../firmware/protocol/benefit/instance.ts';
import { siteEffect_W } from '../../firmware/protocol/benefit/instance.ts';
import { runDay } from '../../firmware/simulate/run-day.ts';
import type { Scenario } from '../../firmware/simulate/scenario.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { daysOf, drawnDay } from './drawn-day.ts';
import { ofOneKind } from './kind.ts';

const highs = await (highsModule as unknown as typeof import('highs').default)();

/** Something that runs once between two rounds, counted from the first of the window; whole unless divisible. */
interface Load {
  readonly effect_W: number;
  readonly from: number;
  readonly until: number;
  readonly divisible: boolean;
}

const TIME_LIMIT_s = 20;
const TOLERANCE_W = 10;

/** True when all of `loads` can run in time with no round over its room, false when not, null when HiGHS does not tell. */
function fits(loads: readonly Load[], room_W: readonly number[]): boolean | null {
  const rounds = room_W.length;
  const inRound = room_W.map(() => [] as string[]);
  const rows: string[] = [];
  const bounds: string[] = [];
  const whole: string[] = [];
  loads.forEach(({ effect_W, from, until, divisible }, i) => {
    if (from >= rounds) return;
    const names: string[] = [];
    for (let k = from; k <= Math.min(until, rounds - 1); k++) {
      const name = `x${i}_${k}`;
      names.push(name);
      const kW = effect_W / 1000;
      inRound[k]!.push(`${kW < 0 ? '-' : '+'} ${Math.abs(kW).toFixed(4)} ${name}`);
      if (divisible) bounds.push(`0 <= ${name} <= 1`);
      else whole.push(name);
    }
    rows.push(`${names.join(' + ')} ${until < rounds ? '=' : '<='} 1`);
  });
  inRound.forEach((terms, k) => {
    rows.push(`${terms.join(' ')} - v${k} <= ${(room_W[k]! / 1000).toFixed(4)}`);
  });
  const excess = room_W.map((_, k) => `v${k}`).join(' + ');
  const solution = highs.solve(
    `Minimize\n obj: ${excess}\nSubject To\n ${rows.join('\n ')}\nBounds\n ${bounds.join('\n ')}\nBinary\n ${whole.join(' ')}\nEnd`,
    { time_limit: TIME_LIMIT_s, mip_rel_gap: 0 },
  );
  if (solution.ObjectiveValue * 1000 < TOLERANCE_W) return true;
  return solution.Status === 'Optimal' ? false : null;
}

interface Decision {
  readonly instance: Instance;
  readonly plan: PlanAhead;
}

const pendingLoads = ({ instance, plan }: Decision, chosen: boolean): Load[] => {
  const runs = new Set(bindingRound(instance, plan).map(({ index }) => index));
  return instance.pending.map((order, index) => ({
    effect_W: siteEffect_W(instance, order.side, order.power_W),
    from: chosen && !runs.has(index) && order.remainingWait_rounds > 0 ? 1 : 0,
    until: chosen && runs.has(index) ? 0 : order.remainingWait_rounds,
    divisible: false,
  }));
};

/** From this decision on until `ahead` rounds later, on the forecast. */
function onForecast(decision: Decision, ahead: number, chosen: boolean, more: boolean): boolean | null {
  const { instance } = decision;
  const { capacity_W, margin_W } = instance.limits;
  const room = instance.load_W.slice(0, ahead + 1).map((load, k) => capacity_W - load - (k === 0 ? margin_W : 0));
  const loads = pendingLoads(decision, chosen);
  for (let k = 1; more && k <= ahead; k++)
    for (const side of ['buy', 'sell'] as const) {
      const power_W = (side === 'buy' ? instance.buyForecast_W : instance.sellForecast_W)[k]!;
      const last = instance.closes ? instance.load_W.length - 1 : Number.POSITIVE_INFINITY;
      const until = Math.min(k + instance.maxWait_rounds, last);
      loads.push({ effect_W: siteEffect_W(instance, side, power_W), from: k, until, divisible: true });
    }
  return fits(loads, room);
}

/** The same on what really came. */
function inHindsight(day: Scenario, decision: Decision, round: number, until: number): boolean | null {
  const loads = pendingLoads(decision, false);
  for (const order of day.orders)
    if (order.round > round && order.round <= until)
      loads.push({
        effect_W: siteEffect_W(decision.instance, order.side, order.power_w),
        from: order.round - round,
        until: Math.min(order.round + day.max_wait_rounds, day.rounds - 1) - round,
        divisible: false,
      });
  return fits(
    loads,
    day.load_w.slice(round, until + 1).map((load) => day.capacity_w - load),
  );
}

const { values, positionals } = parseArgs({
  options: { days: { type: 'string', default: '20' } },
  allowPositionals: true,
});
const { scenarios, like } = ofOneKind(positionals, 'tight-capacity-1.json');
const word = (answer: boolean | null): string => (answer === null ? '?' : answer ? 'yes' : 'no').padEnd(4);
const cells = (answers: readonly (boolean | null)[]): string => answers.map(word).join('');
const total = { over: 0, wholeDay: 0, faults: 0, gambles: 0 };
console.log('columns: decisions 3, 2, 1 and 0 rounds before; whole day: hindsight from midnight');
for (let seed = 1; seed <= Number(values.days); seed++) {
  const day = drawnDay(daysOf(scenarios), like, seed);
  const decisions: Decision[] = [];
  const { theta_W } = runDay(day, {
    rule: 'plan',
    solver: (instance, rule) => {
      const plan = solve(instance, rule);
      decisions.push({ instance, plan });
      return plan;
    },
  });
  for (const [round, power_W] of theta_W.entries()) {
    if (power_W <= day.capacity_w) continue;
    const before = [3, 2, 1, 0].filter((back) => back <= round);
    const at = (back: number): Decision => decisions[round - back]!;
    const known = before.map((back) => onForecast(at(back), back, false, true));
    const kept = before.map((back) => onForecast(at(back), back, true, true));
    const sure = before.map((back) => onForecast(at(back), back, false, false));
    const sureKept = before.map((back) => onForecast(at(back), back, true, false));
    const hindsight = before.map((back) => inHindsight(day, at(back), round - back, round));
    const wholeDay = inHindsight(day, decisions[0]!, 0, round);
    total.over++;
    if (wholeDay !== false) total.wholeDay++;
    if (known.some((feasible, i) => feasible === true && kept[i] === false)) total.faults++;
    if (sure.some((feasible, i) => feasible === true && sureKept[i] === false)) total.gambles++;
    const over_kW = ((power_W - day.capacity_w) / 1000).toFixed(0).padStart(4);
    console.log(
      `day ${seed}, round ${round}: ${over_kW} kW over; known ${cells(known)} kept ${cells(kept)} sure ${cells(sure)} kept ${cells(sureKept)} hindsight ${cells(hindsight)} whole day ${word(wholeDay)}`,
    );
  }
}
console.log(
  `${total.over} rounds over, ${total.wholeDay} that hindsight of the whole day avoids, ${total.faults} faults, ${total.gambles} gambles`,
);
