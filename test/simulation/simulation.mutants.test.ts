/** Without any one rule of the core the simulator finds what breaks, at the seed stated. */
import { expect, test } from 'vitest';
import { MUTANTS, withMutant } from './mutants.ts';
import { simulate } from './simulate.ts';

test.each(MUTANTS)('$name: $meaning', async (mutant) => {
  const violation = await withMutant(
    mutant,
    (core) => simulate({ ...mutant.run, ...mutant.options, ...(core && { core }) }).violation,
  );
  expect(mutant.caughtBy).toContain(violation?.invariant);
});
