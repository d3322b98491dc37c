/**
 * Predicate R, the PoB choice: is a valid block at least as good as what this node held in time? It only ever makes a
 * node vote less, so it cannot hurt safety. Whoever refuses shows what was missing, so that the next leader has it.
 */
import type { Block, Header, Signed } from '../messages.ts';
import { auditHeader, compareHeaders } from '../schedule.ts';
import { sealable } from '../seal.ts';
import type { BlockNode, ProtocolState } from '../state.ts';

/** The messages that the block should have carried; empty when the choice is right. */
export function missingFrom(state: ProtocolState, block: Signed<Block>, parent: BlockNode): Signed[] {
  if (block.body.kind === 'SEAL') return omitted(state, block, parent);
  if (block.body.kind === 'SCHEDULE') return better(state, block, parent);
  return [];
}

/** SEAL: every statement held at T_ord that fits this chain must be in it. */
function omitted(state: ProtocolState, block: Signed<Block>, parent: BlockNode): Signed[] {
  const held = new Set(state.heldAtOrders ?? []);
  const inside = new Set(block.body.carried.map((message) => message.id));
  const { orders, site, meters } = sealable(state.pool, parent.state, block.round, state.registry);
  const sealsSite = block.body.carried.some((message) => message.body.type === 'SITE');
  const due = [...orders, ...meters, ...(site !== null && !sealsSite ? [site] : [])];
  return due.filter((message) => held.has(message.id) && !inside.has(message.id));
}

/** SCHEDULE: its header must not rank behind the best one held at T_lock. */
function better(state: ProtocolState, block: Signed<Block>, parent: BlockNode): Signed[] {
  const best = state.bestAtLock?.get(parent.state.seal);
  if (best === undefined) return [];
  const proposed = auditHeader(parent.state, block.body.carried[0] as Signed<Header>, state.registry, state.hash);
  return 'code' in proposed || compareHeaders(proposed, best) > 0 ? [best.header] : [];
}
