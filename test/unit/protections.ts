/**
 * A protection is a rule, the story of a device that shows it, and what the journal then tells; and mutants of the
 * rule, each with a line that only its journal holds. So no story goes on being told when its protection is gone.
 */
import { describe, expect, test } from 'vitest';
import { type Patch, withPatched } from '../mutate.ts';

export interface Protection<M> {
  readonly rule: string;
  readonly story: (module: M) => Promise<readonly string[]>;
  readonly told: readonly string[];
  readonly mutants: readonly MutantOf[];
}

type Change = Omit<Patch, 'file'>;

/** One change of the module; a second one where the rule is kept twice. */
interface MutantOf extends Change {
  readonly meaning: string;
  readonly and?: Change;
  readonly tells: string;
}

/** The tests of a module's protections; `entry` is its path from the root of the project. */
export function protect<M>(entry: string, module: M, protections: readonly Protection<M>[]): void {
  describe.each(protections)('$rule', ({ story, told, mutants }) => {
    test('holds', async () => expect(await story(module)).toEqual(told));
    test.each(mutants)('is missed where $meaning', async ({ meaning, tells, find, replace, and }) => {
      const patches = [{ file: entry, find, replace }, ...(and ? [{ file: entry, ...and }] : [])];
      expect(told).not.toContain(tells);
      const lines = await withPatched(meaning, { folders: ['firmware', 'hal'], entry, patches }, story);
      expect(lines).toContain(tells);
    });
  });
}
