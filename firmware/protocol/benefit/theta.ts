/**
 * Theta: the power of the neighbourhood that a plan leads to, Theta(t+k) = forecast load + planned EV power
 * (protocol README; the paper's Eq. 5 as corrected by M1-M3). O(orders + H * waits).
 */
import type { Instance, PlanAhead } from './instance.ts';
import { mulDiv, PPM, siteEffect_W } from './instance.ts';

/** What a plan gives an order `wait` rounds from now, W. */
export function servedAfter_W(planned: number | readonly number[], power_W: number, wait: number): number {
  return typeof planned === 'number' ? (planned === wait ? power_W : 0) : (planned[wait] ?? 0);
}

/** Net EV power of the plan by round, W, k = 0..H-1. Sells of a round are converted one by one, as they are metered. */
export function planNet_W(instance: Instance, plan: PlanAhead): number[] {
  const net = new Array<number>(instance.load_W.length).fill(0);
  instance.pending.forEach((order, i) => {
    const planned = plan.orders[i]!;
    if (typeof planned === 'number') {
      if (planned < net.length) net[planned]! += siteEffect_W(instance, order.side, order.power_W);
    } else
      planned.forEach((part_W, wait) => {
        if (wait < net.length) net[wait]! += siteEffect_W(instance, order.side, part_W);
      });
  });
  plan.shares.forEach((shares, i) => {
    const k = i + 1;
    shares.buy_ppm.forEach((share, wait) => {
      if (k + wait < net.length) net[k + wait]! += mulDiv(instance.buyForecast_W[k]!, share, PPM);
    });
    shares.sell_ppm.forEach((share, wait) => {
      if (k + wait < net.length)
        net[k + wait]! += siteEffect_W(instance, 'sell', mulDiv(instance.sellForecast_W[k]!, share, PPM));
    });
  });
  return net;
}

/** Theta of the plan, W, k = 0..H-1. */
export function planTheta_W(instance: Instance, plan: PlanAhead): number[] {
  return planNet_W(instance, plan).map((net, k) => net + instance.load_W[k]!);
}
