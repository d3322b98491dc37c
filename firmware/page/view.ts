/**
 * What the page shows: plain JSON, filled by the caller, only displayed by the front end. A controller serves a
 * view with itself as the one node; the bench gathers those of all its controllers into one (`gather`), so both
 * use the same front end. Times are UTC in the controller's clock, power imported (drawn) is positive.
 */
import type { ConnectorFault, Contact, PilotState } from '../../hal/ports.ts';

export interface NeighbourhoodView {
  readonly title: string;
  /** What all nodes share, as the ledger of one of them has it. */
  readonly chain: ChainView;
  readonly nodes: readonly NodeView[];
}

export interface ChainView {
  /** Name of the node whose ledger this is. */
  readonly seenBy: string;
  /** One row a round, oldest first; the rounds of a day are enough. */
  readonly power: readonly PowerRow[];
  /** The rounds from the one being delivered on, oldest first; empty without a plan. */
  readonly ahead: readonly AheadRow[];
  /** Null until two rounds are metered. */
  readonly fluctuation: FluctuationView | null;
  /** Latest first. */
  readonly blocks: readonly BlockView[];
  /** Latest first. */
  readonly settlement: readonly SettlementRow[];
  readonly totals: Totals;
}

export interface PowerRow {
  readonly round: number;
  readonly start_ms: number;
  /** Theta, metered at the head meter; null where no statement was settled. */
  readonly with_W: number | null;
  /** The same orders, each executed in the round in which it was made. */
  readonly without_W: number | null;
}

export interface AheadRow {
  readonly round: number;
  readonly start_ms: number;
  /** Theta as planned: the forecast load and the orders. */
  readonly planned_W: number;
  /** The forecast load of the households alone. */
  readonly load_W: number;
  /** Forecast of the power of orders that will be placed for this round; 0 in the first, whose orders are known. */
  readonly buys_W: number;
  readonly sells_W: number;
}

/** The three forms of PF (protocol README, PF): slopes in kW per hour. */
export interface Fluctuation {
  /** Cube root of PF: the paper's figure. */
  readonly cbrt: number;
  /** PF itself: the variance of the slope. */
  readonly pf: number;
  /** Its square root: the standard deviation of the slope. */
  readonly sd: number;
}

export interface FluctuationView {
  readonly with: Fluctuation;
  readonly without: Fluctuation;
  /** How much lower with the trade than without, in percent; negative when it is higher. */
  readonly reduction_percent: Fluctuation;
  readonly window_rounds: number;
}

/** A decided round. A terminated one may have no block: then height, hash, author and lambda are null. */
export interface BlockView {
  readonly round: number;
  readonly start_ms: number;
  readonly outcome: 'committed' | 'terminated';
  readonly height: number | null;
  /** Hexadecimal, whole or shortened. */
  readonly hash: string | null;
  /** Node name. */
  readonly author: string | null;
  /** A decimal whole number (it may pass 2^53). */
  readonly lambda: string | null;
  readonly votes: { readonly received: number; readonly quorum: number; readonly validators: number };
  readonly ordersExecuted: number;
}

export interface SettlementRow {
  readonly round: number;
  /** Node name. */
  readonly node: string;
  /** Hexadecimal, whole or shortened. */
  readonly order: string;
  readonly ordered_Wh: number;
  readonly allocated_Wh: number;
  readonly metered_Wh: number;
}

export interface Totals {
  readonly committed: number;
  readonly terminated: number;
  /** Of the orders that are settled, so that the three compare. */
  readonly ordered_Wh: number;
  readonly allocated_Wh: number;
  readonly metered_Wh: number;
  /** Metered without an order: mostly the safe share. */
  readonly unordered_Wh: number;
  /** Rounds with energy allocated whose meters have not all been stated. */
  readonly unsettled_rounds: number;
}

/** What one controller knows of itself. */
export interface NodeView {
  readonly name: string;
  readonly role: 'charge-point' | 'head-meter';
  readonly microgrid: string;
  readonly version: string;
  /** Only where too few charge points could agree: what that means, in words. Then there are no blocks and no plans. */
  readonly noAgreement?: string;
  /** Only in a view of several: why this is not the present but the last that was seen of it, and when (its clock). */
  readonly gone?: { readonly why: string; readonly since_ms: number };
  readonly time: {
    readonly now_ms: number;
    /** Seconds of this clock a second of the wall's; 1 on a device. */
    readonly scale: number;
    /** The round being decided and, in words, how far it is. */
    readonly round: number;
    readonly phase: string;
    readonly nextRoundAt_ms: number;
  };
  readonly brokerConnected: boolean;
  readonly peers: { readonly alive: number; readonly known: number };
  /** The end of its final chain; null before the first block. */
  readonly head: { readonly height: number; readonly hash: string } | null;
  /** Absent at the head meter. */
  readonly chargePoint?: ChargePointView;
  /** Only at the head meter: the power of the neighbourhood now; null when the meter is silent. */
  readonly site?: { readonly power_W: number | null; readonly capacity_W: number };
  /** Messages refused at the door, by code. */
  readonly refusals: Readonly<Record<string, number>>;
}

export interface ChargePointView {
  /** Null when the connector does not answer. */
  readonly pilot: PilotState | null;
  readonly contacts: { readonly charge: ContactView; readonly discharge: ContactView };
  /** AC power at the connector's meter; null when it is silent. */
  readonly power_W: number | null;
  /** Current offered to the vehicle per phase; 0 when none. */
  readonly offered_mA: number;
  readonly vehicle: {
    readonly soc_percent: number | null;
    readonly energyMissing_Wh: number;
    readonly departure_ms: number;
  } | null;
  /** Why it does what it does: one sentence of the arbiter. */
  readonly reason: string;
  /** Latched and present conditions, the connector's and the controller's own, such as `meter-silent`. */
  readonly faults: readonly (ConnectorFault | string)[];
  readonly override: Override;
  /** Scheduled ones have a round that is not over yet. Pending first, then the latest of the others. */
  readonly orders: readonly OrderView[];
  /** Of these, what the last agreed round held back for safety; empty in all but the worst rounds. */
  readonly heldBack: readonly HeldBackView[];
}

/** What was asked for and what is so are two facts. */
export interface ContactView {
  /** `unknown` of a controller that is gone. */
  readonly wanted: Contact | 'unknown';
  readonly observed: Contact | 'unknown';
  readonly operations: number;
}

export interface OrderView {
  /** Hexadecimal, whole or shortened. */
  readonly id: string;
  readonly side: 'buy' | 'sell';
  readonly power_W: number;
  /** The round in which it was made. */
  readonly round: number;
  readonly state: 'pending' | 'scheduled' | 'executed' | 'expired' | 'cancelled';
  readonly waited_rounds: number;
}

export interface HeldBackView {
  readonly side: 'buy' | 'sell';
  /** Of the order, and what it did not get of that. */
  readonly power_W: number;
  readonly heldBack_W: number;
  readonly round: number;
  readonly start_ms: number;
  /**
   * What it would have broken beside all that runs: its connector, the capacity or the export limit of the neighbourhood. `turn`: nothing,
   * but when the room was shared out among all that had to run there was none for it.
   */
  readonly why: 'connector' | 'capacity' | 'export' | 'turn';
}

/** The owner's word over the plan: `stop` opens, `charge` charges now, `none` follows the plan. */
export type Override = 'stop' | 'charge' | 'none';

/** A chain before its first block. */
export const emptyChain = (seenBy: string): ChainView => ({
  seenBy,
  power: [],
  ahead: [],
  fluctuation: null,
  blocks: [],
  settlement: [],
  totals: {
    committed: 0,
    terminated: 0,
    ordered_Wh: 0,
    allocated_Wh: 0,
    metered_Wh: 0,
    unordered_Wh: 0,
    unsettled_rounds: 0,
  },
});

/**
 * A node whose controller does not answer any more. What it said of itself is no longer so: what its board shows is
 * (`observed`: charge, discharge), and nothing else is known.
 */
export function withoutController(last: NodeView, why: string, observed: readonly ContactView['observed'][]): NodeView {
  const { chargePoint: point, site, ...node } = last;
  const contact = (which: 0 | 1, { operations }: ContactView): ContactView => ({
    wanted: 'unknown',
    observed: observed[which] ?? 'unknown',
    operations,
  });
  return {
    ...node,
    gone: { why, since_ms: last.time.now_ms },
    ...(site && { site: { ...site, power_W: null } }),
    ...(point && {
      chargePoint: {
        pilot: null,
        contacts: { charge: contact(0, point.contacts.charge), discharge: contact(1, point.contacts.discharge) },
        power_W: null,
        offered_mA: 0,
        vehicle: null,
        reason: '',
        faults: [],
        override: 'none',
        orders: [],
        heldBack: [],
      },
    }),
  };
}

/** One view of several controllers' own: all nodes, with the chain of the one that is furthest of those that are there. */
export function gather(title: string, views: readonly NeighbourhoodView[]): NeighbourhoodView | undefined {
  const height = (view: NeighbourhoodView) => view.chain.blocks.find((block) => block.height !== null)?.height ?? -1;
  const live = views.filter(({ nodes }) => nodes.every(({ gone }) => gone === undefined));
  const best = (live.length > 0 ? live : views).reduce<NeighbourhoodView | undefined>(
    (best, view) => (best === undefined || height(view) > height(best) ? view : best),
    undefined,
  );
  return best && { title, chain: best.chain, nodes: views.flatMap((view) => view.nodes) };
}
