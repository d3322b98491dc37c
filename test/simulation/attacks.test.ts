/** What one liar, or one crash, can do to three honest nodes: nothing. What it can without the rule that stops it: attacks.mutants.test.ts. */
import { expect, test } from 'vitest';
import { ATTACKS } from './attacks.ts';
import { device } from './core.ts';

test.each(ATTACKS)('$name: the street goes on', ({ play }) => {
  expect(play(device, false)).toBe('goes on');
  expect(play(device, true)).toBe('goes on');
});
