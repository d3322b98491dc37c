/** What one liar, or one crash, can do to three honest nodes with the rule that stops it gone. */
import { describe, expect, test } from 'vitest';
import { ATTACKS } from './attacks.ts';
import { device } from './core.ts';
import { withMutant } from './mutants.ts';
import { simulate } from './simulate.ts';

describe.each(ATTACKS)('$name', ({ play, without }) => {
  test.each(without)('if $name: $comesTo', async (mutant) => {
    const [control, attack] = await withMutant(mutant, (core = device) => [play(core, false), play(core, true)]);
    expect(control).toBe('goes on');
    expect(attack).toBe(mutant.comesTo);
  });
});

describe('liars who do not know the story find it too', () => {
  test.each(ATTACKS.flatMap(({ without }) => without.filter(({ lie }) => lie)))('$lie, if $name', async (mutant) => {
    const lies = mutant.lie ? [mutant.lie] : [];
    const weather = lies.includes('broken-page') ? (['flapping'] as const) : []; // a page must be needed
    const broken = await withMutant(mutant, (core = device) => {
      for (let seed = 50; seed <= 57; seed++) {
        const options = {
          nodes: 7,
          rounds: 40,
          seed,
          faults: ['byzantine', ...weather] as const,
          steady: weather.length > 0,
        };
        const { violation } = simulate({ ...options, lies, core });
        if (violation) return violation.invariant;
      }
      return null;
    });
    expect(broken).toBe(mutant.breaks);
  });
});
