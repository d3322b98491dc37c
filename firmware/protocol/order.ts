/**
 * order: is this order acceptable for the SEAL of a round? Judged against the chain alone, so that every voter
 * answers alike. Its signature and shape were checked at the door.
 */
import type { ChainState } from './chain.ts';
import { ORDERS_PER_NODE } from './limits.ts';
import type { Order, Signed } from './messages.ts';
import type { Registry } from './registry.ts';

export type OrderRefusal =
  | 'not-a-charge-point'
  | 'other-round'
  | 'over-rating'
  | 'waits-too-long'
  | 'too-many'
  | 'known';

/** Why no chain of this neighbourhood could take it: such an order must not take the place of another in a pool. */
export function refuseForever({ sender, body }: Signed<Order>, registry: Registry): OrderRefusal | null {
  const node = registry.members[sender];
  if (node?.connector === undefined || !registry.mayTrade[sender]) return 'not-a-charge-point';
  const rating_W = body.side === 'buy' ? node.connector.charge_W : node.connector.discharge_W;
  if (body.power_W > rating_W) return 'over-rating';
  return body.maxWait_rounds > registry.neighbourhood.maxWait_rounds ? 'waits-too-long' : null;
}

export function refuseOrder(
  order: Signed<Order>,
  round: number,
  chain: Pick<ChainState, 'registry' | 'pending'>,
): OrderRefusal | null {
  const never = refuseForever(order, chain.registry);
  if (never !== null) return never;
  if (order.round !== round) return 'other-round';
  const own = chain.pending.filter((entry) => entry.order.sender === order.sender);
  if (own.some((entry) => entry.order.id === order.id)) return 'known';
  if (own.length >= ORDERS_PER_NODE) return 'too-many';
  return null;
}
