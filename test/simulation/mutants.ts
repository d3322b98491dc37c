/**
 * Mutants of the core: the device's sources with one rule changed in a copy, never by a flag in production. Each must
 * be caught by the simulator with the named invariant, at the seeds stated; a patch that no longer fits is an error.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Lie } from './byzantine.ts';
import type { Invariant } from './checkers.ts';
import type { ClusterOptions } from './cluster.ts';
import type { Core } from './core.ts';
import type { Fault } from './faults.ts';

export interface Mutant {
  readonly name: string;
  /** What a node that lacks the rule does. */
  readonly meaning: string;
  /** Text of a file under firmware/protocol, found exactly once, and what replaces it. None: the fault is outside the core. */
  readonly patches?: readonly { readonly file: string; readonly find: string; readonly replace: string }[];
  readonly options?: Partial<Pick<ClusterOptions, 'syncs' | 'forgetful'>>;
  readonly caughtBy: readonly Invariant[];
  readonly run: {
    readonly nodes: number;
    readonly rounds: number;
    readonly seed: number;
    readonly faults: readonly Fault[];
    readonly steady?: boolean;
    readonly lies?: readonly Lie[];
  };
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'small-quorum',
    meaning: 'q - 1 votes make a certificate',
    patches: [{ file: 'registry.ts', find: 'Math.floor((2 * n) / 3) + 1', replace: 'Math.floor((2 * n) / 3)' }],
    caughtBy: ['I1', 'I3'],
    run: { nodes: 4, rounds: 40, seed: 1, faults: ['partition'], steady: true },
  },
  {
    name: 'unsynced-ledger',
    meaning: 'votes leave before they are durable',
    options: { syncs: false },
    caughtBy: ['I8', 'I1'],
    run: { nodes: 4, rounds: 60, seed: 1, faults: ['crash', 'adversary'], steady: true },
  },
  {
    name: 'forgetful',
    meaning: 'a node whose tail is lost votes on',
    options: { forgetful: true },
    caughtBy: ['I8', 'I1'],
    run: { nodes: 4, rounds: 60, seed: 1, faults: ['lost-tail', 'adversary'], steady: true },
  },
  {
    name: 'votes-not-remembered',
    meaning: 'after a restart the own votes are not read back',
    patches: [
      {
        file: 'step.ts',
        find: 'if (vote.to > state.finalNode.view) markOwnVote(state, from, vote);',
        replace: 'void [from, vote, markOwnVote];',
      },
      {
        file: 'consensus/simplex.ts',
        find: 'if (vote.sender === state.self) markOwnVote(state, vote.view, vote.body);',
        replace: '',
      },
    ],
    caughtBy: ['I8', 'I1'],
    run: { nodes: 4, rounds: 60, seed: 1, faults: ['crash', 'adversary'], steady: true },
  },
  {
    name: 'final-after-skip',
    meaning: 'a node that gave a view up still signs FINAL for it',
    patches: [{ file: 'consensus/simplex.ts', find: '      !ownSkipped(state, view) &&\n', replace: '' }],
    caughtBy: ['I8', 'I1'],
    run: { nodes: 4, rounds: 40, seed: 1, faults: ['adversary'], steady: true },
  },
  {
    name: 'skip-after-final',
    meaning: 'a node that signed FINAL still skips the view',
    patches: [
      {
        file: 'consensus/simplex.ts',
        find: 'const finals = [...state.own.final].filter((view) => view >= start && view <= to).sort((a, b) => a - b);',
        replace: 'const finals: number[] = [];',
      },
    ],
    caughtBy: ['I8', 'I1'],
    run: { nodes: 4, rounds: 40, seed: 1, faults: ['adversary'], steady: true },
  },
  {
    name: 'void-views',
    meaning: 'views between parent and block need not be certified skipped',
    patches: [
      {
        file: 'consensus/simplex.ts',
        find: 'parent.notarized && skippedUpTo(state.votes, parent.view + 1, view, state.registry.q) === view;',
        replace: 'parent.notarized && view > parent.view;',
      },
    ],
    caughtBy: ['I1', 'I2'],
    run: { nodes: 4, rounds: 60, seed: 1, faults: ['adversary', 'byzantine'], lies: ['stale-parent'], steady: true },
  },
  {
    name: 'two-notarize',
    meaning: 'a node votes for every proposal of a view',
    patches: [
      {
        file: 'consensus/simplex.ts',
        find: 'if (state.own.notarized.has(view) || ownSkipped(state, view)) return;\n',
        replace: `const rival = [...state.nodes.values()].findLast((other) => other.view === view)?.block;
  if (rival && state.own.notarized.has(view) && state.own.notarized.get(view) !== rival.id)
    emitVote(state, out, 'notarize', view, view, rival);
  if (state.own.notarized.has(view) || ownSkipped(state, view)) return;\n`,
      },
    ],
    caughtBy: ['I8', 'I1'],
    run: { nodes: 4, rounds: 40, seed: 1, faults: ['byzantine'], lies: ['equivocate'], steady: true },
  },
  {
    name: 'no-choice',
    meaning: 'predicate R does not ask for the better header',
    patches: [
      {
        file: 'consensus/choice.ts',
        find: "if (block.body.kind === 'SCHEDULE') return better(state, block, parent);",
        replace: 'void better;',
      },
    ],
    caughtBy: ['I7'],
    run: { nodes: 7, rounds: 60, seed: 1, faults: ['byzantine'], lies: ['low-lambda'], steady: true },
  },
  {
    name: 'no-inclusion',
    meaning: 'predicate R does not ask for the orders held in time',
    patches: [
      {
        file: 'consensus/choice.ts',
        find: "if (block.body.kind === 'SEAL') return omitted(state, block, parent);",
        replace: 'void omitted;',
      },
    ],
    caughtBy: ['I7'],
    run: { nodes: 7, rounds: 60, seed: 1, faults: ['byzantine'], lies: ['omit-order'], steady: true },
  },
  {
    name: 'late-plan',
    meaning: 'a schedule that is final after T_act is acted on',
    patches: [
      {
        file: 'consensus/simplex.ts',
        find: 'round === state.deciding && offset_ms(state) < state.hours.act_ms;\n  const author',
        replace: 'round >= state.deciding - 1;\n  const author',
      },
    ],
    caughtBy: ['I3'],
    run: { nodes: 4, rounds: 60, seed: 1, faults: ['adversary'], steady: true },
  },
  {
    name: 'no-audit',
    meaning: 'lambda is believed, not recomputed',
    patches: [
      {
        file: 'schedule.ts',
        find: 'BigInt(lambda) !== benefit.lambda ||',
        replace: 'BigInt(lambda) + 9n < benefit.lambda ||',
      },
    ],
    caughtBy: ['I6'],
    run: { nodes: 7, rounds: 60, seed: 1, faults: ['byzantine'], lies: ['wrong-lambda'], steady: true },
  },
  {
    name: 'second-schedule',
    meaning: 'a round that has its SCHEDULE takes another',
    patches: [
      {
        file: 'consensus/simplex.ts',
        find: 'chain.sealRound === round : chain.scheduleRound === round;',
        replace: 'chain.sealRound === round : false;',
      },
      { file: 'schedule.ts', find: 'if (chain.scheduleRound >= round) return', replace: 'if (round < 0) return' },
      { file: 'schedule.ts', find: 'instance: null,', replace: 'instance: chain.instance,' },
    ],
    caughtBy: ['I2'],
    run: { nodes: 4, rounds: 60, seed: 1, faults: ['adversary'] },
  },
  {
    name: 'energy-lost',
    meaning: 'energy beyond the allocation is not booked',
    patches: [
      {
        file: 'settlement.ts',
        find: 'if (left_J !== 0 || rows.length === 0) {',
        replace: 'if (rows.length === 0) {',
      },
    ],
    caughtBy: ['I9'],
    run: { nodes: 4, rounds: 60, seed: 1, faults: ['censor-type', 'crash'] },
  },
  {
    name: 'no-mending',
    meaning: 'nobody repeats what was lost on the way',
    patches: [
      {
        file: 'consensus/simplex.ts',
        find: '  mend(state, out, state.view < first);\n',
        replace: '  void mend;\n',
      },
    ],
    caughtBy: ['I13'],
    run: { nodes: 7, rounds: 60, seed: 1, faults: ['partition', 'loss', 'minority', 'crash'] },
  },
  {
    name: 'liars-split-seals',
    meaning: 'a METER binds although its sender told others something else',
    patches: [
      {
        file: 'consensus/choice.ts',
        find: "...meters.filter(({ sender }) => sealed('METER', sender) === 0),",
        replace: '...meters,',
      },
    ],
    caughtBy: ['I13'],
    run: { nodes: 7, rounds: 60, seed: 1, faults: ['byzantine'], lies: ['double-statement'] },
  },
];

/** Runs with a mutant's core. The copy is removed afterwards. */
export async function withMutant<T>(
  mutant: Pick<Mutant, 'name' | 'patches'>,
  run: (core: Core | undefined) => T,
): Promise<T> {
  if (mutant.patches === undefined) return run(undefined);
  const root = new URL('../..', import.meta.url).pathname;
  const copy = mkdtempSync(join(tmpdir(), 'p2pebt-mutant-'));
  try {
    for (const folder of ['firmware/protocol', 'firmware/solver', 'hal', 'test/simulation'])
      cpSync(join(root, folder), join(copy, folder), { recursive: true });
    cpSync(join(root, 'package.json'), join(copy, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    for (const { file, find, replace } of mutant.patches) {
      const path = join(copy, 'firmware/protocol', file);
      const source = readFileSync(path, 'utf8');
      if (source.split(find).length !== 2)
        throw new Error(`mutant ${mutant.name}: its text is not found once in ${file}`);
      writeFileSync(
        path,
        source.replace(find, () => replace),
      );
    }
    const { device } = (await import(pathToFileURL(join(copy, 'test/simulation/core.ts')).href)) as { device: Core };
    return run(device);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
