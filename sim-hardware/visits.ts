/**
 * Who comes when, and with what: real models by their registrations, arrivals by time of day. The first visit to
 * each charge point comes in the first minutes, every third one with more than enough energy, so that a bench
 * has something to trade from its first rounds on.
 */
import { readFileSync } from 'node:fs';
import { between, randomStream } from './random.ts';

export interface VehicleModel {
  readonly name: string;
  readonly registrations: number;
  readonly battery_Wh: number;
  readonly acCharge_W: number;
  readonly dcCharge_W: number;
  readonly acDischarge_W: number;
  readonly dcDischarge_W: number;
}

export interface Visit {
  readonly arrival: number;
  readonly departure: number;
  readonly model: VehicleModel;
  /** Battery energy at arrival, wanted at departure, and below which the owner never sells. */
  readonly stored_Wh: number;
  readonly target_Wh: number;
  readonly reserve_Wh: number;
  readonly maySell: boolean;
}

const minute_ms = 60_000;
const hour_ms = 60 * minute_ms;

/**
 * Share of a weekday's arrivals in each three hours from midnight: statistics of Norwegian residential charging
 * sessions, Sørensen et al. (2024).
 */
const arrivalShares = [0.031, 0.006, 0.023, 0.053, 0.127, 0.304, 0.256, 0.2];
const arrivalsPerFreeDay = 4;

export const vehicleModels: readonly VehicleModel[] = readFileSync(
  new URL('./data/ev_models_v2g.csv', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => {
    const [name, ...numbers] = line.split(',');
    const [registrations, battery, ac, , dc, acBack, dcBack] = numbers.map(Number) as [number, ...number[]];
    const W = (kilo: number | undefined) => Math.round(kilo! * 1000);
    return {
      name: name!,
      registrations,
      battery_Wh: W(battery),
      acCharge_W: W(ac),
      dcCharge_W: W(dc),
      acDischarge_W: W(acBack),
      dcDischarge_W: W(dcBack),
    };
  });

function draw(random: () => number): VehicleModel {
  let left = random() * vehicleModels.reduce((sum, { registrations }) => sum + registrations, 0);
  for (const model of vehicleModels) {
    left -= model.registrations;
    if (left < 0) return model;
  }
  return vehicleModels[0]!;
}

/**
 * The visits to the charge point number `index`, without end; each call answers the first after `free`.
 * `charge_W` is the connector's: nobody plugs in hoping for more than it can deliver in the time.
 */
export function visits(seed: number, index: number, start: number, charge_W: number): (free: number) => Visit {
  const random = randomStream(seed, `visits ${index}`);
  let first = true;

  function visit(arrival: number, stay_ms: number, seller: boolean): Visit {
    const model = draw(random);
    const share = (least: number, most: number) => Math.round(model.battery_Wh * between(random, least, most));
    const stored_Wh = seller ? share(0.75, 0.95) : share(0.2, 0.45);
    const wanted_Wh = seller ? share(0.45, 0.6) : share(0.7, 0.9);
    const possible_Wh = stored_Wh + Math.round((Math.min(charge_W, model.acCharge_W) * 0.6 * stay_ms) / hour_ms);
    return {
      arrival: Math.round(arrival),
      departure: Math.round(arrival) + Math.round(stay_ms / minute_ms) * minute_ms,
      model,
      stored_Wh,
      target_Wh: Math.min(wanted_Wh, possible_Wh),
      reserve_Wh: Math.round(model.battery_Wh * 0.2),
      maySell: seller || random() < 0.5,
    };
  }

  return (free) => {
    if (first) {
      first = false;
      // Three of four come within 90 s, the others within 20 minutes; all stay for the evening.
      const wait_ms = index % 4 === 3 ? between(random, 3, 20) * minute_ms : between(random, 5_000, 90_000);
      return visit(start + wait_ms, between(random, 2, 6) * hour_ms, index % 3 === 1);
    }
    let arrival = free + 5 * minute_ms;
    const share = () => arrivalShares[Math.floor(((arrival / hour_ms) % 24) / 3)]!;
    while (random() >= (share() * arrivalsPerFreeDay) / 180) arrival += minute_ms;
    const hour = (arrival / hour_ms) % 24;
    const overnight = (hour >= 17 || hour < 4) && random() < 0.6;
    const stay_h = overnight ? (24 - hour + between(random, 6, 9)) % 24 : between(random, 1.5, 5);
    return visit(arrival, stay_h * hour_ms, random() < 1 / 3);
  };
}
