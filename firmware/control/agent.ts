/**
 * The owner's agent: turns the vehicle's need into at most one order a round. It orders what the vehicle will
 * really draw, lets an order wait only as long as the vehicle is still full on time, and sells only what lies
 * above both the owner's target and the reserve, so that nothing has to be bought back.
 *
 * Every decision is made anew from what is metered: a round that was terminated, or an order that waited, shows
 * as less time for the same energy in the next one.
 */
import type { PilotState } from '../../hal/ports.ts';
import { type Milliamps, type Millis, type UnixMillis, type Watts, watts } from '../../hal/units.ts';
import { phasesInUse } from './current.ts';
import { defaultLimits } from './limits.ts';
import type { Efficiency } from './need.ts';
import type { Installation, NeedNow, Vehicle } from './types.ts';
import { kW, kWh } from './words.ts';

export interface AgentSenses {
  /** Start of the round to order for. */
  readonly start: UnixMillis;
  readonly roundTime: Millis;
  /** The neighbourhood's cap on waiting. */
  readonly maxWait_rounds: number;
  /** The need as it will stand at `start`: the caller adds to the session what the plan in force still delivers. */
  readonly need: NeedNow | null;
  readonly maySell: boolean;
  /** The most to pay and the least to take, 10^-5 EUR per kWh at the connector; a modest default if absent. */
  readonly buyLimit_1e5EURperkWh?: number;
  readonly sellFloor_1e5EURperkWh?: number;
  readonly efficiency: Efficiency;
  readonly installation: Installation;
  readonly vehicle: Vehicle;
  readonly cableRating?: Milliamps;
  readonly pilot: PilotState | 'unknown';
  /** An order of ours is neither executed nor dropped: a connector can serve one at a time. */
  readonly pending: boolean;
  readonly override: 'stop' | 'charge now' | 'none';
}

export interface Wish {
  readonly side: 'buy' | 'sell';
  /** AC power at the connector, for one whole round. */
  readonly power: Watts;
  /** Committed rounds that it may wait. */
  readonly maxWait_rounds: number;
  /** Sigma, 10^-5 EUR per kWh: the most a buyer pays, the least a seller takes. */
  readonly price_1e5EURperkWh: number;
  /** chi_min: what must run by the last of these rounds; 0 when the vehicle could go without. */
  readonly minimum: Watts;
}

export interface Advice {
  readonly order: Wish | null;
  readonly reason: string;
}

/** About a household's price, and about what a small plant is paid: who states nothing trades, but not at any price. */
const defaultBuy_1e5EURperkWh = 30_000;
const defaultSell_1e5EURperkWh = 10_000;

/** Rounds kept free against one that is terminated. */
const spare_rounds = 1;

const { minCurrent, voltage_V } = defaultLimits;
const hour_ms = 3_600_000;

export function advise(at: AgentSenses): Advice {
  const { need } = at;
  if (at.override === 'stop') return none('stopped by the owner');
  if (at.pilot !== 'B' && at.pilot !== 'C') return none('no vehicle that could draw is plugged in');
  if (at.pending) return none('an order is still pending');
  if (need === null) return none('the owner has stated no need');
  return need.toDraw > 0 ? buy(at, need) : sell(at, need);
}

const none = (reason: string): Advice => ({ order: null, reason });

function buy(at: AgentSenses, need: NeedNow): Advice {
  const full_W = cap_W(at, at.installation.charge_W);
  const least_W = leastPower_W(at);
  if (full_W < least_W)
    return none(`the vehicle takes ${kW(full_W)}, less than the ${kW(least_W)} that can be offered`);
  const wanted_W = Math.ceil((need.toDraw * hour_ms) / at.roundTime);
  // The last, partial round: as little as can be offered if most of it is wanted, else it is left.
  if (wanted_W * 2 < least_W) return none(`the missing ${need.toDraw} Wh are less than can be ordered`);
  const power = watts(Math.min(Math.max(wanted_W, least_W), full_W));
  const needed = Math.ceil(wanted_W / full_W);
  const laxity = roundsLeft(at, need) - needed - spare_rounds;
  const maxWait_rounds = Math.min(Math.max(laxity, 0), at.maxWait_rounds);
  const price_1e5EURperkWh = at.buyLimit_1e5EURperkWh ?? defaultBuy_1e5EURperkWh;
  return {
    order: { side: 'buy', power, maxWait_rounds, price_1e5EURperkWh, minimum: watts(laxity < 0 ? power : 0) },
    reason: `${kWh(need.toDraw)} missing, ${needed} ${needed === 1 ? 'round' : 'rounds'} at ${kW(full_W)}; ${
      laxity < 0 ? 'it cannot wait' : `may wait ${maxWait_rounds}`
    }`,
  };
}

function sell(at: AgentSenses, need: NeedNow): Advice {
  if (!at.maySell || at.installation.discharge_W === 0) return none('nothing is missing');
  if (need.soc === 'unknown') return none('nothing is missing; no sale while the state of charge is unknown');
  // In the battery; what leaves it is more than what arrives at the connector.
  const surplus_Wh = Math.min(-need.missing, need.soc - need.reserve);
  const sellable_Wh = Math.floor((surplus_Wh * at.efficiency.discharging_ppm) / 1_000_000);
  const full_W = cap_W({ ...at, vehicle: { ...at.vehicle, limit_W: null } }, at.installation.discharge_W);
  const power = watts(Math.min(full_W, Math.floor((sellable_Wh * hour_ms) / at.roundTime)));
  if (power < leastPower_W(at)) return none('nothing is missing, and too little is over for a sale');
  const left = roundsLeft(at, need);
  if (left < 1) return none('the departure is too near for a sale');
  return {
    order: {
      side: 'sell',
      power,
      maxWait_rounds: Math.min(left - 1, at.maxWait_rounds),
      price_1e5EURperkWh: at.sellFloor_1e5EURperkWh ?? defaultSell_1e5EURperkWh,
      minimum: watts(0),
    },
    reason: `${kWh(sellable_Wh)} more than the owner needs`,
  };
}

/** Whole rounds from the start of this one to the departure. */
const roundsLeft = (at: AgentSenses, need: NeedNow): number => Math.floor((need.departure - at.start) / at.roundTime);

const leastPower_W = ({ installation, vehicle }: AgentSenses): number =>
  (minCurrent / 1000) * voltage_V * phasesInUse(installation, vehicle);

/** What connector, cable and vehicle carry of a rated power. */
function cap_W({ installation, vehicle, cableRating }: AgentSenses, rated_W: number): number {
  const current_mA = Math.min(installation.maxCurrent, cableRating ?? Number.POSITIVE_INFINITY);
  const carried_W = Math.floor((current_mA * voltage_V * phasesInUse(installation, vehicle)) / 1000);
  return Math.min(rated_W, carried_W, vehicle.limit_W ?? Number.POSITIVE_INFINITY);
}
