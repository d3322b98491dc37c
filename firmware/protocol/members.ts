/**
 * members: who there is between one epoch and the next, and with which key. Both may be there at once: those of today, and
 * those that are agreed and not yet alone (membership.ts).
 */
import type { Member, Registry } from './registry.ts';

export const STAGES = ['agreed', 'named', 'joint'] as const;
type Stage = (typeof STAGES)[number];

/** Members that are agreed and not yet alone. */
export interface Handover {
  readonly registry: Registry;
  readonly stage: Stage;
}

export interface Members {
  readonly registry: Registry;
  readonly handover: Handover | null;
}

/** The members of an epoch: today's, or those to come; null for any other. */
export const membersOf = ({ registry, handover }: Members, epoch: number): Registry | null =>
  epoch === registry.epoch ? registry : epoch === handover?.registry.epoch ? handover.registry : null;

/**
 * The key with which a node signs in an epoch; null for one that is not (or no longer, or not yet) a member, and for a
 * key that was replaced. Who is about to join signs already: its vote is needed for the hand-over.
 */
export function publicKeyOf(members: Members, node: number, epoch: number): Uint8Array | null {
  const { registry, handover } = members;
  const joins = registry.members[node] === undefined;
  const held = epoch <= registry.epoch ? (joins ? handover?.registry : registry) : membersOf(members, epoch);
  const member = held?.members[node];
  if (!held || member === undefined || member.standing === 'left' || epoch < member.keyFrom_epoch) return null;
  return held.publicKeys[node];
}

/** The first epoch of the key that a node has, or will have. */
export const keyFrom = ({ registry, handover }: Members, node: number): number =>
  (registry.members[node] ?? handover?.registry.members[node])?.keyFrom_epoch ?? 0;

/**
 * The key of a statement that a block of this chain may carry; null for one of an epoch to come, and for one of who is about to
 * join, until the time of both: who reads the chain from its beginning has learnt that key by then, and not before.
 */
export function statementKeyOf(
  members: Members,
  { sender, epoch }: { sender: number; epoch: number },
): Uint8Array | null {
  const { registry, handover } = members;
  const isEarly = registry.members[sender] === undefined && handover?.stage !== 'joint';
  return epoch > registry.epoch || isEarly ? null : publicKeyOf(members, sender, epoch);
}

/** Every node there is, the ones to come included, by index. */
export const everyone = (members: Members): readonly Member[] =>
  (members.handover?.registry ?? members.registry).members;

/** Whether a node is still, or already, here: one that is about to leave votes until its successors are alone. */
export const isPresent = ({ registry, handover }: Members, node: number): boolean =>
  [registry, handover?.registry].some((each) => each?.members[node] && each.members[node].standing !== 'left');
