/**
 * Section 5.2 of the paper as a seeded generator: households behind one 800 kW head meter, EVs that place charging
 * and discharging orders by a half-hour profile, three connector types, charging to discharging 2:1.
 *
 * What the paper leaves open is chosen here: H0 winter workdays with a slow random walk for the households (its
 * national load would have to be rescaled anyway); orders with peaks at 07-09 and 18-21, ten a vehicle and day; a
 * day is up to a third busier or quieter than another; an order lasts half an hour whatever the round time, so at
 * shorter rounds a vehicle places it again each round.
 */
import { readFileSync } from 'node:fs';
import type { Scenario } from '../../firmware/simulate/scenario.ts';
import { seeded } from '../unit/random-instance.ts';
import { asHistory, type Day } from './drawn-day.ts';

export interface Workload {
  readonly seed: number;
  readonly vehicles: number;
  readonly households: number;
  readonly capacity_W: number;
  readonly roundTime_s: number;
  readonly maxWait_rounds: number;
  /** Share of orders that sell: 1/3 is the paper's 2:1. */
  readonly sellers: number;
  /** 1 = as generated; the day's households deviate from their usual course so many times as much. */
  readonly loadNoise: number;
  /** 0 = as generated; else the history's orders of each slot of the day are e^(so many times a normal deviate) as many. */
  readonly historyNoise: number;
  /** 0 = as generated, 1 = in place of its orders every day of the history has those of the day that is played. */
  readonly foreknown: number;
}

export const PAPER: Workload = {
  seed: 1,
  vehicles: 100,
  households: 200,
  capacity_W: 800_000,
  roundTime_s: 1800,
  maxWait_rounds: 2,
  sellers: 1 / 3,
  loadNoise: 1,
  historyNoise: 0,
  foreknown: 0,
};

const ORDERS_PER_VEHICLE = 10;
const ORDER_s = 1800;
const KWH_PER_YEAR = 3650;
const HISTORY_DAYS = 7;
const EFFICIENCY_ppm = 930_000;
const CONNECTORS = [
  { connector: 'slow', powers_W: [3000], upTo: 0.25 },
  { connector: 'fast', powers_W: [7400, 11_000, 22_000], upTo: 0.75 },
  { connector: 'rapid', powers_W: [43_000, 50_000, 120_000], upTo: 1 },
] as const;

/** Relative frequency of orders by hour of the day (the paper's Fig. 5 in shape): a base and two peaks. */
export function orderProfile(hour: number): number {
  const peak = (at: number, width: number): number => Math.exp(-(((hour - at) / width) ** 2) / 2);
  return 0.25 + 1.1 * peak(8, 1.2) + 0.5 * peak(13, 2.5) + 1.6 * peak(19.5, 1.6);
}

let h0: readonly number[] | undefined;

/** W per household by quarter of an hour. */
function householdDay_W(): readonly number[] {
  h0 ??= readFileSync(`${import.meta.dirname}/data/h0_standard_profile_15min.csv`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('winter,workday,') || line.startsWith('winter,weekday,'))
    .map((line) => (Number(line.split(',')[3]) * KWH_PER_YEAR) / 1000);
  if (h0.length !== 96) throw new Error(`h0_standard_profile_15min.csv: ${h0.length} winter workday rows, not 96`);
  return h0;
}

const normalOf = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

function generateDay(
  workload: Workload,
  random: () => number,
  loadNoise: number,
): Pick<Scenario, 'rounds' | 'load_w' | 'orders'> {
  const rounds = 86_400 / workload.roundTime_s;
  const normal = (): number => normalOf(random);
  const profile = householdDay_W();
  const persistence = 0.4 ** (workload.roundTime_s / 1800);
  const spread = 0.06 * Math.sqrt(1 - persistence ** 2);
  let deviation = 0.06 * normal();
  const load_w = Array.from({ length: rounds }, (_, round) => {
    const quarter = Math.floor(((round + 0.5) * workload.roundTime_s) / 900) % 96;
    deviation = persistence * deviation + spread * normal();
    return Math.round(workload.households * profile[quarter]! * Math.max(0.2, 1 + loadNoise * deviation));
  });
  const busy = Math.exp(0.15 * normal());
  const total = Array.from({ length: 48 }, (_, i) => orderProfile((i + 0.5) / 2)).reduce(
    (sum, value) => sum + value,
    0,
  );
  const repeats = Math.max(1, Math.round(ORDER_s / workload.roundTime_s));
  const orders: Scenario['orders'] = [];
  for (let half = 0; half < 48; half++) {
    const mean = (workload.vehicles * ORDERS_PER_VEHICLE * busy * orderProfile((half + 0.5) / 2)) / total;
    const gap = (): number => -Math.log(1 - random()); // of a Poisson process
    for (let due = gap(); due < mean; due += gap()) {
      const side = random() < workload.sellers ? 'sell' : 'buy';
      const pick = random();
      const kind = CONNECTORS.find(({ upTo }) => pick < upTo) ?? CONNECTORS[2];
      const power_w = kind.powers_W[Math.floor(random() * kind.powers_W.length)]!;
      const start = Math.floor(((half + random()) * 1800) / workload.roundTime_s);
      for (let i = 0; i < repeats && start + i < rounds; i++)
        orders.push({ id: `o${orders.length}`, round: start + i, side, connector: kind.connector, power_w });
    }
  }
  orders.sort((a, b) => a.round - b.round);
  return { rounds, load_w, orders };
}

/** The history as the solver is told it: the same wrong factor in each slot of all days, so that no mean removes it. */
function told(history: readonly Day[], today: Day, { seed, historyNoise, foreknown }: Workload): Day[] {
  const random = seeded(seed * 7919 + 1); // a stream of its own: the days stay the same
  const factor = today.load_w.map(() => Math.exp(historyNoise * normalOf(random)));
  return history.map((day) => {
    const ordered = (side: 'buy_w' | 'sell_w'): number[] =>
      day[side].map((power, slot) =>
        Math.round(factor[slot]! * ((1 - foreknown) * power + foreknown * today[side][slot]!)),
      );
    return { load_w: day.load_w, buy_w: ordered('buy_w'), sell_w: ordered('sell_w') };
  });
}

/** A scenario with seven days of history. */
export function generate(workload: Workload): Scenario {
  const random = seeded(workload.seed * 7919);
  const history = Array.from({ length: HISTORY_DAYS }, () => asHistory(generateDay(workload, random, 1)));
  const today = generateDay(workload, random, workload.loadNoise);
  return {
    name: `seed-${workload.seed}`,
    round_time_s: workload.roundTime_s,
    capacity_w: workload.capacity_W,
    max_wait_rounds: workload.maxWait_rounds,
    charging_efficiency_ppm: EFFICIENCY_ppm,
    discharging_efficiency_ppm: EFFICIENCY_ppm,
    ...today,
    history: told(history, asHistory(today), workload),
  };
}
