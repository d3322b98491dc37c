/**
 * A made-up neighbourhood for the page's tests and screenshots: an evening of five-minute rounds, four charge
 * points (one charging, one feeding back, one with a welded contact, one empty) and the head meter.
 */
import {
  type ChainView,
  type ChargePointView,
  emptyChain,
  type NeighbourhoodView,
  type NodeView,
  withoutController,
} from '../../firmware/page/view.ts';

const ROUND_MS = 300_000;
const NOW_MS = Date.UTC(2026, 0, 14, 18, 32, 10);
const ROUND = Math.floor(NOW_MS / ROUND_MS);
const PAST = 96;
const AHEAD = 12;

/** Households: an evening peak with small, repeatable noise. */
function load_W(round: number): number {
  const hour = ((round * ROUND_MS) / 3_600_000) % 24;
  const peak = 190_000 * Math.exp(-((hour - 18.6) ** 2) / 6) + 60_000 * Math.exp(-((hour - 12.4) ** 2) / 4);
  return Math.round(95_000 + peak + 7_000 * Math.sin(round * 1.7) * Math.sin(round * 0.31));
}

const rounds = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);

const hash = (seed: number) =>
  (((seed * 2_654_435_761) % 2 ** 32) | 0x10000000).toString(16).replace('-', 'a').repeat(8);

const chain: ChainView = {
  seenBy: 'maple-1',
  power: rounds(ROUND - PAST, PAST).map((round) => ({
    round,
    start_ms: round * ROUND_MS,
    with_W: round === ROUND - 40 ? null : load_W(round) + 30_000 + Math.round(9_000 * Math.sin(round / 7)),
    without_W: load_W(round) + (round % 5 < 2 ? 66_000 : 8_000),
  })),
  ahead: rounds(ROUND, AHEAD).map((round) => ({
    round,
    start_ms: round * ROUND_MS,
    planned_W: load_W(round) + 31_000 - 900 * (round - ROUND),
    load_W: load_W(round),
    buys_W: round === ROUND ? 0 : 24_000,
    sells_W: round === ROUND ? 0 : 9_000,
  })),
  fluctuation: {
    with: { cbrt: 32.4, pf: 34_012.2, sd: 184.4 },
    without: { cbrt: 48.5, pf: 114_084.1, sd: 337.8 },
    reduction_percent: { cbrt: 33.2, pf: 70.2, sd: 45.4 },
    window_rounds: 96,
  },
  blocks: rounds(0, 10).map((back) => {
    const round = ROUND - back;
    const terminated = back === 3;
    return {
      round,
      start_ms: round * ROUND_MS,
      outcome: terminated ? 'terminated' : 'committed',
      height: terminated ? null : 1042 - back,
      hash: terminated ? null : hash(round),
      author: terminated ? null : ['maple-1', 'maple-2', 'maple-3', 'maple-4'][round % 4]!,
      lambda: terminated ? null : String(3_141_592_653 * (back + 7)),
      votes: { received: terminated ? 2 : 3 + (round % 2), quorum: 3, validators: 4 },
      ordersExecuted: terminated ? 0 : 1 + (round % 3),
    };
  }),
  settlement: rounds(0, 6).map((back) => ({
    round: ROUND - 2 - (back >> 1),
    node: back % 2 ? 'maple-2' : 'maple-1',
    order: hash(77 + back),
    ordered_Wh: back % 2 ? -833 : 917,
    allocated_Wh: back % 2 ? -833 : 917,
    metered_Wh: back % 2 ? -829 : 911,
  })),
  totals: {
    committed: 1042,
    terminated: 7,
    ordered_Wh: 412_345,
    allocated_Wh: 401_220,
    metered_Wh: 400_987,
    unordered_Wh: 12_345,
    unsettled_rounds: 2,
  },
};

function node(name: string, more: Partial<NodeView>): NodeView {
  return {
    name,
    role: 'charge-point',
    microgrid: 'maple-street',
    version: '0.1.0',
    time: {
      now_ms: NOW_MS,
      scale: 60,
      round: ROUND + 1,
      phase: 'audit: 3 of 4 votes for the schedule of maple-2',
      nextRoundAt_ms: (ROUND + 1) * ROUND_MS,
    },
    brokerConnected: true,
    peers: { alive: 4, known: 4 },
    head: { height: 1042, hash: hash(ROUND) },
    refusals: {},
    ...more,
  };
}

const charging: ChargePointView = {
  pilot: 'C',
  contacts: {
    charge: { wanted: 'closed', observed: 'closed', operations: 412 },
    discharge: { wanted: 'open', observed: 'open', operations: 96 },
  },
  power_W: 10_980,
  offered_mA: 16_000,
  vehicle: { soc_percent: 62, energyMissing_Wh: 14_300, departure_ms: Date.UTC(2026, 0, 15, 6, 45) },
  reason: 'charging: plan of block 1042',
  faults: [],
  override: 'none',
  orders: [
    { id: hash(4), side: 'buy', power_W: 11_000, round: ROUND + 1, state: 'pending', waited_rounds: 0 },
    { id: hash(3), side: 'buy', power_W: 11_000, round: ROUND, state: 'scheduled', waited_rounds: 1 },
    { id: hash(2), side: 'buy', power_W: 11_000, round: ROUND - 3, state: 'executed', waited_rounds: 1 },
  ],
  heldBack: [],
};

const feedingBack: ChargePointView = {
  pilot: 'C',
  contacts: {
    charge: { wanted: 'open', observed: 'open', operations: 388 },
    discharge: { wanted: 'closed', observed: 'closed', operations: 101 },
  },
  power_W: -9_960,
  offered_mA: 0,
  vehicle: { soc_percent: 88, energyMissing_Wh: 0, departure_ms: Date.UTC(2026, 0, 14, 21, 15) },
  reason: 'discharging: plan of block 1042, battery above its reserve of 30 kWh',
  faults: [],
  override: 'none',
  orders: [{ id: hash(9), side: 'sell', power_W: 10_000, round: ROUND - 1, state: 'executed', waited_rounds: 0 }],
  heldBack: [],
};

const welded: ChargePointView = {
  pilot: 'B',
  contacts: {
    charge: { wanted: 'open', observed: 'closed', operations: 9_871 },
    discharge: { wanted: 'open', observed: 'unknown', operations: 12 },
  },
  power_W: null,
  offered_mA: 0,
  vehicle: { soc_percent: null, energyMissing_Wh: 7_500, departure_ms: Date.UTC(2026, 0, 14, 22, 0) },
  reason: 'stopped: the charge contact was told to open and is still closed; a person must check it',
  faults: ['welded-contact', 'meter-silent', 'meter at cp-3.local:502: timeout'],
  override: 'stop',
  orders: [{ id: hash(5), side: 'buy', power_W: 3_700, round: ROUND - 5, state: 'cancelled', waited_rounds: 0 }],
  heldBack: [
    {
      side: 'buy',
      power_W: 3_700,
      heldBack_W: 1_400,
      round: ROUND - 1,
      start_ms: (ROUND - 1) * ROUND_MS,
      why: 'capacity',
    },
  ],
};

const empty: ChargePointView = {
  pilot: 'A',
  contacts: {
    charge: { wanted: 'open', observed: 'open', operations: 0 },
    discharge: { wanted: 'open', observed: 'open', operations: 0 },
  },
  power_W: 0,
  offered_mA: 0,
  vehicle: null,
  reason: 'idle: no vehicle',
  faults: [],
  override: 'none',
  orders: [],
  heldBack: [],
};

/** As the bench serves it: all nodes. */
export const benchView: NeighbourhoodView = {
  title: 'Maple Street',
  chain,
  nodes: [
    node('maple-1', { chargePoint: charging, refusals: { duplicate: 6 } }),
    node('maple-2', { chargePoint: feedingBack }),
    node('maple-3', { chargePoint: welded, refusals: { 'bad-signature': 12, 'over-size': 1 } }),
    node('maple-4', { chargePoint: empty, brokerConnected: false, peers: { alive: 0, known: 4 } }),
    node('maple-head', { role: 'head-meter', site: { power_W: 318_400, capacity_W: 800_000 } }),
  ],
};

/** As the bench serves it when one controller was killed while its contact was closed, and opened by the board. */
export const oneGoneView: NeighbourhoodView = {
  ...benchView,
  chain: { ...chain, seenBy: 'maple-2' },
  nodes: benchView.nodes.map((node) =>
    node.name === 'maple-1' ? withoutController(node, 'controller ended (SIGKILL)', ['open', 'open']) : node,
  ),
};

/** As one controller serves its own: one node, real time. */
export function controllerView(name: string): NeighbourhoodView {
  const own = benchView.nodes.find((node) => node.name === name)!;
  return {
    ...benchView,
    title: name,
    chain: { ...chain, seenBy: name },
    nodes: [{ ...own, time: { ...own.time, scale: 1 } }],
  };
}

/** Before anything happened: no block, no metered round, no answer from the hardware. */
export const firstView: NeighbourhoodView = {
  title: 'Maple Street',
  chain: emptyChain('maple-4'),
  nodes: [node('maple-4', { head: null, chargePoint: { ...empty, pilot: null, power_W: null } })],
};
