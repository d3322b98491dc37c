/**
 * node firmware/launch.cjs test/experiment/search-effort.ts FILE... [--effort 6] [--days 60]: is there anything left for
 * the solver to find? The FILEs are scenarios of one kind. Their own days and days drawn from theirs are played twice,
 * the second time with so many times as many plans looked at; the value of the plans and the days are compared.
 */
import { parseArgs } from 'node:util';
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import type { Scenario } from '../../firmware/simulate/scenario.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { daysLike, ofOneKind } from './kind.ts';
import { played_percent } from './played.ts';
import { withError } from './statistic.ts';

const { values, positionals } = parseArgs({
  options: { effort: { type: 'string', default: '6' }, days: { type: 'string', default: '60' } },
  allowPositionals: true,
});
const effort = Number(values.effort);
const { scenarios, like } = ofOneKind(positionals, 'paper-*.json');
const FIRST_SEED = 5000; // the other experiments draw from 1 and from 10,001 on
const drawn = daysLike(scenarios, like, Number(values.days), FIRST_SEED);

/** Of the value of a plan (PFint with reserve), the percent that more search takes off, by round. */
const gains_percent: number[] = [];

function reduction(day: Scenario, more: boolean): number {
  return played_percent(day, {
    solver: (instance, rule) => {
      const usual = solve(instance, rule);
      if (!more) return usual;
      const longer = solve(instance, rule, { effort });
      const before = evaluate(instance, usual).pfInt;
      const less = before - evaluate(instance, longer).pfInt;
      gains_percent.push(before > 0n ? (100 * Number(less)) / Number(before) : 0);
      return longer;
    },
  });
}

for (const scenario of scenarios)
  console.log(`${scenario.name}: ${reduction(scenario, false).toFixed(1)}, ${reduction(scenario, true).toFixed(1)}`);
const usual = drawn.map((day) => reduction(day, false));
const longer = drawn.map((day) => reduction(day, true));
const difference = longer.map((value, i) => value - usual[i]!);
console.log(`${drawn.length} drawn days, reduction of cbrt(PF), %, and with ${effort} times as many plans:`);
console.log(`  ${withError(usual)}, ${withError(longer)}, difference ${withError(difference, 2)}`);
console.log(`value of a plan, % less: ${withError(gains_percent, 5)}`);
