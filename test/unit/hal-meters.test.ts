/** Meter tables: a golden dump of SDM630 registers decoded, published and computed vectors, blocks. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { meterModels } from '../../hal/meters/models.ts';
import { sdm630 } from '../../hal/meters/sdm630.ts';
import { blocks, decode, type Register } from '../../hal/meters/table.ts';

const words = (hex: string): [number, number] => [
  Number.parseInt(hex.slice(0, 4), 16),
  Number.parseInt(hex.slice(4), 16),
];

// Registers 6 to 75 as one read gives them: made with Python's struct from 1.7888, 0.0, 16.1 A; -1234.5 W;
// 8123.25 and 0.125 kWh; what lies between is not zero, so that an offset by one would be seen.
const dump =
  '3fe4f766' +
  '00000000' +
  '4180cccd' +
  '7fc00000'.repeat(20) +
  'c49a5000' +
  '7fc00000'.repeat(9) +
  '45fdda00' +
  '3e000000';

test('the golden dump of an SDM630', () => {
  expect(blocks(sdm630)).toEqual([{ address: 6, count: 70 }]);
  const decoded = Object.entries(sdm630.registers).map(([quantity, register]) => {
    const at = (register.address - 6) * 4;
    return [quantity, Math.round(decode(register, words(dump.slice(at, at + 8))))];
  });
  expect(Object.fromEntries(decoded)).toEqual({
    currentL1: 1789,
    currentL2: 0,
    currentL3: 16_100,
    power: -1234,
    imported: 8_123_250,
    exported: 125,
  });
});

const register = (change: Partial<Register>): Register => ({ ...sdm630.registers.power, ...change });

test.each([
  ['230.2 V, the example in Eastron’s protocol document', '43663334', {}, 230.2],
  ['float32, low word first', '33344366', { wordOrder: 'CDAB' }, 230.2],
  ['int32', 'fffab9b2', { type: 'int32', scale: 0.01 }, -3456.78],
  ['int32, low word first (Carlo Gavazzi)', 'b9b2fffa', { type: 'int32', wordOrder: 'CDAB', scale: 0.01 }, -3456.78],
] as const)('%s', (_what, hex, change, value) => {
  expect(decode(register(change), words(hex))).toBeCloseTo(value, 4);
});

test('every model: all registers are covered by blocks no longer than the device allows', () => {
  for (const table of Object.values(meterModels)) {
    for (const { address } of Object.values(table.registers)) {
      expect(
        blocks(table).filter((block) => address >= block.address && address + 2 <= block.address + block.count),
      ).toHaveLength(1);
    }
    for (const { count } of blocks(table)) expect(count).toBeLessThanOrEqual(table.longestRead);
  }
});

test('blocks of any table cover each register once, in the order of address', () => {
  const addresses = fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 6, maxLength: 6 });
  fc.assert(
    fc.property(addresses, fc.integer({ min: 2, max: 120 }), (list, longestRead) => {
      const names = Object.keys(sdm630.registers);
      const registers = Object.fromEntries(names.map((name, at) => [name, register({ address: 2 * list[at]! })]));
      const found = blocks({ ...sdm630, longestRead, registers: registers as typeof sdm630.registers });
      for (const at of list) {
        expect(found.filter(({ address, count }) => 2 * at >= address && 2 * at + 2 <= address + count)).toHaveLength(
          1,
        );
      }
      for (const { count } of found) expect(count).toBeLessThanOrEqual(longestRead);
    }),
  );
});
