/**
 * node firmware/launch.cjs test/experiment/look-ahead.ts [--vehicles 100] [--days 30]: is half a day of look-ahead better
 * than a quarter? Days of a fleet of its own each, as workload.ts generates them; households and capacity grow with the
 * vehicles.
 */
import { parseArgs } from 'node:util';
import { played_percent } from './played.ts';
import { withError } from './statistic.ts';
import { generate, PAPER } from './workload.ts';

const { values } = parseArgs({
  options: { vehicles: { type: 'string', default: '100' }, days: { type: 'string', default: '30' } },
});
const scale = Number(values.vehicles) / PAPER.vehicles;
const FIRST_SEED = 5000; // npm run experiment begins at 1
const days = Array.from({ length: Number(values.days) }, (_, i) =>
  generate({
    ...PAPER,
    seed: FIRST_SEED + i,
    vehicles: PAPER.vehicles * scale,
    households: PAPER.households * scale,
    capacity_W: PAPER.capacity_W * scale,
  }),
);
const QUARTER_rounds = 21_600 / PAPER.roundTime_s;
const reductions = [QUARTER_rounds, 2 * QUARTER_rounds].map((lookAhead_rounds) =>
  days.map((day) => played_percent(day, { lookAhead_rounds })),
);
const [quarter, half] = reductions as [number[], number[]];
console.log(
  `${values.vehicles} vehicles, ${days.length} days, reduction of cbrt(PF), %: 6 hours ${withError(quarter)}, 12 hours ${withError(half)}, ` +
    `difference ${withError(
      half.map((value, i) => value - quarter[i]!),
      2,
    )}`,
);
