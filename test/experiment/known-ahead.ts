/**
 * node firmware/launch.cjs test/experiment/known-ahead.ts FILE...: what would knowing more be worth? Plays the FILEs with
 * the forecast of the orders of the next 0, 1 and 2 rounds replaced by what really comes (and no surprise expected
 * there). A controller knows 0 rounds.
 */
import type { Instance, PlanAhead } from '../../firmware/protocol/benefit/instance.ts';
import { readScenario, type Scenario } from '../../firmware/simulate/scenario.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { asHistory } from './drawn-day.ts';
import { played_percent } from './played.ts';

const KNOWN_rounds = [0, 1, 2];

function informed(scenario: Scenario, known_rounds: number): (instance: Instance) => PlanAhead {
  const { buy_w, sell_w } = asHistory(scenario);
  return (instance) => {
    const today = instance.round % scenario.rounds;
    const replaced = (forecast: readonly number[], real: (k: number) => number): number[] =>
      forecast.map((value, k) => (k > 0 && k <= known_rounds ? real(k) : value));
    return solve({
      ...instance,
      buyForecast_W: replaced(instance.buyForecast_W, (k) => buy_w[today + k] ?? 0),
      sellForecast_W: replaced(instance.sellForecast_W, (k) => sell_w[today + k] ?? 0),
      surprise: replaced(instance.surprise, () => 0),
    });
  };
}

const files = process.argv.slice(2);
if (files.length === 0) {
  console.error('Give scenario files, such as test/scenarios-data/*.json');
  process.exit(2);
}
console.log(`reduction of cbrt(PF), %, the orders of ${KNOWN_rounds.join(', ')} rounds known ahead`);
for (const scenario of files.map(readScenario)) {
  const reductions = KNOWN_rounds.map((known_rounds) =>
    played_percent(scenario, { solver: informed(scenario, known_rounds) }).toFixed(1),
  );
  console.log(`${scenario.name}: ${reductions.join(', ')}`);
}
