/** What the page of a controller shows: the chronicle of the chain and the state of this node, put into the page's words. */
import { readFileSync } from 'node:fs';
import { noAgreement } from './alone.ts';
import type { ChargePointStatus } from './charge-point.ts';
import { type Chronicle, type Fluctuation, fluctuation, outcomes, powerOf, unsettledRounds } from './chronicle.ts';
import type { Config } from './config.ts';
import type { Observed } from './control/types.ts';
import type {
  AheadRow,
  BlockView,
  ChainView,
  ChargePointView,
  ContactView,
  FluctuationView,
  HeldBackView,
  NeighbourhoodView,
  NodeView,
  OrderView,
} from './page/view.ts';
import type { Clock } from './ports.ts';
import { evaluate } from './protocol/benefit/evaluate.ts';
import { everyone } from './protocol/members.ts';
import { decidedAt } from './protocol/round.ts';
import { offset_ms, type ProtocolState, registryOf } from './protocol/state.ts';
import { hasOpenOrder } from './protocol/step.ts';
import type { Runtime } from './runtime.ts';

export const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;

const BLOCKS_SHOWN = 24;
const SETTLEMENT_SHOWN = 24;
const ORDERS_SHOWN = 6;

export interface ViewParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly runtime: Runtime;
  readonly chronicle: Chronicle;
  readonly ahead: readonly AheadRow[];
  readonly brokerConnected: boolean;
  readonly chargePoint: ChargePointStatus | null;
  readonly sitePower_W: number | null;
}

export function viewOf(parts: ViewParts): NeighbourhoodView {
  return { title: parts.config.self.name, chain: chainView(parts), nodes: [nodeView(parts)] };
}

function chainView({ config, chronicle, runtime, ahead }: ViewParts): ChainView {
  const { roundTime_s } = config.neighbourhood;
  const nodes = everyone(runtime.state.finalNode.state);
  const round_ms = roundTime_s * 1000;
  const points = powerOf(chronicle);
  const day = Math.floor(86_400 / roundTime_s);
  const decided = decidedUpTo(runtime.state);
  return {
    seenBy: config.self.name,
    power: points
      .slice(-day - 1)
      .map(({ round, with_W, without_W }) => ({ round, start_ms: round * round_ms, with_W, without_W })),
    ahead: ahead.filter(({ start_ms }) => start_ms + round_ms > runtime.state.now_ms),
    fluctuation: fluctuationView(points, roundTime_s),
    blocks: blockRows(chronicle, decided, round_ms, runtime),
    settlement: chronicle.settlement
      .filter(({ order, metered_J }) => order !== null || metered_J !== 0) // a charge point at rest is no news
      .slice(-SETTLEMENT_SHOWN)
      .reverse()
      .map((row) => ({
        round: row.round,
        node: nodes[row.node].name,
        order: row.order?.slice(0, 8) ?? '-',
        ordered_Wh: Math.round(row.ordered_J / 3600),
        allocated_Wh: Math.round(row.allocated_J / 3600),
        metered_Wh: Math.round(row.metered_J / 3600),
      })),
    totals: {
      ...outcomes(chronicle, decided),
      ordered_Wh: Math.round(chronicle.ordered_J / 3600),
      allocated_Wh: Math.round(chronicle.allocated_J / 3600),
      metered_Wh: Math.round(chronicle.metered_J / 3600),
      unordered_Wh: Math.round(chronicle.unordered_J / 3600),
      unsettled_rounds: unsettledRounds(chronicle),
    },
  };
}

/** The last round whose fate is known: the one being decided counts once T_act has passed. */
export const decidedUpTo = (state: Readonly<ProtocolState>): number =>
  state.acted ? state.deciding : state.deciding - 1;

function fluctuationView(points: ReturnType<typeof powerOf>, roundTime_s: number): FluctuationView | null {
  const withTrade = fluctuation(points, 'with_W', roundTime_s);
  const without = fluctuation(points, 'without_W', roundTime_s);
  if (withTrade === null || without === null) return null;
  const lower = (of: keyof Fluctuation): number => (without[of] === 0 ? 0 : 100 * (1 - withTrade[of] / without[of]));
  return {
    with: { pf: withTrade.pf, cbrt: withTrade.cbrt, sd: withTrade.sd },
    without: { pf: without.pf, cbrt: without.cbrt, sd: without.sd },
    reduction_percent: { pf: lower('pf'), cbrt: lower('cbrt'), sd: lower('sd') },
    window_rounds: withTrade.slopes,
  };
}

function blockRows(chronicle: Chronicle, decided: number, round_ms: number, runtime: Runtime): BlockView[] {
  const nodes = everyone(runtime.state.finalNode.state);
  const { q, n } = registryOf(runtime.state);
  const schedules = new Map(
    chronicle.blocks.filter(({ kind }) => kind === 'SCHEDULE').map((block) => [block.round, block]),
  );
  const rows: BlockView[] = [];
  const first = chronicle.blocks[0]?.round ?? Number.POSITIVE_INFINITY;
  const last = Math.max(decided, chronicle.state?.scheduleRound ?? -1);
  for (let round = last; round >= first && rows.length < BLOCKS_SHOWN; round--) {
    const block = schedules.get(round);
    rows.push({
      round,
      start_ms: round * round_ms,
      outcome: block ? 'committed' : 'terminated',
      height: block?.height ?? null,
      hash: block?.hash ?? null,
      author: block ? nodes[block.author].name : null,
      lambda: block?.lambda != null ? String(block.lambda) : null,
      votes: { received: block?.votes ?? 0, quorum: q, validators: n },
      ordersExecuted: block?.orders ?? 0,
    });
  }
  return rows;
}

/** The plan ahead of the SCHEDULE that the chain has just committed: its Theta, the forecast load under it, and the orders it expects. */
export function aheadOf(
  instance: Parameters<typeof evaluate>[0],
  plan: Parameters<typeof evaluate>[1],
  round_ms: number,
): AheadRow[] {
  const { theta_W } = evaluate(instance, plan);
  return theta_W.map((planned_W, k) => ({
    round: instance.round + k,
    start_ms: (instance.round + k) * round_ms,
    planned_W,
    load_W: instance.load_W[k],
    buys_W: k === 0 ? 0 : instance.buyForecast_W[k],
    sells_W: k === 0 ? 0 : instance.sellForecast_W[k],
  }));
}

/** How far the round that is being decided is, in words. */
export function phaseOf(state: Readonly<ProtocolState>): string {
  const { hours, deciding } = state;
  const { scheduleRound } = state.finalNode.state;
  const offset = offset_ms(state);
  if (scheduleRound >= deciding) return 'agreed';
  if (offset < hours.orders_ms) return 'collecting orders';
  if (offset < hours.solve_ms) return 'sealing the orders';
  if (offset < hours.lock_ms) return 'looking for the best schedule';
  if (offset < hours.act_ms) return 'voting on the schedule';
  return scheduleRound < 0 ? 'the first round is being agreed' : 'not agreed: falling back';
}

function nodeView(parts: ViewParts): NodeView {
  const { config, clock, runtime, chronicle, chargePoint } = parts;
  const { state } = runtime;
  const others = everyone(state.finalNode.state).filter(
    ({ name, role, standing }) => name !== config.self.name && role !== 'registrar' && standing !== 'left',
  );
  const round_ms = state.hours.round_ms;
  const round = runtime.agrees ? state.deciding : decidedAt(clock.now(), round_ms);
  return {
    name: config.self.name,
    role: config.role,
    microgrid: config.neighbourhood.microgrid,
    version: VERSION,
    ...(!runtime.agrees && { noAgreement: noAgreement(registryOf(state).n) }),
    time: {
      now_ms: clock.now(),
      scale: clock.scale,
      round,
      phase: runtime.agrees ? phaseOf(state) : 'no agreement',
      nextRoundAt_ms: round * round_ms,
    },
    brokerConnected: parts.brokerConnected,
    peers: { alive: others.filter(({ name }) => runtime.peers.get(name) === true).length, known: others.length },
    head: chronicle.state === null ? null : { height: chronicle.state.height, hash: chronicle.state.tip },
    ...(chargePoint !== null && { chargePoint: chargePointView(chargePoint, parts) }),
    ...(config.role === 'head-meter' && {
      site: { power_W: parts.sitePower_W, capacity_W: config.neighbourhood.capacity_W },
    }),
    refusals: Object.fromEntries(runtime.refusals),
  };
}

function chargePointView(status: ChargePointStatus, parts: ViewParts): ChargePointView {
  const { decision, control, need, battery } = status;
  const contact = (which: 0 | 1): ContactView => {
    const seen: Observed = status.observed[which];
    const memory = which === 0 ? control.charge : control.discharge;
    return {
      wanted: decision?.contacts[which] ?? 'open',
      observed: seen === 'absent' ? 'unknown' : seen,
      operations: memory.operations,
    };
  };
  return {
    pilot: status.connector?.pilot ?? null,
    contacts: { charge: contact(0), discharge: contact(1) },
    power_W: status.reading?.power ?? null,
    offered_mA: decision === null || decision.offer === 'none' ? 0 : decision.offer,
    vehicle:
      need === null
        ? null
        : {
            soc_percent: need.soc === 'unknown' || battery === null ? null : (100 * need.soc) / battery,
            energyMissing_Wh: Math.max(0, need.missing),
            departure_ms: need.departure,
          },
    reason: decision?.reason.text ?? 'starting',
    faults: [...new Set([...(decision?.faults.map(({ text }) => text) ?? []), ...status.troubles])],
    override: status.override,
    orders: orderRows(parts),
    heldBack: heldBackRows(parts),
  };
}

/** Of this node's orders, what the last agreed round held back. */
export function heldBackRows({ chronicle, config }: Pick<ViewParts, 'chronicle' | 'config'>): HeldBackView[] {
  const last = chronicle.blocks.findLast(({ kind }) => kind === 'SCHEDULE');
  return (last?.heldBack ?? []).flatMap(({ node, order: id, power_W, why }) => {
    const row = chronicle.orders.get(id);
    if (last === undefined || node !== config.index || row === undefined || row.expired) return [];
    const { order } = row;
    const { side, power_W: ordered_W } = order.body;
    const start_ms = last.round * config.neighbourhood.roundTime_s * 1000;
    return [{ side, power_W: ordered_W, heldBack_W: power_W, round: last.round, start_ms, why }];
  });
}

/** A schedule is a promise until its round has passed: the last that has is `passed`. */
export function orderState(scheduled: number | null, expired: boolean, passed: number): OrderView['state'] {
  if (scheduled === null) return expired ? 'expired' : 'pending';
  return scheduled <= passed ? 'executed' : 'scheduled';
}

function orderRows({ chronicle, clock, runtime, config }: ViewParts): OrderView[] {
  const { state } = runtime;
  const passed = Math.floor(clock.now() / state.hours.round_ms) - 1;
  const own = [...chronicle.orders.values()].filter(({ order }) => order.sender === config.index);
  const open = hasOpenOrder(state)
    ? [...state.pool.orders.values()].filter((o) => o.sender === config.index && !chronicle.orders.has(o.id))
    : [];
  const rows: OrderView[] = [
    ...open.map((order) => ({
      id: order.id,
      side: order.body.side,
      power_W: order.body.power_W,
      round: order.round,
      state: 'pending' as const,
      waited_rounds: 0,
    })),
    ...own
      .slice(-ORDERS_SHOWN)
      .reverse()
      .map(({ order, executed, expired }) => ({
        id: order.id,
        side: order.body.side,
        power_W: order.body.power_W,
        round: order.round,
        state: orderState(executed, expired, passed),
        waited_rounds: Math.max(0, (executed ?? Math.max(state.deciding, order.round)) - order.round),
      })),
  ];
  return rows.sort((a, b) => Number(b.state === 'pending') - Number(a.state === 'pending')).slice(0, ORDERS_SHOWN);
}
