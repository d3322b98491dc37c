/** What one liar, or one crash, can do to three honest nodes: nothing. Without the rule that stops it, it can. */
import { describe, expect, test } from 'vitest';
import { ATTACKS } from './attacks.ts';
import { device } from './core.ts';
import { withMutant } from './mutants.ts';

describe.each(ATTACKS)('$name', ({ play, without }) => {
  test('the street goes on', () => {
    expect(play(device, false)).toBe('goes on');
    expect(play(device, true)).toBe('goes on');
  });

  test.each(without)('if $name: $comesTo', async (mutant) => {
    const [control, attack] = await withMutant(mutant, (core = device) => [play(core, false), play(core, true)]);
    expect(control).toBe('goes on');
    expect(attack).toBe(mutant.comesTo);
  });
});
