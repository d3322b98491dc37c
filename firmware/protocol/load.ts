/**
 * load: what the households draw. Nobody meters them; it is what the head meter shows less what the vehicles took, and of both the
 * chain learns late, in part, or as an average. So beside the load of each round there is the range in which it must lie.
 */
import { mulDiv, type Range, sum } from './benefit/instance.ts';
import type { ChainRound, ChainState, NodeRegisters } from './chain.ts';
import type { Neighbourhood } from './genesis.ts';
import { CLOCK_OFF_PARTS, METER_ROUNDS_BACK, SITE_MOST_TIMES, SITE_ROUNDS_MISSING } from './limits.ts';
import type { MeterStatement, Signed, Site } from './messages.ts';
import { type Allocation, meteredEnergy_J, vehicleMost_W } from './settlement.ts';

/** Registers that have not moved for a whole round are those of a meter that hangs: no reading at all (M13). */
export function refuseSite(site: Signed<Site>, round: number, chain: ChainState): string | null {
  if (site.sender !== chain.registry.headMeter) return 'not of the head meter';
  if (site.round !== round) return `of round ${site.round}`;
  const { imported_Wh, exported_Wh } = site.body;
  const stands = chain.site?.imported_Wh === imported_Wh && chain.site.exported_Wh === exported_Wh;
  return stands ? 'registers that stand still' : null;
}

type MeteredRound = ChainRound & { readonly load_W: number; readonly averagedFrom_round: number };
const isMetered = (record: ChainRound): record is MeteredRound =>
  record.load_W !== undefined && record.averagedFrom_round !== undefined;

/**
 * Without a reading, and with the last load too old that two of them have metered, no round is sealed: everyone falls back
 * (M13). The reading for round t meters up to round t-2. An average is as old as the first round in it.
 */
export function lacksSite({ rounds }: ChainState, round: number, site: Signed<Site> | null): boolean {
  const metered = rounds.findLast(isMetered);
  return site === null && (metered === undefined || round - 2 - metered.averagedFrom_round > SITE_ROUNDS_MISSING);
}

/**
 * What a METER says of each of its rounds: W on average, null where its registers are those of another meter. It is exact if it is of
 * one round alone and of no more than a vehicle can do in it.
 */
function metered(
  statement: Signed<MeterStatement>,
  before: NodeRegisters | null,
  neighbourhood: Neighbourhood,
): { readonly each_W: number | null; readonly isExact: boolean } {
  const { round, sender } = statement;
  const energy_J = meteredEnergy_J(statement, before, neighbourhood);
  if (energy_J === null) return { each_W: null, isExact: false };
  const rounds = before === null ? 1 : round - before.round;
  const each_W = Math.floor(energy_J / (neighbourhood.roundTime_s * rounds));
  const isPossible = Math.abs(each_W) <= vehicleMost_W(neighbourhood.nodes[sender]);
  return { each_W, isExact: before !== null && rounds === 1 && isPossible };
}

/** Registers of a node with its METER: the bits tell which of the last rounds had a METER to themselves. */
export function registersAfter(
  statement: Signed<MeterStatement>,
  before: NodeRegisters | null,
  neighbourhood: Neighbourhood,
): NodeRegisters {
  const { round, body } = statement;
  const { imported_Wh, exported_Wh } = body;
  const rounds = before === null ? METER_ROUNDS_BACK : Math.min(round - before.round, METER_ROUNDS_BACK);
  const { isExact } = metered(statement, before, neighbourhood);
  const alone = ((before?.alone ?? 0) << rounds) | (isExact ? 1 : 0);
  return { round, imported_Wh, exported_Wh, alone: alone & (2 ** METER_ROUNDS_BACK - 1) };
}

/**
 * What a vehicle may do that was told so: that, a part of it, nothing, or draw its safe share if it has not heard.
 */
const mayDo = (told_W: number, share_W: number): Range => ({
  least_W: Math.min(0, told_W),
  most_W: Math.max(told_W, share_W),
});

/**
 * Puts what a charge point has metered in place of what it was allocated; of several rounds in one statement the average, as far as it
 * can be that of each.
 */
export function meterVehicle(
  rounds: ChainRound[],
  chain: ChainState,
  statement: Signed<MeterStatement>,
  before: NodeRegisters | null,
): void {
  const { round, sender } = statement;
  const { neighbourhood } = chain.registry;
  const { each_W, isExact } = metered(statement, before, neighbourhood);
  if (each_W === null) return;
  // Of earlier rounds there is no record, or their allocations are no longer known.
  const from = Math.max((before?.round ?? round - 1) + 1, rounds[0].round, chain.sealRound - METER_ROUNDS_BACK);
  for (let r = from; r <= round; r++) {
    const record = rounds[r - rounds[0].round];
    const told_W = allocatedIn(chain.allocations, r).get(sender) ?? 0;
    const { least_W, most_W } = mayDo(told_W, neighbourhood.nodes[sender].safeShare_W);
    const did_W = isExact ? each_W : Math.min(Math.max(each_W, least_W), most_W);
    const vehicles_W = record.vehicles_W + did_W - told_W;
    rounds[r - rounds[0].round] = { ...record, vehicles_W };
  }
}

/**
 * Fills in what the head meter's registers say of the rounds since the reading before: Theta, on average. Registers that went
 * back, or jumped, are those of another meter: they say nothing of the past and count from now on.
 */
export function meterRounds(rounds: ChainRound[], { registry, site: before }: ChainState, site: Signed<Site>): void {
  if (before === null) return;
  const { roundTime_s, capacity_W, exportLimit_W } = registry.neighbourhood;
  const energy_Wh = site.body.imported_Wh - before.imported_Wh - (site.body.exported_Wh - before.exported_Wh);
  const nominal_ms = (site.round - before.round) * roundTime_s * 1000;
  const clock_ms = site.body.takenAt_ms - before.takenAt_ms;
  const elapsed_ms = Math.abs(clock_ms - nominal_ms) * CLOCK_OFF_PARTS <= roundTime_s * 1000 ? clock_ms : nominal_ms;
  const theta_W = mulDiv(energy_Wh, 3_600_000, elapsed_ms);
  const back = site.body.imported_Wh < before.imported_Wh || site.body.exported_Wh < before.exported_Wh;
  if (back || Math.abs(theta_W) > SITE_MOST_TIMES * Math.max(capacity_W, exportLimit_W)) return;
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
export function findLoads(rounds: ChainRound[]): void {
  for (let first = 0, end = 1; first < rounds.length; first = end++) {
    const { theta_W, averagedFrom_round } = rounds[first];
    while (end < rounds.length && rounds[end].averagedFrom_round === averagedFrom_round) end += 1;
    if (theta_W === undefined) continue;
    const vehicles_W = Math.floor(sum(rounds.slice(first, end).map((record) => record.vehicles_W)) / (end - first));
    const load_W = theta_W - vehicles_W;
    for (let i = first; i < end; i++) if (rounds[i].load_W !== load_W) rounds[i] = { ...rounds[i], load_W };
  }
}

/**
 * The rounds before this one. The present one has no register reading yet: what the head meter shows stands in, its schedule
 * taken off.
 */
export function historyOf(rounds: readonly ChainRound[], site: Signed<Site> | null): ChainRound[] {
  const history = rounds.slice(0, -1);
  if (site === null) return history;
  const present = history[history.length - 1];
  const { power_W } = site.body;
  const load_W = power_W - present.scheduled_W;
  return history.with(-1, { ...present, theta_W: power_W, load_W, averagedFrom_round: present.round });
}

/** By node, W at the head meter. */
function allocatedIn(allocations: readonly Allocation[], round: number): ReadonlyMap<number, number> {
  const allocated = new Map<number, number>();
  for (const a of allocations)
    if (a.round === round) allocated.set(a.node, (allocated.get(a.node) ?? 0) + a.allocated_W);
  return allocated;
}

/** What the range of the load is found from, beside the history. */
interface Sources {
  /** Being sealed. */
  readonly round: number;
  /** With the METERs of this SEAL. */
  readonly registers: readonly (NodeRegisters | null)[];
  readonly allocations: readonly Allocation[];
  readonly safeShares_W: readonly number[];
  /** The load moves by no more from round to round. */
  readonly margin_W: number;
}

/** How far below and above its load in the record the load of these rounds may be on average, because of the vehicles. */
function doubt_W(first: number, last: number, { registers, allocations, safeShares_W }: Sources) {
  let [below_W, above_W] = [0, 0];
  for (let round = first; round <= last; round++) {
    const allocated = allocatedIn(allocations, round);
    for (const [node, share_W] of safeShares_W.entries()) {
      const { round: metered = -1, alone = 0 } = registers[node] ?? {};
      if (round <= metered && ((alone >> (metered - round)) & 1) === 1) continue;
      const told_W = allocated.get(node) ?? 0;
      const { least_W, most_W } = mayDo(told_W, share_W);
      const isAverage = round <= metered; // of a METER of several rounds
      below_W += isAverage ? most_W - least_W : most_W - told_W;
      above_W += isAverage ? most_W - least_W : told_W - least_W;
    }
  }
  const rounds = last - first + 1;
  return { below_W: Math.ceil(below_W / rounds), above_W: Math.ceil(above_W / rounds) };
}

/**
 * Where the load of the round before this one lies. Two sources: the last load that two readings metered, from which it has moved
 * since, an average from its first round on; and what the head meter shows now. Each gives a range by what the vehicles may have
 * done; the load lies in both. If they do not meet, one of them is wrong, nobody knows which, and it is anywhere between.
 */
export function loadBetween_W(history: readonly ChainRound[], site: Signed<Site> | null, sources: Sources): Range {
  const { round, margin_W } = sources;
  const past = site === null ? history : history.slice(0, -1);
  const present = site === null ? undefined : history[history.length - 1];
  const metered = past.findLast(isMetered);
  // Of older rounds the allocations are no longer known.
  const isKnown = metered !== undefined && metered.averagedFrom_round >= round - METER_ROUNDS_BACK;
  const ranges = [...(isKnown ? [metered] : []), ...(present !== undefined && isMetered(present) ? [present] : [])].map(
    ({ round: last, averagedFrom_round: first, load_W }) => {
      const { below_W, above_W } = doubt_W(first, last, sources);
      const moved_W = margin_W * (round - 1 - first);
      return { least_W: load_W - below_W - moved_W, most_W: load_W + above_W + moved_W };
    },
  );
  const [least_W, most_W] = [ranges.map((range) => range.least_W), ranges.map((range) => range.most_W)];
  const both = { least_W: Math.max(...least_W), most_W: Math.min(...most_W) };
  return both.least_W <= both.most_W ? both : { least_W: Math.min(...least_W), most_W: Math.max(...most_W) };
}
