/** The exploration finds what breaks without a rule that it takes. */
import { expect, test } from 'vitest';
import { MUTANTS, withMutant } from '../simulation/mutants.ts';
import { explore } from './explore.ts';

/** By mutant, a place to look for it, and what breaks there. */
const WHERE = {
  'small-quorum': { views: 1, leads: 0, breaks: 'I1' },
  'final-after-skip': { views: 1, leads: 0, breaks: 'I8' },
  'skip-after-final': { views: 2, leads: 2, breaks: 'I8' },
  'void-views': { views: 2, leads: 1, breaks: 'I1' },
  'two-notarize': { views: 2, leads: 0, breaks: 'I8' },
  'second-schedule': { views: 2, leads: 2, breaks: 'I2' },
} as const;

test.each(Object.entries(WHERE))('the mutant %s is caught', async (name, { views, leads, breaks }) => {
  const mutant = MUTANTS.find((each) => each.name === name);
  expect(mutant).toBeDefined();
  if (mutant === undefined) return;
  const { violation } = await withMutant(mutant, (core) => explore({ ...(core && { core }), views, leads }));
  expect(violation?.invariant).toBe(breaks);
  expect(violation?.run.length).toBeGreaterThan(0);
});
