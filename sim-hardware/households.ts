/**
 * The load of a neighbourhood without its vehicles: the 60 measured-like days of data/, each household one of
 * them, shifted by up to an hour and scaled by up to 30 %. The same day repeats; times of day are UTC.
 */
import { readFileSync } from 'node:fs';
import { between, randomStream } from './random.ts';

const day_min = 1440;

/** W by time (milliseconds since 1970), linear between minutes. */
export function neighbourhoodLoad(households: number, seed: number): (now: number) => number {
  const file = new URL('./data/households_lv_day_1min.csv', import.meta.url);
  const rows = readFileSync(file, 'utf8').trim().split('\n').slice(1);
  const days = rows.map((row) => row.split(',').slice(1).map(Number));
  const random = randomStream(seed, 'households');
  const total = new Float64Array(day_min);
  for (let household = 0; household < households; household++) {
    const shift = Math.floor(between(random, -60, 60)) + day_min;
    const scale = between(random, 0.7, 1.3);
    const column = household % days[0]!.length;
    for (let minute = 0; minute < day_min; minute++) {
      total[minute]! += days[(minute + shift) % day_min]![column]! * scale;
    }
  }
  return (now) => {
    const at = (now / 60_000) % day_min;
    const minute = Math.floor(at);
    const next = total[(minute + 1) % day_min]!;
    return total[minute]! + (next - total[minute]!) * (at - minute);
  };
}

const YEAR_kWh = 4_000;

/**
 * What a utility expects of the households on a winter working day: the standard profile H0 of VDEW/BDEW 1999 at
 * 4,000 kWh a year each. W for each round of the day. An expectation, not the truth of this world.
 */
export function standardLoad_W(households: number, roundTime_s: number): number[] {
  const file = new URL('./data/h0_standard_profile_15min.csv', import.meta.url);
  const rows = readFileSync(file, 'utf8').trim().split('\n');
  const quarters = rows.filter((row) => row.startsWith('winter,workday,')).map((row) => Number(row.split(',')[3]));
  return Array.from({ length: 86_400 / roundTime_s }, (_, round) => {
    const at = (round * roundTime_s) / 900;
    const [here, next] = [quarters[Math.floor(at)]!, quarters[(Math.floor(at) + 1) % quarters.length]!];
    return Math.round((here + (next - here) * (at % 1)) * (YEAR_kWh / 1_000) * households);
  });
}
