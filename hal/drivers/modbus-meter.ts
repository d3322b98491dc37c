/**
 * A meter on a Modbus bus, from its table. Values are rounded to whole Wh, W, mA here, once. What cannot be true
 * is refused: out of range, a counter that went back, or far more energy than the time since the last reading allows.
 * A counter that was reset is refused once and then followed, so that a replaced meter is not dead for ever.
 */
import { HalError } from '../errors.ts';
import { blocks, decode, type MeterQuantity, type MeterTable } from '../meters/table.ts';
import type { Meter, MeterReading } from '../ports.ts';
import { type Milliamps, milliamps, type UnixMillis, wattHours, watts } from '../units.ts';
import type { ModbusBus } from './modbus-bus.ts';

export interface ModbusMeterOptions {
  readonly id: string;
  readonly bus: ModbusBus;
  readonly unit: number;
  readonly table: MeterTable;
  /** The clock of `takenAt`. */
  readonly now: () => UnixMillis;
  /** Current per phase of the installation; narrows what is plausible. */
  readonly rating?: Milliamps;
}

/** Upper end of the normal voltage range (EN 50160), and what a fuse lets through for a while. */
const highestVoltage_V = 253;
const overload = 1.6;
/** A meter updates in steps and answers travel, so the energy of several intervals may show in one. */
const intervalsAtOnce = 10;
const energySlack_Wh = 20;

export class ModbusMeter implements Meter {
  readonly id: string;
  readonly #options: ModbusMeterOptions;
  readonly #limits: Readonly<Record<MeterQuantity, readonly [number, number]>>;
  #before: MeterReading | undefined;

  constructor(options: ModbusMeterOptions) {
    this.id = options.id;
    this.#options = options;
    this.#limits = limitsOf(options.table, options.rating);
  }

  async read(signal: AbortSignal): Promise<MeterReading> {
    const { bus, unit, table, now } = this.#options;
    // When it was asked: a reply that took its time must not pass for a reading of a later round.
    const takenAt = now();
    const words: number[] = [];
    for (const { address, count } of blocks(table)) {
      const block = await bus.readRegisters(this.id, unit, table.functionCode, address, count, signal);
      for (const [offset, word] of block.entries()) words[address + offset] = word;
    }
    const value = (quantity: MeterQuantity): number => {
      const register = table.registers[quantity];
      const found = Math.round(decode(register, [words[register.address]!, words[register.address + 1]!]));
      const [least, greatest] = this.#limits[quantity];
      if (found >= least && found <= greatest) return found;
      return this.#refuse(`${quantity} is ${found}, possible are ${least} to ${greatest}`);
    };
    const reading: MeterReading = {
      takenAt,
      imported: wattHours(value('imported')),
      exported: wattHours(value('exported')),
      power: watts(value('power')),
      phaseCurrents: [milliamps(value('currentL1')), milliamps(value('currentL2')), milliamps(value('currentL3'))],
    };
    const before = this.#before;
    this.#before = reading;
    if (before !== undefined) this.#compare(before, reading);
    return reading;
  }

  async close(): Promise<void> {}

  #compare(before: MeterReading, after: MeterReading): void {
    const elapsed_ms = after.takenAt - before.takenAt;
    const possible_Wh = (intervalsAtOnce * this.#limits.power[1] * elapsed_ms) / 3_600_000 + energySlack_Wh;
    for (const quantity of ['imported', 'exported'] as const) {
      const gained = after[quantity] - before[quantity];
      if (this.#options.table.registers[quantity].monotonic && gained < 0) {
        this.#refuse(`${quantity} went back from ${before[quantity]} to ${after[quantity]} Wh: was the meter reset?`);
      }
      // A clock that was set back says nothing about the time between.
      if (elapsed_ms >= 0 && gained > possible_Wh) {
        this.#refuse(`${quantity} rose by ${gained} Wh in ${elapsed_ms} ms, possible are ${Math.round(possible_Wh)}`);
      }
    }
  }

  #refuse(detail: string): never {
    throw new HalError(this.id, { code: 'implausible', detail });
  }
}

function limitsOf({ registers }: MeterTable, rating: Milliamps | undefined) {
  const current_mA = rating === undefined ? Number.POSITIVE_INFINITY : rating * overload;
  const power_W = (3 * highestVoltage_V * current_mA) / 1000;
  const most = (quantity: MeterQuantity) =>
    quantity === 'power' ? power_W : quantity.startsWith('current') ? current_mA : Number.POSITIVE_INFINITY;
  return Object.fromEntries(
    (Object.keys(registers) as MeterQuantity[]).map((quantity) => {
      const [least, greatest] = registers[quantity].plausible;
      return [quantity, [Math.max(least, -most(quantity)), Math.min(greatest, most(quantity))] as const];
    }),
  ) as unknown as Record<MeterQuantity, readonly [number, number]>;
}
