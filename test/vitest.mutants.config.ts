/** `npm run test:mutants`: the agreement with one rule taken out, again and again, and how the simulator and the exploration find it. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/{simulation,exploration}/*.mutants.test.ts'],
    testTimeout: 60_000,
    maxWorkers: '100%',
    // A mutant's copy of the sources is read by Node itself: Vite would transform all of it anew each time.
    server: { deps: { external: [/p2pebt-mutant-/] } },
  },
});
