/** No run of four voters, one of them malicious, breaks I1, I2 or I8. That each rule is needed: exploration.mutants.test.ts. */
import { describe, expect, test } from 'vitest';
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
