/**
 * Is a plan an answer to the instance? The validity check of a SCHEDULE (protocol README, predicate V), the same
 * for a controller and for a simulated day. It judges the form of the whole look-ahead, and safety of the round that binds.
 */
import { curtailment } from './curtailment.ts';
import type { Instance, PendingOrder, PlanAhead } from './instance.ts';
import { PPM } from './instance.ts';
import { breach } from './safety.ts';
import { servedAfter_W } from './theta.ts';

export interface Refusal {
  readonly code:
    | 'order-count' // not one entry an order
    | 'share-count' // not one entry a future round, or not one number a wait
    | 'share-sum' // shares are not whole parts that sum to a million
    | 'wait' // beyond the order's wait, or not a whole number of rounds
    | 'must-run' // an order at its cap was held back though safety did not ask for it
    | 'parts' // parts of a divisible order: wrong count, below the minimum, or not the whole order
    | 'connector' // one connector charges and discharges, or exceeds its rating
    | 'capacity'
    | 'export';
  readonly detail: string;
}

const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Null, or why the plan is not valid. Never throws on any plan of the declared type. */
export function refusal(instance: Instance, plan: PlanAhead): Refusal | null {
  const { pending } = instance;
  if (plan.orders.length !== pending.length)
    return { code: 'order-count', detail: `${plan.orders.length} entries for ${pending.length} orders` };
  const shares = refuseShares(instance, plan);
  if (shares) return shares;
  const granted = curtailment(instance);
  for (const [i, order] of pending.entries()) {
    const fault = refuseOrder(order, plan.orders[i]!, granted.get(i));
    if (fault) return { code: fault, detail: `order ${order.id}: ${JSON.stringify(plan.orders[i])}` };
  }
  const broken = breach(instance, bindingRound(instance, plan));
  return broken && { code: broken, detail: `round ${instance.round}` };
}

/** What runs in the round that binds: the orders served now and their power. */
export function bindingRound(instance: Instance, plan: PlanAhead): { index: number; power_W: number }[] {
  return instance.pending
    .map((order, index) => ({ index, power_W: servedAfter_W(plan.orders[index]!, order.power_W, 0) }))
    .filter(({ power_W }) => power_W > 0);
}

function refuseOrder(order: PendingOrder, planned: number | readonly number[], granted: number | undefined) {
  const last = order.remainingWait_rounds + (granted === undefined ? 0 : 1);
  const now_W = servedAfter_W(planned, order.power_W, 0);
  const least_W = order.remainingWait_rounds > 0 ? 0 : (granted ?? order.power_W);
  if (typeof planned === 'number') {
    if (!whole(planned)) return 'wait';
    if (planned > last) return order.remainingWait_rounds === 0 ? 'must-run' : 'wait';
  } else {
    if (!order.divisible || planned.length !== last + 1 || !planned.every(whole)) return 'parts';
    // What a curtailment leaves over may be less than the connector's least power: it is an order of its own then.
    const chosen = granted === undefined ? planned : [];
    if (chosen.some((part_W) => part_W > 0 && part_W < Math.min(order.minimum_W, order.power_W))) return 'parts';
    if (planned.reduce((sum, part_W) => sum + part_W, 0) !== order.power_W) return 'parts';
  }
  return now_W < least_W ? 'must-run' : null;
}

function refuseShares({ load_W, maxWait_rounds, closes }: Instance, { shares }: PlanAhead): Refusal | null {
  const rounds = load_W.length;
  if (shares.length !== rounds - 1)
    return { code: 'share-count', detail: `${shares.length} entries for ${rounds - 1} rounds` };
  for (const [i, { buy_ppm, sell_ppm }] of shares.entries())
    for (const list of [buy_ppm, sell_ppm]) {
      const where = `round +${i + 1}`;
      if (list.length !== maxWait_rounds + 1) return { code: 'share-count', detail: where };
      if (!list.every(whole) || list.reduce((sum, share) => sum + share, 0) !== PPM)
        return { code: 'share-sum', detail: where };
      if (closes && list.some((share, wait) => share > 0 && i + 1 + wait >= rounds))
        return { code: 'wait', detail: `${where} waits beyond the end` };
    }
  return null;
}
