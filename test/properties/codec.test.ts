/** Canonical bytes as written here against the package that reads them, and what they refuse. */
import { encode as cborEncode } from 'cborg';
import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { type Canonical, decode, encode, toHex } from '../../firmware/protocol/codec.ts';

const edges = [23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
const bigEdges = [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 53n) - 1n, -(2n ** 64n)];
const { value: canonical } = fc.letrec<{ value: Canonical }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.maxSafeInteger(),
    fc.constantFrom(...edges, ...edges.map((edge) => -edge), ...bigEdges),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.string({ unit: 'binary' }),
    fc.constant(null),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 30 }),
  ),
}));

it('writes what the package writes, and reads it back', () => {
  fc.assert(
    fc.property(canonical, (value) => {
      const bytes = encode(value);
      expect(toHex(bytes)).toBe(toHex(cborEncode(value)));
      expect(decode(bytes)).toEqual(value);
    }),
    { numRuns: 1000 },
  );
});

test.each([[0.5], [2 ** 53], [Number.NaN], [2n ** 64n], [-(2n ** 64n) - 1n]])('%s has no canonical bytes', (value) => {
  expect(() => encode([value])).toThrow(RangeError);
});

test.each([
  ['true', 'f5'],
  ['a fraction', 'f93800'],
  ['a map', 'a0'],
  ['a tag', 'c100'],
  ['a wide number', '1801'],
  ['nothing', ''],
])('%s is read as nothing of ours', (_, hex) => {
  expect(decode(Uint8Array.from(Buffer.from(hex, 'hex')))).toBeNull();
});
