/**
 * seal: a SEAL block fixes the problem of a round: its orders, the SITE reading, the METER statements of earlier
 * rounds. From then on every node solves and audits the same instance.
 */
import type { Hash } from '../ports.ts';
import { type Direction, siteEffect_W, sum } from './benefit/instance.ts';
import { poseInstance } from './benefit/pose.ts';
import {
  type BlockRefusal,
  type ChainRound,
  type ChainState,
  type PendingEntry,
  refusal,
  type SiteRegisters,
} from './chain.ts';
import { concat, fromHex, toHex } from './codec.ts';
import { HISTORY_DAYS, METER_ROUNDS_BACK, ORDER_EXPIRES_ROUNDS } from './limits.ts';
import {
  findLoads,
  historyOf,
  lacksSite,
  loadBetween_W,
  meterRounds,
  meterVehicle,
  refuseSite,
  registersAfter,
} from './load.ts';
import { statementKeyOf } from './members.ts';
import { amend, closingVotes, handOver, type MembershipNews } from './membership.ts';
import type { Block, Evidence, MeterStatement, Order, RegistryChange, Signed, Site } from './messages.ts';
import { refuseForever, refuseOrder } from './order.ts';
import type { Pool } from './pool.ts';
import { settle } from './settlement.ts';

interface Statements extends MembershipNews {
  readonly orders: readonly Signed<Order>[];
  readonly site: Signed<Site> | null;
  readonly meters: readonly Signed<MeterStatement>[];
}

const isOrder = (message: Signed): message is Signed<Order> => message.body.type === 'ORDER';
const isSite = (message: Signed): message is Signed<Site> => message.body.type === 'SITE';
export const isMeter = (message: Signed): message is Signed<MeterStatement> => message.body.type === 'METER';
const isChange = (message: Signed): message is Signed<RegistryChange> => message.body.type === 'REGISTRY';
const isProof = (message: Signed): message is Signed<Evidence> => message.body.type === 'EVIDENCE';

/**
 * Sorted list, unique: orders by id, then SITE, then METERs by round and sender; then the registrar's change, proofs by
 * culprit, FINAL votes by voter.
 */
function canonical({ orders, site, meters, change, proofs, closing }: Statements): Block['carried'] {
  const byCulprit = [...proofs].sort((a, b) => a.body.first.sender - b.body.first.sender);
  const byVoter = [...closing].sort((a, b) => a.sender - b.sender);
  const byId = [...orders].sort((a, b) => (a.id < b.id ? -1 : 1));
  const byRound = [...meters].sort((a, b) => a.round - b.round || a.sender - b.sender);
  return [...byId, ...(site ? [site] : []), ...byRound, ...(change ? [change] : []), ...byCulprit, ...byVoter];
}

function refuseMeter(
  statement: Signed<MeterStatement>,
  round: number,
  { registers, registry }: Pick<ChainState, 'registers' | 'registry'>,
): string | null {
  const known = registers[statement.sender];
  if (registry.members[statement.sender]?.role !== 'charge-point') return 'not of a charge point';
  if (statement.round > round - 2) return 'of a round that is not over';
  if (statement.round < round - METER_ROUNDS_BACK) return 'too old';
  if (known && statement.round <= known.round) return 'of a round settled before';
  return null;
}

/** The statements of the pool that a SEAL of this round on this chain can carry. Proofs and the end of a hand-over are the leader's. */
export function sealable(pool: Pool, chain: ChainState, round: number, hash: Hash): Statements {
  const { registry } = chain;
  const hasKey = (message: Signed): boolean => statementKeyOf(chain, message) !== null;
  const orders: Signed<Order>[] = [];
  const pending = survivors(chain, round);
  for (const order of [...pool.orders.values()].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    if (!hasKey(order) || refuseOrder(order, round, { registry, pending }) !== null) continue;
    orders.push(order);
    pending.push(entryOf(order));
  }
  const site = pool.sites.get(round) ?? null;
  const meters: Signed<MeterStatement>[] = [];
  const registers = [...chain.registers];
  for (const statement of [...pool.meters.values()].sort((a, b) => a.round - b.round || a.sender - b.sender)) {
    if (!hasKey(statement) || refuseMeter(statement, round, { registry, registers }) !== null) continue;
    registers[statement.sender] = registersAfter(statement, registers[statement.sender], registry.neighbourhood);
    meters.push(statement);
  }
  const { change } = pool;
  const fits =
    change !== null && chain.handover === null && hasKey(change) && typeof amend(registry, change, hash) !== 'string';
  return {
    orders,
    site: site !== null && hasKey(site) && refuseSite(site, round, chain) === null ? site : null,
    meters,
    ...NO_NEWS,
    change: fits ? change : null,
  };
}

const NO_NEWS: MembershipNews = { change: null, proofs: [], closing: [] };

export const sealBlock = (
  parent: string,
  carried: Omit<Statements, keyof MembershipNews> & Partial<MembershipNews>,
  checkpoint: string,
): Block => ({
  type: 'PROPOSE',
  kind: 'SEAL',
  parent,
  carried: canonical({ ...NO_NEWS, ...carried }),
  checkpoint,
});

const entryOf = (order: Signed<Order>): PendingEntry => ({ order, age: 0, remaining_W: order.body.power_W });
const siteRegisters = ({ round, body: { imported_Wh, exported_Wh, takenAt_ms } }: Signed<Site>): SiteRegisters => ({
  round,
  imported_Wh,
  exported_Wh,
  takenAt_ms,
});

/** Orders carried over from earlier rounds; void are a wish from before a long outage, and one that its node may place no more. */
const survivors = (chain: ChainState, round: number): PendingEntry[] =>
  chain.pending.filter(
    ({ order }) => round - order.round <= ORDER_EXPIRES_ROUNDS && refuseForever(order, chain.registry) === null,
  );

/** The state after a SEAL, or why it is invalid on this chain (predicate V). */
export function applySeal(chain: ChainState, block: Signed<Block>, hash: Hash): ChainState | BlockRefusal {
  const { round } = block;
  const { registry } = chain;
  const { neighbourhood } = registry;
  if (round <= chain.sealRound)
    return refusal('wrong-round', `round ${round} after a SEAL of round ${chain.sealRound}`);
  const { carried } = block.body;
  const orders = carried.filter(isOrder);
  const meters = carried.filter(isMeter);
  const sites = carried.filter(isSite);
  const news = {
    change: carried.find(isChange) ?? null,
    proofs: carried.filter(isProof),
    closing: closingVotes(block),
  };
  const inOrder = canonical({ orders, site: sites[0] ?? null, meters, ...news });
  if (inOrder.length !== carried.length || inOrder.some((message, i) => message !== carried[i])) {
    return refusal('unsorted', 'its statements are not in canonical order');
  }
  if (news.closing.length > 0 && block.body.checkpoint !== '')
    return refusal(
      'bad-membership',
      'a SEAL that names a state ends no hand-over: its epoch must be able to vouch for it',
    );
  const members = handOver(chain, news, hash);
  if (typeof members === 'string') return refusal('bad-membership', members);

  const pending: PendingEntry[] = survivors(chain, round).map((entry) => ({ ...entry, age: entry.age + 1 }));
  for (const order of orders) {
    const why = refuseOrder(order, round, { registry, pending });
    if (why !== null) return refusal('bad-order', `order ${order.id.slice(0, 8)} of node ${order.sender}: ${why}`);
    pending.push(entryOf(order));
  }
  const registers = [...chain.registers];
  const settled = [];
  const rounds = grownRounds(chain, round, orders);
  for (const statement of meters) {
    const before = registers[statement.sender];
    const why = refuseMeter(statement, round, { registry, registers });
    if (why !== null)
      return refusal('bad-meter', `METER of node ${statement.sender} for round ${statement.round}: ${why}`);
    settled.push(...settle(statement, before, chain.allocations, neighbourhood));
    meterVehicle(rounds, chain, statement, before);
    registers[statement.sender] = registersAfter(statement, before, neighbourhood);
  }
  const site = sites[0] ?? null;
  if (site !== null) {
    const why = refuseSite(site, round, chain);
    if (why !== null) return refusal('bad-site', why);
  } else if (lacksSite(chain, round, null)) {
    return refusal('site-missing', 'the head meter has been silent for too long');
  }

  if (site !== null) meterRounds(rounds, chain, site);
  findLoads(rounds);
  const seed = fromHex(chain.schedule);
  const ranked = pending
    .map((entry) => ({ entry, rank: toHex(hash(concat(seed, fromHex(entry.order.id)))) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ entry }) => entry);

  const { buy_W, sell_W } = rounds[rounds.length - 1]; // the record of this round
  const history = historyOf(rounds, site);
  const safeShares_W = neighbourhood.nodes.map((node) => node.safeShare_W);
  const { margin_W } = neighbourhood;
  const { allocations } = chain;
  const instance = poseInstance({
    round,
    roundTime_s: neighbourhood.roundTime_s,
    lookAhead_rounds: neighbourhood.lookAhead_rounds,
    maxWait_rounds: neighbourhood.maxWait_rounds,
    closes: false,
    chargingEfficiency_ppm: neighbourhood.chargingEfficiency_ppm,
    dischargingEfficiency_ppm: neighbourhood.dischargingEfficiency_ppm,
    limits: {
      capacity_W: neighbourhood.capacity_W,
      exportLimit_W: neighbourhood.exportLimit_W,
      margin_W,
      safeShares_W,
      lostParts: registry.f + 1,
      connectors: neighbourhood.nodes.map((node) => node.connector ?? { charge_W: 0, discharge_W: 0 }),
    },
    history,
    loadBefore_W: loadBetween_W(history, site, { round, registers, allocations, safeShares_W, margin_W }),
    arrived: { buy_W, sell_W },
    pending: ranked.map(({ order, age, remaining_W }) => ({
      id: order.id,
      node: order.sender,
      side: order.body.side,
      power_W: remaining_W,
      remainingWait_rounds: Math.max(0, order.body.maxWait_rounds - age),
      curtailed_rounds: Math.max(0, age - order.body.maxWait_rounds),
      divisible: order.body.divisible,
      minimum_W: Math.min(order.body.minimum_W, remaining_W),
    })),
    directions: directionsOf(chain, round - 1),
    loadProfile_W: neighbourhood.loadProfile_W,
  });
  return {
    ...chain,
    ...members,
    tip: block.id,
    height: chain.height + 1,
    sealRound: round,
    seal: block.id,
    instance,
    pending: ranked,
    rounds,
    allocations: chain.allocations.filter((a) => a.round >= round - METER_ROUNDS_BACK),
    registers: members.registry.members.map((_, node) => registers[node] ?? null),
    site: site === null ? chain.site : siteRegisters(site),
    settled,
  };
}

/** The rounds up to this one; those that were never sealed are there too, without orders. */
function grownRounds(chain: ChainState, round: number, orders: readonly Signed<Order>[]): ChainRound[] {
  const { neighbourhood } = chain.registry;
  const keep = (HISTORY_DAYS + 1) * Math.floor(86_400 / neighbourhood.roundTime_s);
  const kept = chain.rounds.findIndex((record) => record.round > round - keep);
  const rounds = kept < 0 ? [] : chain.rounds.slice(kept);
  const from = Math.max(rounds.length > 0 ? rounds[rounds.length - 1].round + 1 : round - 1, round - keep + 1);
  for (let r = from; r <= round; r++) {
    const placed = r === round ? orders : [];
    rounds.push({
      round: r,
      buy_W: sum(placed.filter((o) => o.body.side === 'buy').map((o) => o.body.power_W)),
      sell_W: sum(placed.filter((o) => o.body.side === 'sell').map((o) => o.body.power_W)),
      placed_W: sum(placed.map((o) => siteEffect_W(neighbourhood, o.body.side, o.body.power_W))),
      committed: false,
      scheduled_W: 0,
      vehicles_W: 0,
    });
  }
  return rounds;
}

function directionsOf(chain: ChainState, round: number): Direction[] {
  const directions: Direction[] = chain.registry.publicKeys.map(() => 'idle');
  for (const a of chain.allocations) {
    if (a.round === round) directions[a.node] = a.allocated_W >= 0 ? 'charge' : 'discharge';
  }
  return directions;
}
