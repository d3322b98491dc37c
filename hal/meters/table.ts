/**
 * A meter model is data: where each quantity is, how it is encoded, what it may be. The one driver
 * (drivers/modbus-meter.ts) reads any such table.
 */
export type MeterQuantity = 'imported' | 'exported' | 'power' | 'currentL1' | 'currentL2' | 'currentL3';

export interface Register {
  /** Zero-based address of the first 16-bit register. */
  readonly address: number;
  readonly type: 'float32' | 'int32';
  /** ABCD: high word first; CDAB: low word first. Bytes within a word are always high first. */
  readonly wordOrder: 'ABCD' | 'CDAB';
  /** One unit of the encoded number in Wh (energies), W (power) or mA (currents). */
  readonly scale: number;
  /** Least and greatest value that can be true, in Wh, W or mA. */
  readonly plausible: readonly [number, number];
  /** A counter: going down means a reset. */
  readonly monotonic: boolean;
}

export interface MeterTable {
  readonly model: string;
  /** Where the table was taken from, and its licence. */
  readonly source: string;
  readonly functionCode: 3 | 4;
  /** Most registers that one request may ask for. Gaps inside a block can be read. */
  readonly longestRead: number;
  readonly registers: Readonly<Record<MeterQuantity, Register>>;
}

export interface Block {
  readonly address: number;
  readonly count: number;
}

/** The fewest reads, in order of address, that cover every register of the table. */
export function blocks(table: MeterTable): Block[] {
  const found: Block[] = [];
  const addresses = Object.values(table.registers).map(({ address }) => address);
  for (const address of addresses.sort((a, b) => a - b)) {
    const last = found.at(-1);
    const count = last === undefined ? Number.POSITIVE_INFINITY : address + 2 - last.address;
    if (count <= table.longestRead) found[found.length - 1] = { address: last!.address, count };
    else found.push({ address, count: 2 });
  }
  return found;
}

/** The quantity in Wh, W or mA, not rounded; NaN where the device says so. */
export function decode(register: Register, words: readonly [number, number]): number {
  const [high, low] = register.wordOrder === 'ABCD' ? words : [words[1], words[0]];
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, high);
  view.setUint16(2, low);
  return (register.type === 'float32' ? view.getFloat32(0) : view.getInt32(0)) * register.scale;
}
