/** `npm test`: everything that needs nothing but Node. The slow suites and those that need other programs have their own. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: [
      'test/{unit,properties,compliance,scenarios,simulation,exploration,bench,platforms,tidy}/**/*.test.ts',
      'test/*.test.ts',
    ],
    exclude: ['test/**/*.mutants.test.ts'],
    testTimeout: 60_000,
    // One worker a core: left to itself Vitest keeps one core free, which on two cores is half of them.
    maxWorkers: '100%',
    // A mutant's copy of the sources is read by Node itself: Vite would transform all of it anew each time.
    server: { deps: { external: [/p2pebt-mutant-/] } },
  },
});
