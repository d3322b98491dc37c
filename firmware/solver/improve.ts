/**
 * Improves a plan by the benefit itself until nothing helps or time is up: another wait for one all-or-nothing
 * order, or for two at once where there are few; where there are very few, every plan. A move costs O(H). Valid at every moment.
 */
import { bindingRound } from '../protocol/benefit/feasible.ts';
import type { Instance, PlanAhead } from '../protocol/benefit/instance.ts';
import { siteEffect_W } from '../protocol/benefit/instance.ts';
import {
  CARE_PRICE_ppt,
  carefulPower_W,
  clearances,
  reservePrices,
  WALL_PRICE_ppt,
} from '../protocol/benefit/reserve.ts';
import { breach } from '../protocol/benefit/safety.ts';
import { planNet_W } from '../protocol/benefit/theta.ts';

/** Beyond so many movable orders the pairs are left out: sums of many orders are fine enough. */
const MAX_PAIRED = 60;
const MAX_PASSES = 20;
/** Up to so many plans are all looked at: exact where few orders are pending. */
const MAX_ENUMERATED = 5000;
/** A gain below this share of the value is not worth another pass. */
const WORTH = 1e-6;

export function improve(instance: Instance, plan: PlanAhead, deadline: () => boolean): PlanAhead {
  const rounds = instance.load_W.length;
  const net = planNet_W(instance, plan);
  const value = valuation(instance);
  const waits = [...plan.orders];
  const movable = instance.pending.flatMap((order, index) =>
    typeof waits[index] === 'number' && order.remainingWait_rounds > 0 ? [index] : [],
  );
  const effect = instance.pending.map((order) => siteEffect_W(instance, order.side, order.power_W));
  const put = (index: number, wait: number): void => {
    const before = waits[index] as number;
    if (before < rounds) net[before]! -= effect[index]!;
    if (wait < rounds) net[wait]! += effect[index]!;
    waits[index] = wait;
  };
  const safe = (): boolean => breach(instance, bindingRound(instance, { ...plan, orders: waits })) === null;
  let best = value(net);
  /** Keeps the moves if they gain and are safe, else takes them back. */
  const tryMoves = (moves: readonly (readonly [number, number])[]): void => {
    const before = moves.map(([index]) => waits[index] as number);
    for (const [index, wait] of moves) put(index, wait);
    const now = value(net);
    const touchesNow = moves.some(([, wait], i) => wait === 0 || before[i] === 0);
    if (now < best && (!touchesNow || safe())) best = now;
    else
      moves.forEach(([index], i) => {
        put(index, before[i]!);
      });
  };
  const plans = movable.reduce((product, index) => product * (instance.pending[index]!.remainingWait_rounds + 1), 1);
  if (plans <= MAX_ENUMERATED) {
    tryAll();
    return { ...plan, orders: waits };
  }
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const start = best;
    for (const a of movable) {
      if (deadline()) return { ...plan, orders: waits };
      for (let wait = 0; wait <= instance.pending[a]!.remainingWait_rounds; wait++)
        if (wait !== waits[a]) tryMoves([[a, wait]]);
    }
    if (movable.length <= MAX_PAIRED)
      for (const a of movable) {
        if (deadline()) return { ...plan, orders: waits };
        for (const b of movable) {
          if (b <= a) continue;
          for (let wa = 0; wa <= instance.pending[a]!.remainingWait_rounds; wa++)
            for (let wb = 0; wb <= instance.pending[b]!.remainingWait_rounds; wb++)
              if (wa !== waits[a] && wb !== waits[b])
                tryMoves([
                  [a, wa],
                  [b, wb],
                ]);
        }
      }
    if (start - best <= WORTH * Math.abs(start)) break;
  }
  return { ...plan, orders: waits };

  /** Leaves the best safe plan of all in `waits`. */
  function tryAll(): void {
    let kept = waits.slice();
    const visit = (at: number): void => {
      if (deadline()) return;
      if (at === movable.length) {
        const now = value(net);
        if (now < best && safe()) {
          best = now;
          kept = waits.slice();
        }
        return;
      }
      const index = movable[at]!;
      for (let wait = 0; wait <= instance.pending[index]!.remainingWait_rounds; wait++) {
        put(index, wait);
        visit(at + 1);
      }
    };
    visit(0);
    waits.splice(0, waits.length, ...kept);
  }
}

/** The benefit's PFint with reserve over W, in floats, as a function of the plan's net power; a constant is left out. */
function valuation(instance: Instance): (net_W: readonly number[]) => number {
  const { load_W, theta_W, slotsPerDay } = instance;
  const rounds = load_W.length;
  const window = theta_W.slice(-Math.max(1, slotsPerDay + 1 - rounds));
  const slopes = Math.max(1, window.length + rounds - 1);
  let past = 0;
  for (let k = 1; k < window.length; k++) past += (window[k]! - window[k - 1]!) ** 2;
  const prices = reservePrices(instance).map(({ doubleMiddle_W, numerator, denominator }) => ({
    middle: doubleMiddle_W / 2,
    price: Number(numerator) / Number(denominator),
  }));
  const clear = clearances(instance);
  const careful_W = carefulPower_W(instance).map((power) => power ?? Number.POSITIVE_INFINITY);
  return (net_W) => {
    let sum = past;
    let before = window.at(-1) ?? load_W[0]! + net_W[0]!;
    let added = 0;
    for (let k = 0; k < rounds; k++) {
      const theta = load_W[k]! + net_W[k]!;
      sum += (theta - before) ** 2;
      before = theta;
      added += net_W[k]!;
      const { middle, price } = prices[k]!;
      sum += price * (added - middle) ** 2;
      const walls = clear[k];
      if (walls) {
        const lack = Math.max(0, walls.least_W - added) ** 2 + Math.max(0, added - walls.most_W) ** 2;
        sum += (WALL_PRICE_ppt / 1000) * lack;
      }
      sum += (CARE_PRICE_ppt / 1000) * Math.max(0, theta - careful_W[k]!) ** 2;
    }
    const mean = before - (window[0] ?? load_W[0]! + net_W[0]!);
    return sum - (mean * mean) / slopes;
  };
}
