/**
 * The physical world of a simulation: households, vehicles, contacts and meters, stepped with the clock. What flows
 * is decided here from what each controller was told, never by the rules that told it. Powers are whole watts, energy
 * is kept in W ms, so that registers add up exactly. Each change of what flows is shown to the watcher.
 */
import type { Neighbourhood } from '../../firmware/protocol/genesis.ts';
import type { Plan } from '../../firmware/protocol/plan.ts';
import type { Random } from './random.ts';

/** What may be wrong with the things themselves, for the length of a round. */
export type Ailment = 'stuck-open' | 'stuck-closed' | 'unplugged';

export interface Flow {
  /** By node, at its connector; import positive. */
  readonly power_W: readonly number[];
  /** At the head meter. */
  readonly site_W: number;
  /** Households alone. */
  readonly load_W: number;
  /** By node, what its battery holds, Wh. */
  readonly stored_Wh: readonly number[];
}

export interface Registers {
  readonly imported_Wh: number;
  readonly exported_Wh: number;
}

const WH = 3_600_000;
/** Vehicles draw up to a tenth less than they may. */
const EAGER_PERMILLE = [900, 1000] as const;
/** A middling battery. A vehicle that is full or empty to a tenth leaves, and one that is half full comes. */
const BATTERY_WH = 60_000;
const FULL = 0.9;
const EFFICIENCY = 0.93;

interface Bay {
  imported: number;
  exported: number;
  stored_Wh: number;
  eager_permille: number;
  power_W: number;
}

/** The households' day, 126 rounds long, so that one day is no guide to the next. */
const usualLoad_W = (round: number): number => 90_000 + Math.round(40_000 * Math.sin(round / 20));

export class World {
  readonly battery_Wh = BATTERY_WH;
  private readonly neighbourhood: Neighbourhood;
  /** What households do, and how vehicles draw. */
  private readonly people: Random;
  private readonly things: Random;
  private readonly bays: Bay[];
  private readonly head = { imported: 0, exported: 0 };
  private load_W: number;
  private since_ms: number;

  constructor(neighbourhood: Neighbourhood, people: Random, things: Random, round: number, now_ms: number) {
    this.neighbourhood = neighbourhood;
    this.people = people;
    this.things = things;
    this.load_W = usualLoad_W(round);
    this.since_ms = now_ms;
    this.bays = neighbourhood.nodes.map(() => ({
      imported: 0,
      exported: 0,
      stored_Wh: BATTERY_WH / 2,
      eager_permille: 1000,
      power_W: 0,
    }));
  }

  /** A round of delivery begins: other households' habits, and vehicles change where they have had enough. */
  turn(round: number): void {
    this.load_W = usualLoad_W(round) + this.people.whole(-2000, 2000);
    for (const bay of this.bays) {
      bay.eager_permille = this.things.whole(...EAGER_PERMILLE);
      if (bay.power_W === 0 && Math.abs(bay.stored_Wh / BATTERY_WH - 0.5) > FULL - 0.5) bay.stored_Wh = BATTERY_WH / 2;
    }
  }

  /** Time passes with what flowed so far; then each contact stands as it is told, or as it is stuck. */
  flow(now_ms: number, told: readonly (Plan | 'fallback' | 'dead')[], ails: (node: number) => Ailment | null): Flow {
    this.pass(now_ms);
    let site_W = this.load_W;
    this.bays.forEach((bay, node) => {
      const { connector, safeShare_W } = this.neighbourhood.nodes[node];
      bay.power_W = connector === undefined ? 0 : this.power_W(bay, told[node], safeShare_W, ails(node));
      site_W += bay.power_W;
    });
    return {
      power_W: this.bays.map(({ power_W }) => power_W),
      site_W,
      load_W: this.load_W,
      stored_Wh: this.bays.map(({ stored_Wh }) => stored_Wh),
    };
  }

  /** Contacts stuck closed carry no more than the pilot signal offers: the safe share. */
  private power_W(bay: Bay, told: Plan | 'fallback' | 'dead', safeShare_W: number, ails: Ailment | null): number {
    if (ails === 'stuck-open' || ails === 'unplugged') return 0;
    const eager = (power_W: number): number => Math.floor((power_W * bay.eager_permille) / 1000);
    if (told === 'dead' || told === 'fallback' || told.direction === 'idle') {
      const full = bay.stored_Wh > FULL * BATTERY_WH;
      return (told === 'fallback' || ails === 'stuck-closed') && !full ? eager(safeShare_W) : 0;
    }
    return told.direction === 'charge' ? eager(told.power) : -eager(told.power);
  }

  /** The registers of a charge point, or of the head meter. */
  read(meter: number | 'head'): Registers {
    const { imported, exported } = meter === 'head' ? this.head : this.bays[meter];
    return { imported_Wh: Math.floor(imported / WH), exported_Wh: Math.floor(exported / WH) };
  }

  /** The owner's agent wishes for nothing that the battery cannot take or give. */
  mayWish(node: number, side: 'buy' | 'sell'): boolean {
    const { stored_Wh } = this.bays[node];
    return side === 'buy' ? stored_Wh < 0.8 * BATTERY_WH : stored_Wh > 0.2 * BATTERY_WH;
  }

  private pass(now_ms: number): void {
    const ms = now_ms - this.since_ms;
    this.since_ms = now_ms;
    let site_W = this.load_W;
    for (const bay of this.bays) {
      if (bay.power_W >= 0) bay.imported += bay.power_W * ms;
      else bay.exported -= bay.power_W * ms;
      bay.stored_Wh += (bay.power_W * (bay.power_W > 0 ? EFFICIENCY : 1 / EFFICIENCY) * ms) / WH;
      site_W += bay.power_W;
    }
    if (site_W >= 0) this.head.imported += site_W * ms;
    else this.head.exported -= site_W * ms;
  }
}
