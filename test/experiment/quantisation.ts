/**
 * node firmware/launch.cjs test/experiment/quantisation.ts FILE... [--draws 1000]: is a step of the rank what a meter can tell?
 * The day of each FILE, as the plan flattens it, is metered again and again: by registers of whole Wh, read up to a second late;
 * and by a meter that besides repeats itself to 0.1 % of the power (a tenth of what class B is allowed). Printed is by how much
 * sqrt(PFint + K) strays, in steps of the rank.
 */
import { parseArgs } from 'node:util';
import { floorTerm } from '../../firmware/protocol/benefit/lambda.ts';
import { pfInt, slopes_W } from '../../firmware/protocol/benefit/power-fluctuation.ts';
import { stepWidth } from '../../firmware/protocol/benefit/rank.ts';
import { runDay } from '../../firmware/simulate/run-day.ts';
import { readScenario } from '../../firmware/simulate/scenario.ts';
import { seeded } from '../unit/random-instance.ts';
import { meanOf } from './statistic.ts';

const READ_LATE_s = 1;
const REPEATS = 0.001;

const { values, positionals } = parseArgs({
  options: { draws: { type: 'string', default: '1000' } },
  allowPositionals: true,
});
if (positionals.length === 0) {
  console.error('Give scenario files, such as test/scenarios-data/paper-1.json');
  process.exit(2);
}
const random = seeded(1);
const gauss = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** What the registers say of these powers, W. */
function metered(theta_W: readonly number[], roundTime_s: number, repeats: number): number[] {
  let [energy_Wh, register_Wh, late_s] = [0, 0, 0];
  return theta_W.map((power_W) => {
    const next_s = random() * READ_LATE_s;
    energy_Wh += (power_W * (1 + repeats * gauss()) * (roundTime_s + next_s - late_s)) / 3600;
    const before_Wh = register_Wh;
    [register_Wh, late_s] = [Math.floor(energy_Wh), next_s];
    return Math.floor(((register_Wh - before_Wh) * 3600) / roundTime_s);
  });
}

/** The standard deviation of the root over the draws, in steps. */
function strays_steps(theta_W: readonly number[], roundTime_s: number, repeats: number): number {
  const roots = Array.from({ length: Number(values.draws) }, () => {
    const slopes = slopes_W(metered(theta_W, roundTime_s, repeats));
    return Math.sqrt(Number(pfInt(slopes) + floorTerm(slopes.length)));
  });
  return meanOf(roots).spread / Number(stepWidth(theta_W.length - 1));
}

console.log('standard deviation of sqrt(PFint + K), steps: registers alone; with 0.1 % of the power');
for (const scenario of positionals.map(readScenario)) {
  const { theta_W } = runDay(scenario, { rule: 'plan' });
  const [registers, repeated] = [0, REPEATS].map((repeats) => strays_steps(theta_W, scenario.round_time_s, repeats));
  console.log(`${scenario.name}: ${registers!.toFixed(2)}, ${repeated!.toFixed(2)}`);
}
