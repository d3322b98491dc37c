/**
 * The chronicle: what the final chain tells people. Fed block by block, by a running node and by `ledger show` alike,
 * so that the page and the ledger can never tell different stories. Floats only here, at the end, for display.
 */
import type { Past } from './ports.ts';
import { accountOf, rowsOf } from './protocol/account.ts';
import { bindingRound } from './protocol/benefit/feasible.ts';
import type { PlanAhead } from './protocol/benefit/instance.ts';
import { type Breach, breach } from './protocol/benefit/safety.ts';
import type { ChainState } from './protocol/chain.ts';
import { everyone } from './protocol/members.ts';
import type { Block, Order, Signed } from './protocol/messages.ts';
import type { Registry } from './protocol/registry.ts';
import { isMeter } from './protocol/seal.ts';
import { meteredEnergy_J, type Registers, type SettlementRow } from './protocol/settlement.ts';
import type { FinalStep } from './protocol/state.ts';

export interface BlockRow {
  readonly height: number;
  readonly round: number;
  readonly hash: string;
  readonly kind: Block['kind'];
  /** Of a SCHEDULE: the candidate whose header won; otherwise the leader that proposed the block. */
  readonly author: number;
  readonly lambda: number | null;
  readonly votes: number;
  readonly orders: number;
  /** Of a SCHEDULE: what had to run and was held back for safety. */
  readonly heldBack: readonly HeldBack[];
}

export interface HeldBack {
  readonly node: number;
  readonly order: string;
  /** In the order's own power: what it did not get. */
  readonly power_W: number;
  /** The rule that this order would have broken beside all that runs; `turn`: none, but when the room was shared out there was none for it. */
  readonly why: Breach | 'turn';
}

export interface PowerPoint {
  readonly round: number;
  /** Metered at the head meter. */
  readonly with_W: number;
  /** The same load with every order run in the round it was placed for. */
  readonly without_W: number;
}

/** PF in its three forms, slopes in kW per hour: variance, its cube root (the paper's figure), its square root. */
export interface Fluctuation {
  readonly pf: number;
  readonly cbrt: number;
  readonly sd: number;
}

export interface OrderRow {
  readonly order: Signed<Order>;
  /** Round in which it was scheduled; null while it waits. */
  readonly executed: number | null;
  readonly expired: boolean;
}

export interface Chronicle {
  /** Oldest first. */
  readonly blocks: BlockRow[];
  readonly settlement: SettlementRow[];
  readonly orders: Map<string, OrderRow>;
  /** The state after the last block; null before the first. */
  state: ChainState | null;
  /** Rounds since the first SEAL up to the last, and those of them with a final schedule. */
  rounds: number;
  committed: number;
  /** What was ordered, allocated and metered of the same orders: those of which a meter has been stated. */
  ordered_J: number;
  allocated_J: number;
  metered_J: number;
  /** Metered without an order: the safe share, and what was drawn beyond the plan. */
  unordered_J: number;
  /** By charge point: what its registers moved since its first statement, net, and what was settled of it. */
  readonly energy: Map<number, { readonly registers_Wh: number; readonly settled_J: number }>;
}

export const emptyChronicle = (): Chronicle => ({
  blocks: [],
  settlement: [],
  orders: new Map(),
  state: null,
  rounds: 0,
  committed: 0,
  ordered_J: 0,
  allocated_J: 0,
  metered_J: 0,
  unordered_J: 0,
  energy: new Map(),
});

/** Rows kept for display: a day of five-minute rounds of a small neighbourhood; totals go on. */
const ROWS_KEPT = 4096;

type Sums = Omit<Past, 'own'>;

function add(chronicle: Chronicle, sums: Sums): void {
  chronicle.rounds += sums.rounds;
  chronicle.committed += sums.committed;
  chronicle.ordered_J += sums.ordered_J;
  chronicle.allocated_J += sums.allocated_J;
  chronicle.metered_J += sums.metered_J;
  chronicle.unordered_J += sums.unordered_J;
}

/** What remains of the blocks under the checkpoint at which the chronicle begins. */
export function takeUp(chronicle: Chronicle, past: Past): void {
  add(chronicle, past);
  chronicle.settlement.push(...past.own.flatMap(rowsOf));
}

/** `account` is what the ledger keeps of the block; worked out for whoever does not have it at hand. */
export function record(chronicle: Chronicle, final: FinalStep, account: Sums = accountOf(final, -1)): void {
  const { block, before, state, votes } = final;
  if (chronicle.state?.tip !== before.tip) recordJump(chronicle, before);
  const [first] = block.body.carried;
  const header = block.body.kind === 'SCHEDULE' && first.body.type === 'HEADER' ? first.body : null;
  const served = header === null ? [] : state.allocations.filter((a) => a.round === block.round);
  chronicle.blocks.push({
    height: state.height,
    round: block.round,
    hash: block.id,
    kind: block.body.kind,
    author: header === null ? block.sender : first.sender,
    lambda: header === null ? null : header.lambda,
    votes,
    orders: served.length,
    heldBack: header === null ? [] : heldBack(before, state, header.plan),
  });
  add(chronicle, account);
  for (const { order } of served) {
    const row = chronicle.orders.get(order);
    const waits = state.pending.some((entry) => entry.order.id === order);
    if (row !== undefined && !waits) chronicle.orders.set(order, { ...row, executed: block.round });
  }
  if (block.body.kind === 'SEAL') recordSeal(chronicle, block, state, before);
  chronicle.state = state;
  if (chronicle.blocks.length > ROWS_KEPT) chronicle.blocks.splice(0, chronicle.blocks.length - ROWS_KEPT);
  if (chronicle.settlement.length > ROWS_KEPT) chronicle.settlement.splice(0, chronicle.settlement.length - ROWS_KEPT);
  for (const [id, { executed, expired }] of chronicle.orders) {
    if (chronicle.orders.size <= ROWS_KEPT) break;
    if (executed !== null || expired) chronicle.orders.delete(id);
  }
}

/** Orders at the end of their wait that a schedule left over, wholly or in part: only safety allows that. */
function heldBack({ instance }: ChainState, { pending }: ChainState, plan: PlanAhead): HeldBack[] {
  if (instance === null) return [];
  const whole = instance.pending.map(({ power_W }, index) => ({ index, power_W }));
  const due = whole.filter(({ index }) => instance.pending[index].remainingWait_rounds === 0);
  const indexOf = new Map(due.map(({ index }) => [instance.pending[index].id, index]));
  const rows = pending.filter(({ order }) => indexOf.has(order.id));
  if (rows.length === 0) return []; // in all but the worst rounds
  const running = bindingRound(instance, plan);
  return rows.map(({ order, remaining_W }) => {
    const index = indexOf.get(order.id)!;
    const withIt = [...running.filter((other) => other.index !== index), whole[index]];
    // It alone would fit beside what runs: when the room was shared out, that was not known yet.
    const why = breach(instance, withIt) ?? 'turn';
    return { node: order.sender, order: order.id, power_W: remaining_W, why };
  });
}

/** The chain goes on from a checkpoint: blocks in between were not seen, and with them what became of an order. */
function recordJump(chronicle: Chronicle, from: ChainState): void {
  chronicle.blocks.length = 0;
  const pending = new Set(from.pending.map(({ order }) => order.id));
  for (const [id, row] of chronicle.orders)
    if (row.executed === null && !pending.has(id)) chronicle.orders.set(id, { ...row, expired: true });
  for (const { order } of from.pending)
    if (!chronicle.orders.has(order.id)) chronicle.orders.set(order.id, { order, executed: null, expired: false });
}

function recordSeal(chronicle: Chronicle, block: Signed<Block>, state: ChainState, before: ChainState): void {
  const pending = new Set(state.pending.map((entry) => entry.order.id));
  const registers = new Map<number, Registers>();
  for (const message of block.body.carried) {
    if (message.body.type === 'ORDER')
      chronicle.orders.set(message.id, { order: message as Signed<Order>, executed: null, expired: false });
    if (isMeter(message)) {
      const { round, sender, body } = message;
      const from = registers.get(sender) ?? before.registers[sender] ?? null;
      const energy_J = meteredEnergy_J(message, from, before.registry.neighbourhood) ?? 0;
      registers.set(sender, { round, imported_Wh: body.imported_Wh, exported_Wh: body.exported_Wh });
      addEnergy(chronicle, sender, energy_J / 3600, 0);
    }
  }
  for (const { order } of before.pending) {
    const row = chronicle.orders.get(order.id);
    if (row && row.executed === null && !pending.has(order.id))
      chronicle.orders.set(order.id, { ...row, expired: true });
  }
  for (const row of state.settled) {
    chronicle.settlement.push(row);
    addEnergy(chronicle, row.node, 0, row.metered_J);
  }
}

function addEnergy(chronicle: Chronicle, node: number, registers_Wh: number, settled_J: number): void {
  const sum = chronicle.energy.get(node) ?? { registers_Wh: 0, settled_J: 0 };
  chronicle.energy.set(node, {
    registers_Wh: sum.registers_Wh + registers_Wh,
    settled_J: sum.settled_J + settled_J,
  });
}

/** Rounds with energy allocated to somebody whose meter has not been stated for them yet. */
export function unsettledRounds({ state }: Chronicle): number {
  const open = (state?.allocations ?? []).filter(({ node, round }) => (state?.registers[node]?.round ?? -1) < round);
  return new Set(open.map(({ round }) => round)).size;
}

/** The rounds whose power is metered, oldest first. */
export function powerOf(chronicle: Chronicle): PowerPoint[] {
  return (chronicle.state?.rounds ?? []).flatMap(({ round, theta_W, load_W, placed_W }) =>
    theta_W === undefined || load_W === undefined ? [] : [{ round, with_W: theta_W, without_W: load_W + placed_W }],
  );
}

/** PF over the latest day of slopes; null with fewer than two. Only slopes between neighbouring rounds count. */
export function fluctuation(
  points: readonly PowerPoint[],
  of: 'with_W' | 'without_W',
  roundTime_s: number,
): (Fluctuation & { readonly slopes: number }) | null {
  const toSlope = 3.6 / roundTime_s; // W per round to kW per hour
  const slopes: number[] = [];
  for (let i = 1; i < points.length; i++) {
    if (points[i].round === points[i - 1].round + 1) slopes.push((points[i][of] - points[i - 1][of]) * toSlope);
  }
  const window = slopes.slice(-Math.floor(86_400 / roundTime_s));
  if (window.length < 2) return null;
  const mean = window.reduce((total, slope) => total + slope, 0) / window.length;
  const pf = window.reduce((total, slope) => total + (slope - mean) ** 2, 0) / window.length;
  return { pf, cbrt: Math.cbrt(pf), sd: Math.sqrt(pf), slopes: window.length };
}

/** Rounds since the first block, up to the last one decided: with a final schedule, and without. Those not seen do not count. */
export function outcomes(chronicle: Chronicle, decidedUpTo: number): { committed: number; terminated: number } {
  if (chronicle.state === null) return { committed: 0, terminated: 0 };
  const { scheduleRound, sealRound } = chronicle.state;
  const rounds = chronicle.rounds + Math.max(decidedUpTo, scheduleRound) - sealRound;
  return { committed: chronicle.committed, terminated: Math.max(0, rounds - chronicle.committed) };
}

/** The rows of each charge point must sum to its registers' difference, to the watt-hour. Returns those that do not. */
export function unbalanced(chronicle: Chronicle, registry: Registry): string[] {
  return [...chronicle.energy].flatMap(([node, { registers_Wh, settled_J }]) =>
    settled_J === registers_Wh * 3600
      ? []
      : [
          `${everyone(chronicle.state ?? { registry, handover: null })[node].name}: ${settled_J / 3600} Wh settled, ${registers_Wh} Wh by its registers`,
        ],
  );
}
