/**
 * Predicate R, the PoB choice: is a valid block at least as good as what this node held in time? It only ever makes a
 * node vote less, so it cannot hurt safety. Whoever refuses shows what was missing, so that the next leader has it.
 */
import { ORDERS_PER_NODE } from '../limits.ts';
import type { Block, Header, Signed } from '../messages.ts';
import { type AuditedHeader, compareHeaders } from '../schedule.ts';
import { sealable } from '../seal.ts';
import type { BlockNode, ProtocolState } from '../state.ts';

/** The messages that the block should have carried; empty when the choice is right. */
export function missingFrom(state: ProtocolState, block: Signed<Block>, parent: BlockNode): Signed[] {
  if (block.body.kind === 'SEAL') return omitted(state, block, parent);
  if (block.body.kind === 'SCHEDULE') return better(state, block, parent);
  return [];
}

/**
 * SEAL: every statement held at T_ord that fits this chain, and fits beside what the SEAL carries, must be in it. One
 * that does not (a sender told different nodes different things) binds nobody: otherwise a liar could split the vote.
 */
function omitted(state: ProtocolState, block: Signed<Block>, parent: BlockNode): Signed[] {
  const held = new Set(state.heldAtOrders ?? []);
  const inside = new Set(block.body.carried.map((message) => message.id));
  const { orders, site, meters, change } = sealable(state.pool, parent.state, block.round, state.hash);
  const due = [...orders, ...meters, ...(site ? [site] : []), ...(change ? [change] : [])];
  const sealed = [...block.body.carried, ...parent.state.pending.map(({ order }) => order)];
  const fits = ({ body: { type }, sender }: Signed): boolean => {
    const beside = sealed.filter((other) => other.body.type === type && other.sender === sender).length;
    return beside < (type === 'ORDER' ? ORDERS_PER_NODE : 1);
  };
  return due.filter((message) => held.has(message.id) && !inside.has(message.id) && fits(message));
}

/** SCHEDULE: its header must not rank behind the best one held at T_lock. */
function better(state: ProtocolState, block: Signed<Block>, parent: BlockNode): Signed[] {
  const best = bestOf(state, parent.state.seal, state.heldAtLock ?? []);
  if (best === null) return [];
  const header = block.body.carried[0] as Signed<Header>;
  const proposed = state.audit.auditHeader(parent.state, header, state.hash);
  return 'code' in proposed || compareHeaders(proposed, best) > 0 ? [best.header] : [];
}

/**
 * The best of these headers for that SEAL. Those of an author that sent two bind nobody, since they would split the vote;
 * a leader may carry one all the same, or a second header at the last moment would leave the round with none.
 */
export function bestOf(
  state: ProtocolState,
  seal: string,
  held: Iterable<AuditedHeader>,
  binding = true,
): AuditedHeader | null {
  let best: AuditedHeader | null = null;
  for (const audited of held) {
    const { sender, body } = audited.header;
    if (body.seal !== seal || (binding && state.authors.get(sender)?.double === true)) continue;
    if (best === null || compareHeaders(audited, best) < 0) best = audited;
  }
  return best;
}

/** The verified headers of this round, of any SEAL. */
export const heldHeaders = (state: ProtocolState): AuditedHeader[] =>
  [...state.authors.values()].flatMap(({ audited }) => (audited === null ? [] : [audited]));
