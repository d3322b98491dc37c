/**
 * seal: a SEAL block fixes the problem of a round: its orders, the SITE reading, the METER statements of earlier
 * rounds. From then on every node solves and audits the same instance.
 */
import type { Hash } from '../ports.ts';
import { type Direction, type Instance, siteEffect_W } from './benefit/instance.ts';
import { poseInstance } from './benefit/pose.ts';
import { type BlockRefusal, type ChainRound, type ChainState, type PendingEntry, refusal } from './chain.ts';
import { concat, fromHex, toHex } from './codec.ts';
import { HISTORY_DAYS, METER_ROUNDS_BACK, ORDER_EXPIRES_ROUNDS, SITE_MAX_W, SITE_ROUNDS_MISSING } from './limits.ts';
import { statementKeyOf } from './members.ts';
import { amend, closingVotes, handOver, type MembershipNews } from './membership.ts';
import type { Block, Evidence, MeterStatement, Order, RegistryChange, Signed, Site } from './messages.ts';
import { refuseForever, refuseOrder } from './order.ts';
import type { Pool } from './pool.ts';
import { type Allocation, meteredEnergy_J, type Registers, settle } from './settlement.ts';

interface Statements extends MembershipNews {
  readonly orders: readonly Signed<Order>[];
  readonly site: Signed<Site> | null;
  readonly meters: readonly Signed<MeterStatement>[];
}

const isOrder = (message: Signed): message is Signed<Order> => message.body.type === 'ORDER';
const isSite = (message: Signed): message is Signed<Site> => message.body.type === 'SITE';
const isMeter = (message: Signed): message is Signed<MeterStatement> => message.body.type === 'METER';
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
    registers[statement.sender] = registersOf(statement);
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
const registersOf = ({ round, body }: Signed<MeterStatement | Site>): Registers => ({
  round,
  imported_Wh: body.imported_Wh,
  exported_Wh: body.exported_Wh,
});

/** Orders carried over from earlier rounds; void are a wish from before a long outage, and one that its node may place no more. */
const survivors = (chain: ChainState, round: number): PendingEntry[] =>
  chain.pending.filter(
    ({ order }) => round - order.round <= ORDER_EXPIRES_ROUNDS && refuseForever(order, chain.registry) === null,
  );

/** Registers that have not moved for a whole round are those of a meter that hangs: no reading at all (M13). */
function refuseSite(site: Signed<Site>, round: number, chain: ChainState): string | null {
  if (site.sender !== chain.registry.headMeter) return 'not of the head meter';
  if (site.round !== round) return `of round ${site.round}`;
  const { imported_Wh, exported_Wh } = site.body;
  const stands = chain.site?.imported_Wh === imported_Wh && chain.site.exported_Wh === exported_Wh;
  return stands ? 'registers that stand still' : null;
}

/**
 * Without a reading, and with the last load too old that two of them have metered, no round is sealed: everyone falls back
 * (M13). The reading for round t meters up to round t-2. An average is as old as the first round in it.
 */
export function lacksSite({ rounds }: ChainState, round: number, site: Signed<Site> | null): boolean {
  const metered = rounds.findLast(isMetered);
  return site === null && (metered === undefined || round - 2 - metered.averagedFrom_round > SITE_ROUNDS_MISSING);
}

type MeteredRound = ChainRound & { readonly load_W: number; readonly averagedFrom_round: number };
const isMetered = (record: ChainRound): record is MeteredRound =>
  record.load_W !== undefined && record.averagedFrom_round !== undefined;

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
    settled.push(...settle(statement, before, chain.allocations, neighbourhood.roundTime_s));
    meterVehicle(rounds, chain, statement, before);
    registers[statement.sender] = registersOf(statement);
  }
  const site = sites[0] ?? null;
  if (site !== null) {
    const why = refuseSite(site, round, chain);
    if (why !== null) return refusal('bad-site', why);
  } else if (lacksSite(chain, round, null)) {
    return refusal('site-missing', 'the head meter has been silent for too long');
  }

  if (site !== null && chain.site !== null) meterRounds(rounds, chain, site);
  findLoads(rounds);
  const seed = fromHex(chain.schedule);
  const ranked = pending
    .map((entry) => ({ entry, rank: toHex(hash(concat(seed, fromHex(entry.order.id)))) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ entry }) => entry);

  const { buy_W, sell_W } = rounds[rounds.length - 1]; // the record of this round
  const history = historyOf(rounds, site);
  const posed = poseInstance({
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
      margin_W: neighbourhood.margin_W,
      safeShares_W: neighbourhood.nodes.map((node) => node.safeShare_W),
      lostParts: registry.f + 1,
      connectors: neighbourhood.nodes.map((node) => node.connector ?? { charge_W: 0, discharge_W: 0 }),
    },
    history,
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
  const margin_W = posed.limits.margin_W + doubt_W(chain, history, registers, { posed, site });
  return {
    ...chain,
    ...members,
    tip: block.id,
    height: chain.height + 1,
    sealRound: round,
    seal: block.id,
    instance: { ...posed, limits: { ...posed.limits, margin_W } },
    pending: ranked,
    rounds,
    allocations: chain.allocations.filter((a) => a.round >= round - METER_ROUNDS_BACK),
    registers: members.registry.members.map((_, node) => registers[node] ?? null),
    site: site === null ? chain.site : registersOf(site),
    settled,
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

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

/** Puts what a charge point has metered in place of what it was allocated; of several rounds in one statement the average. */
function meterVehicle(
  rounds: ChainRound[],
  chain: ChainState,
  { round, sender, body }: Signed<MeterStatement>,
  before: Registers | null,
): void {
  const since = before?.round ?? round - 1;
  const { roundTime_s } = chain.registry.neighbourhood;
  const each_W = Math.floor(meteredEnergy_J(body, before) / (roundTime_s * (round - since)));
  // Of earlier rounds there is no record, or their allocations are no longer known.
  const from = Math.max(since + 1, rounds[0].round, chain.sealRound - METER_ROUNDS_BACK);
  for (let r = from; r <= round; r++) {
    const record = rounds[r - rounds[0].round];
    const vehicles_W = record.vehicles_W + each_W - allocated_W(chain, r, sender);
    rounds[r - rounds[0].round] = { ...record, vehicles_W };
  }
}

/**
 * Fills in what the head meter's registers say of the rounds since the reading before: Theta, on average. Registers that went
 * back, or jumped, are those of another meter: they say nothing of the past and count from now on.
 */
function meterRounds(rounds: ChainRound[], chain: ChainState, site: Signed<Site>): void {
  const before = chain.site as Registers;
  const { roundTime_s } = chain.registry.neighbourhood;
  const energy_Wh = site.body.imported_Wh - before.imported_Wh - (site.body.exported_Wh - before.exported_Wh);
  const theta_W = Math.floor((energy_Wh * 3600) / (roundTime_s * (site.round - before.round)));
  const back = site.body.imported_Wh < before.imported_Wh || site.body.exported_Wh < before.exported_Wh;
  if (back || Math.abs(theta_W) > SITE_MAX_W) return;
  // A reading for round t is taken at the start of interval t-1: two readings enclose rounds t'-1 to t-2.
  const averagedFrom_round = before.round - 1;
  rounds.forEach((record, i) => {
    if (record.round >= averagedFrom_round && record.round <= site.round - 2)
      rounds[i] = { ...record, theta_W, averagedFrom_round };
  });
}

/**
 * The load under Theta, anew with every SEAL, since METERs may come later than the reading. How it is spread over the rounds between
 * two readings nobody knows, so that all of them have the average.
 */
function findLoads(rounds: ChainRound[]): void {
  for (let first = 0, end = 1; first < rounds.length; first = end++) {
    const { theta_W, averagedFrom_round } = rounds[first];
    while (end < rounds.length && rounds[end].averagedFrom_round === averagedFrom_round) end += 1;
    if (theta_W === undefined) continue;
    const vehicles_W = Math.floor(sum(rounds.slice(first, end).map((record) => record.vehicles_W)) / (end - first));
    const load_W = theta_W - vehicles_W;
    for (let i = first; i < end; i++) if (rounds[i].load_W !== load_W) rounds[i] = { ...rounds[i], load_W };
  }
}

const allocated_W = (chain: ChainState, round: number, node: number): number =>
  sum(chain.allocations.filter((a) => a.round === round && a.node === node).map((a) => a.allocated_W));

/**
 * The rounds before this one. The present one has no register reading yet: what the head meter shows stands in, its schedule
 * taken off.
 */
function historyOf(rounds: readonly ChainRound[], site: Signed<Site> | null): ChainRound[] {
  const history = rounds.slice(0, -1);
  if (site === null) return history;
  const present = history[history.length - 1];
  const { power_W } = site.body;
  const load_W = power_W - present.scheduled_W;
  return history.with(-1, { ...present, theta_W: power_W, load_W, averagedFrom_round: present.round });
}

/**
 * How far the load may lie from its forecast, beyond the margin. The forecast may lead away from where the load was last seen, by a
 * profile that knows little, and the load may stay. And what was seen may be wrong: a vehicle that left makes the households look
 * smaller than they are by what it should have drawn, one that does not feed in larger. The last metered load by all that was
 * allocated and has no METER yet; and since it is an average from which the load may have moved, by the margin, which is for the
 * error of one round, for each round more from the first in it. The present one, what the head meter shows less the schedule, by
 * how far it lies from that, and by no more than all that was scheduled.
 */
function doubt_W(
  { allocations }: ChainState,
  history: readonly ChainRound[],
  registers: readonly (Registers | null)[],
  { posed: { round, load_W, limits }, site }: { readonly posed: Instance; readonly site: Signed<Site> | null },
): number {
  const all_W = (those: readonly Allocation[]): number => sum(those.map((a) => Math.abs(a.allocated_W)));
  const seen = history.filter(isMetered);
  const last_W = seen.at(-1)?.load_W ?? 0;
  const stays_W = Math.abs(load_W[0]! - last_W);
  const scheduled_W = all_W(allocations.filter((a) => a.round === round - 1));
  const metered = seen.at(site === null ? -1 : -2);
  if (metered === undefined) return stays_W + scheduled_W;
  const unmetered_W = all_W(
    allocations.filter((a) => a.round <= metered.round && a.round > (registers[a.node]?.round ?? -1)),
  );
  const next = round - (site === null ? 1 : 2); // the round after the metered one, if that was read at once
  const moved_W = limits.margin_W * (next - metered.averagedFrom_round);
  return site === null
    ? stays_W + unmetered_W + moved_W
    : stays_W + Math.min(scheduled_W, Math.abs(last_W - metered.load_W) + unmetered_W + moved_W);
}

function directionsOf(chain: ChainState, round: number): Direction[] {
  const directions: Direction[] = chain.registry.publicKeys.map(() => 'idle');
  for (const a of chain.allocations) {
    if (a.round === round) directions[a.node] = a.allocated_W >= 0 ? 'charge' : 'discharge';
  }
  return directions;
}
