/**
 * membership: how the members change on the chain, one SEAL a step. A SEAL that carries a change of the registrar, or proofs
 * of lies, agrees on the new members; the next one names the state, so that a node that was away can follow; one that shows
 * the old voters' FINAL for its parent opens the time of both, in which a block needs a quorum of the old voters and one of
 * the new; and one that shows the FINAL of both ends it. Why that is safe: README.md, "Members".
 */
import type { Hash } from '../ports.ts';
import type { ChainState } from './chain.ts';
import { offenceOf } from './evidence.ts';
import { NODES_MOST, SEATS_LEAST } from './limits.ts';
import { type Members, statementKeyOf } from './members.ts';
import type { Amendment, Block, Evidence, RegistryChange, Signed, Vote } from './messages.ts';
import { type Member, type Registry, registryWith } from './registry.ts';

/** Whose quorums a block on this chain needs, every one of them: first those whose epoch its votes name. */
export type Sets = readonly [Registry, ...Registry[]];
export const setsOf = ({ registry, handover }: Members): Sets =>
  handover?.stage === 'joint' ? [registry, handover.registry] : [registry];

/** True when these nodes are a quorum of every set. */
export const isQuorum = (sets: Sets, nodes: ReadonlySet<number>): boolean =>
  sets.every(({ isValidator, q }) => {
    let count = 0;
    for (const node of nodes) if (isValidator[node]) count += 1;
    return count >= q;
  });

/** What a SEAL may carry about the members. */
export interface MembershipNews {
  readonly change: Signed<RegistryChange> | null;
  readonly proofs: readonly Signed<Evidence>[];
  /** FINAL votes for the block under the SEAL. */
  readonly closing: readonly Signed<Vote>[];
}

/** The FINAL votes for its parent that a SEAL carries when it takes a hand-over further; none otherwise. */
export const closingVotes = (block: Signed<Block>): Signed<Vote>[] =>
  block.body.carried.filter((message): message is Signed<Vote> => message.body.type === 'VOTE');

/** The members after a SEAL with this news on this chain, or why it may not carry it. */
export function handOver(chain: ChainState, news: MembershipNews, hash: Hash): Members | string {
  const { registry, handover } = chain;
  const { change, proofs, closing } = news;
  if (handover === null) {
    if (closing.length > 0) return 'there is no hand-over to end';
    if (change === null && proofs.length === 0) return { registry, handover };
    const amended = change === null ? registry : amend(registry, change, hash);
    if (typeof amended === 'string') return amended;
    const struck = new Set<number>();
    for (const proof of proofs) {
      const why = refuseProof(registry, proof);
      if (why !== null) return why;
      struck.add(proof.body.first.sender);
    }
    if (struck.size < proofs.length) return 'two proofs against one node';
    const members = amended.members.map((member, node) =>
      struck.has(node) && member.keyFrom_epoch <= registry.epoch && member.standing === 'in'
        ? { ...member, standing: 'struck' as const }
        : member,
    );
    const next = { epoch: registry.epoch + 1, changes: amended.changes, members };
    return { registry, handover: { registry: registryWith(registry, next, hash), stage: 'agreed' } };
  }
  if (change !== null || proofs.length > 0) return 'a hand-over is under way';
  if (handover.stage === 'agreed') {
    if (closing.length > 0) return 'the hand-over has not been named yet';
    return { registry, handover: { ...handover, stage: 'named' } };
  }
  if (closing.length === 0) return { registry, handover };
  const isFor = ({ epoch, body }: Signed<Vote>): boolean =>
    epoch === registry.epoch && body.kind === 'final' && body.block === chain.tip;
  if (!closing.every(isFor) || !isQuorum(setsOf(chain), new Set(closing.map(({ sender }) => sender))))
    return 'its votes do not make the block under it final';
  if (handover.stage === 'named') return { registry, handover: { ...handover, stage: 'joint' } };
  return { registry: handover.registry, handover: null };
}

/** What is different, in words. */
export function changesOf(before: Registry, after: Registry): string {
  const changes = after.members.flatMap((member, node) => {
    const old = before.members[node];
    if (old === undefined) return `${member.name} joins`;
    if (old.standing !== member.standing && member.standing !== 'in')
      return member.standing === 'left'
        ? `${member.name} leaves`
        : `${member.name} was caught lying and loses its vote`;
    if (old.publicKey !== member.publicKey) return `${member.name} has a new key`;
    return JSON.stringify(old) === JSON.stringify(member) ? [] : `${member.name} has another rating`;
  });
  return changes.join(', ');
}

/** Why this proof strikes nobody; a charge point that is struck already cannot be struck again. */
export function refuseProof(registry: Registry, { body: { first, second } }: Signed<Evidence>): string | null {
  const { sender } = first;
  if (second === null) return 'a header alone, which every voter recomputes anyway';
  if (offenceOf(first, second) === null) return 'a proof that proves nothing';
  if (!registry.mayTrade[sender]) return `node ${sender} cannot be struck`;
  const members = { registry, handover: null };
  for (const message of [first, second]) {
    if (statementKeyOf(members, message) === null) return `a proof with a key that node ${sender} no longer has`;
    const { body } = message;
    if (body.type !== 'PROPOSE') continue;
    if (body.carried.some((inner) => inner.body.type === 'EVIDENCE')) return 'a proof within a proof';
    if (body.carried.some((inner) => statementKeyOf(members, inner) === null))
      return 'a proof with a statement that nobody can check any more';
  }
  return null;
}

/** The registrar's change applied, or why it cannot be. Its epoch is for the caller to count. */
export function amend(registry: Registry, { sender, body }: Signed<RegistryChange>, hash: Hash): Registry | string {
  if (sender !== registry.registrar) return 'not of the registrar';
  if (body.number !== registry.changes + 1) return `change ${body.number} after change ${registry.changes}`;
  let members: readonly Member[] = registry.members;
  for (const amendment of body.amendments) {
    const next = amended(members, amendment, registry.epoch);
    if (typeof next === 'string') return next;
    members = next;
  }
  const present = members.filter(({ standing }) => standing !== 'left');
  for (const field of ['name', 'publicKey'] as const) {
    const among = field === 'name' ? present : members;
    if (new Set(among.map((member) => member[field])).size < among.length) return `two nodes with the same ${field}`;
  }
  const { capacity_W, margin_W, loadProfile_W = [] } = registry.neighbourhood;
  // Until all know of the change, whoever gets less may still draw what it had.
  const shares_W = members.reduce(
    (sum, { safeShare_W }, node) => sum + Math.max(safeShare_W, registry.members[node]?.safeShare_W ?? 0),
    0,
  );
  const free_W = capacity_W - margin_W - loadProfile_W.reduce((most, load_W) => Math.max(most, load_W), 0);
  if (shares_W > free_W) return `the safe shares (${shares_W} W) exceed what the site leaves for them (${free_W} W)`;
  const next = registryWith(registry, { epoch: registry.epoch, changes: body.number, members }, hash);
  if (next.n < SEATS_LEAST) return `only ${next.n} voters would be left; at least ${SEATS_LEAST}`;
  // A newcomer may never come, and a new key be mistyped: the hand-over must not depend on them.
  const proven = next.leaders.filter(
    (node) => registry.isValidator[node] && registry.members[node].publicKey === members[node].publicKey,
  );
  return proven.length < next.q
    ? `${next.n - proven.length} new voters or keys at once: the others could not agree without them; change them one by one`
    : next;
}

/** One entry of a change; the new key of a node that is there signs from the next epoch on. */
function amended(members: readonly Member[], amendment: Amendment, epoch: number): readonly Member[] | string {
  if (amendment.op === 'add') {
    if (members.length >= NODES_MOST) return `${NODES_MOST} numbers of nodes are given out`;
    const { op: _, ...node } = amendment;
    if (node.safeShare_W > node.connector.charge_W) return 'a safe share beyond the rating';
    return [...members, { ...node, role: 'charge-point', keyFrom_epoch: epoch, standing: 'in' }];
  }
  const before = members[amendment.node];
  if (before === undefined || before.standing === 'left') return `node ${amendment.node} is not a member`;
  const after = changed(before, amendment, epoch);
  return typeof after === 'string' ? after : members.map((member, node) => (node === amendment.node ? after : member));
}

function changed(member: Member, amendment: Exclude<Amendment, { op: 'add' }>, epoch: number): Member | string {
  const isChargePoint = member.role === 'charge-point';
  switch (amendment.op) {
    case 'remove': {
      const { connector: _, ...rest } = member;
      return isChargePoint ? { ...rest, safeShare_W: 0, standing: 'left' } : `a ${member.role} cannot leave`;
    }
    case 'rotate':
      // A new key is a new start: whoever had the old one can do nothing any more.
      return { ...member, publicKey: amendment.publicKey, keyFrom_epoch: epoch + 1, standing: 'in' };
    case 'rate': {
      const { connector, safeShare_W } = amendment;
      if (!isChargePoint) return `a ${member.role} has no connector`;
      return safeShare_W > connector.charge_W
        ? 'a safe share beyond the rating'
        : { ...member, connector, safeShare_W };
    }
  }
}
