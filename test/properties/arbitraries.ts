/** Messages as the properties draw them. */
import fc from 'fast-check';

/** A METER whose registers are drawn from these. */
export const anyMeter = (register: fc.Arbitrary<number>) =>
  fc.record({
    type: fc.constant('METER' as const),
    importedBefore_Wh: register,
    exportedBefore_Wh: register,
    imported_Wh: register,
    exported_Wh: register,
    mode: fc.constantFrom('lease' as const, 'fallback' as const),
  });
