/**
 * schedule: a HEADER answers a SEAL with a plan and says what it is worth; a SCHEDULE block commits the plan's first
 * round. The audit recomputes everything from the SEAL's instance, never from a node's own pool.
 */
import type { Hash } from '../ports.ts';
import { type Benefit, evaluate } from './benefit/evaluate.ts';
import { bindingRound, refusal as refusePlan } from './benefit/feasible.ts';
import { type Instance, type PlanAhead, siteEffect_W } from './benefit/instance.ts';
import { type Candidate, compareRank } from './benefit/rank.ts';
import { type BlockRefusal, type ChainState, type PendingEntry, refusal } from './chain.ts';
import { concat, encode, fromHex, toHex } from './codec.ts';
import { METER_ROUNDS_BACK } from './limits.ts';
import { everyone, publicKeyOf, statementKeyOf } from './members.ts';
import type { Block, Header, Signed } from './messages.ts';
import type { Allocation } from './settlement.ts';

/** A header that was recomputed and found true. */
export interface AuditedHeader {
  readonly header: Signed<Header>;
  readonly benefit: Benefit;
  readonly candidate: Candidate;
}

export const headerOf = (seal: string, plan: PlanAhead, benefit: Benefit): Header => ({
  type: 'HEADER',
  seal,
  lambda: Number(benefit.lambda),
  pfInt: benefit.pfInt,
  net_W: benefit.net_W,
  operations: benefit.operations,
  plan,
});

/** What a plan is worth, or why it is not allowed. */
export function judgePlan(instance: Instance, plan: PlanAhead): Benefit | BlockRefusal {
  const why = refusePlan(instance, plan);
  return why === null ? evaluate(instance, plan) : refusal('infeasible', `${why.code}: ${why.detail}`);
}

/** Predicate V for a header (paper step 3, "audit"): is the plan allowed, and is it worth what it says? */
export function auditHeader(
  chain: ChainState,
  header: Signed<Header>,
  hash: Hash,
  judge = judgePlan,
): AuditedHeader | BlockRefusal {
  if (chain.instance === null || header.body.seal !== chain.seal || header.round !== chain.sealRound) {
    return refusal('wrong-seal', 'it answers another SEAL');
  }
  const publicKey = statementKeyOf(chain, header);
  if (publicKey === null) return refusal('wrong-epoch', `node ${header.sender} had no key in epoch ${header.epoch}`);
  const benefit = judge(chain.instance, header.body.plan);
  if ('code' in benefit) return benefit;
  const { lambda, pfInt, net_W, operations } = header.body;
  if (
    BigInt(lambda) !== benefit.lambda ||
    pfInt !== benefit.pfInt ||
    net_W !== benefit.net_W ||
    operations !== benefit.operations
  ) {
    return refusal('wrong-benefit', `lambda ${lambda} claimed, ${benefit.lambda} recomputed`);
  }
  const tie = tieOf(chain, publicKey, hash);
  const { slopes } = benefit;
  return { header, benefit, candidate: { pfInt, slopes, welfare: 0n, operations, tie } };
}

/** Among equals the lowest wins. The round is in it too: while no SCHEDULE is agreed the seed of the chain stays the same. */
export const tieOf = (chain: ChainState, publicKey: Uint8Array, hash: Hash): string =>
  toHex(hash(concat(fromHex(chain.schedule), encode(chain.sealRound), publicKey)));

/** The tie of each node. */
export const tiesOf = (chain: ChainState, hash: Hash): readonly string[] =>
  everyone(chain).map((_, node) => {
    const publicKey = publicKeyOf(chain, node, chain.registry.epoch);
    return publicKey === null ? LAST : tieOf(chain, publicKey, hash);
  });
/** Behind every hash: of a node that cannot be an author. */
const LAST = '~';

/** Negative when `a` wins over `b`. */
export const compareHeaders = (a: AuditedHeader, b: AuditedHeader): number => compareRank(a.candidate, b.candidate);

export const scheduleBlock = (parent: string, header: Signed<Header>): Block => ({
  type: 'PROPOSE',
  kind: 'SCHEDULE',
  parent,
  carried: [header],
  checkpoint: '',
});

/** The state after a SCHEDULE, or why it is invalid on this chain (predicate V). */
export function applySchedule(chain: ChainState, block: Signed<Block>, hash: Hash): ChainState | BlockRefusal {
  const { round } = block;
  if (chain.instance === null || round !== chain.sealRound)
    return refusal('wrong-round', `no SEAL of round ${round} before it`);
  if (chain.scheduleRound >= round) return refusal('wrong-round', `round ${round} has its SCHEDULE`);
  const [header, ...more] = block.body.carried;
  if (header?.body.type !== 'HEADER' || more.length > 0) return refusal('wrong-kind', 'a SCHEDULE carries one HEADER');
  const audited = auditHeader(chain, header as Signed<Header>, hash);
  if ('code' in audited) return audited;
  const { net_W } = audited.benefit;

  const served = new Map(
    bindingRound(chain.instance, audited.header.body.plan).map(({ index, power_W }) => [index, power_W]),
  );
  const pending: PendingEntry[] = [];
  const allocations: Allocation[] = [];
  chain.pending.forEach((entry, index) => {
    const power_W = served.get(index) ?? 0;
    if (power_W > 0) {
      const { side } = entry.order.body;
      allocations.push({
        round,
        node: entry.order.sender,
        order: entry.order.id,
        ordered_W: siteEffect_W(chain.registry.neighbourhood, side, entry.order.body.power_W),
        allocated_W: siteEffect_W(chain.registry.neighbourhood, side, power_W),
      });
    }
    if (power_W < entry.remaining_W) pending.push({ ...entry, remaining_W: entry.remaining_W - power_W });
  });
  const sealed = chain.rounds[chain.rounds.length - 1]; // the record of this round
  return {
    ...chain,
    tip: block.id,
    height: chain.height + 1,
    instance: null,
    scheduleRound: round,
    schedule: block.id,
    pending,
    allocations: [...chain.allocations.filter((a) => a.round >= round - METER_ROUNDS_BACK), ...allocations],
    rounds: chain.rounds.with(-1, { ...sealed, committed: true, scheduled_W: net_W, vehicles_W: net_W }),
    settled: [],
  };
}
