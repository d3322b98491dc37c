/** No run of four voters, one of them malicious, breaks I1, I2 or I8; each rule that it takes is shown to be needed. */
import { describe, expect, test } from 'vitest';
import { MUTANTS, withMutant } from '../simulation/mutants.ts';
import { explore, strolls } from './explore.ts';

describe('every run of', () => {
  test.each([
    { views: 1, leads: 0, deadline: true, least: 20_000, what: 'one view that the malicious node leads' },
    { views: 1, leads: 1, deadline: true, least: 4000, what: 'one view with an honest leader' },
    { views: 2, leads: 2, deadline: false, least: 300_000, what: 'two views with honest leaders' },
  ])('$what is safe', ({ views, leads, deadline, least }) => {
    const { violation, complete, states, transitions, depth } = explore({ views, leads, deadline });
    console.log(`${states} states, ${transitions} transitions, depth ${depth}`);
    expect(violation).toBeNull();
    expect(complete).toBe(true);
    expect(states).toBeGreaterThan(least); // nothing has been cut off by mistake
  });
});

test.each([{ leads: 0 }, { leads: 1 }])('the reductions lose no run (M leads $leads)', ({ leads }) => {
  const all = explore({ views: 1, leads }).visible();
  const seen = strolls({ views: 1, leads }, 150, 1);
  expect(seen.size).toBeGreaterThan(80);
  expect([...seen].filter((look) => !all.has(look))).toEqual([]);
});

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
