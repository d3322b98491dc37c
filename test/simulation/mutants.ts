/**
 * Mutants of the core: the device's sources with one rule changed in a copy, never by a flag in production. Each must
 * be caught by the simulator with the named invariant, at the seeds stated; a patch that no longer fits is an error.
 */
import type { Rule } from '../../firmware/solver/solve.ts';
import { type Patch, withPatched } from '../mutate.ts';
import type { Lie } from './byzantine.ts';
import type { Invariant } from './checkers.ts';
import type { ClusterOptions } from './cluster.ts';
import type { Core } from './core.ts';
import type { Fault } from './faults.ts';
import type { Sizing } from './neighbourhood.ts';

export interface Mutant {
  readonly name: string;
  /** What a node that lacks the rule does. */
  readonly meaning: string;
  /** Of files under firmware/protocol. None: the fault is outside the core. */
  readonly patches?: readonly Patch[];
  readonly options?: Partial<Pick<ClusterOptions, 'syncs' | 'forgetful'>>;
  readonly caughtBy: readonly Invariant[];
  readonly run: {
    readonly nodes: number;
    readonly rounds: number;
    readonly seed: number;
    readonly faults: readonly Fault[];
    readonly steady?: boolean;
    readonly twins?: number;
    readonly fragile?: number;
    readonly firstRound?: number;
    readonly lies?: readonly Lie[];
    readonly sizing?: Sizing;
    readonly rule?: Rule;
    /** For a rule that the recomputation of every block (I6) would notice first: what alone is looked at. */
    readonly checks?: readonly Invariant[];
  };
}

const RULES: readonly Mutant[] = [
  {
    name: 'hasty-judge',
    meaning: 'two SKIPs of one voter are taken for a lie',
    patches: [
      {
        file: 'evidence.ts',
        find: "return a.kind !== 'skip' && first.view === second.view && a.block !== b.block ? TWICE[a.kind] : null;",
        replace: "return first.view === second.view ? TWICE[a.kind === 'skip' ? 'final' : a.kind] : null;",
      },
    ],
    caughtBy: ['I15'],
    run: { nodes: 4, rounds: 40, seed: 1, faults: ['crash', 'partition'] },
  },
  {
    name: 'another-problem',
    meaning: 'a header is judged by whatever SEAL is open, and false if it answers another (either rule is enough)',
    patches: [
      {
        file: 'consensus/judge.ts',
        find: 'chain.seal === seal && chain.instance !== null',
        replace: 'chain.instance !== null',
      },
      { file: 'consensus/judge.ts', find: " && audited.code !== 'wrong-seal'", replace: '' },
    ],
    caughtBy: ['I15'],
    run: { nodes: 4, rounds: 40, seed: 13, faults: ['byzantine', 'adversary'], lies: ['equivocate'], steady: true },
  },
  {
    name: 'false-headers-forgiven',
    meaning: 'a header that is not what it says is ignored, and not proved',
    patches: [{ file: 'step.ts', find: '  accuse(state, header, null);\n', replace: '' }],
    caughtBy: ['I15'],
    run: { nodes: 7, rounds: 40, seed: 1, faults: ['byzantine'], lies: ['wrong-lambda'] },
  },
  {
    name: 'two-headers-forgiven',
    meaning: 'two headers of one node bind nobody, and prove nothing',
    patches: [{ file: 'step.ts', find: 'return accuse(state, before.header, header);', replace: 'return;' }],
    caughtBy: ['I15'],
    run: { nodes: 7, rounds: 40, seed: 3, faults: ['byzantine'], lies: ['double-header'] },
  },
  {
    name: 'small-quorum',
    meaning: 'q - 1 votes make a certificate',
    patches: [{ file: 'seats.ts', find: 'Math.floor((2 * n) / 3) + 1', replace: 'Math.floor((2 * n) / 3)' }],
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
    meaning: 'a node whose tail is lost does not know it',
    options: { forgetful: true },
    caughtBy: ['I8', 'I1'],
    run: { nodes: 4, rounds: 60, seed: 1, faults: ['lost-tail', 'adversary'], steady: true },
  },
  {
    name: 'votes-on',
    meaning: 'a node whose tail is lost votes on',
    patches: [
      { file: 'consensus/simplex.ts', find: ' && state.deciding >= state.memoryFrom_round', replace: '' },
      {
        file: 'consensus/simplex.ts',
        find: ", firstView(memoryFrom_round, 'SEAL'));",
        replace: ', 0 * memoryFrom_round);',
      },
    ],
    caughtBy: ['I8', 'I1'],
    run: { nodes: 4, rounds: 60, seed: 1, faults: ['lost-tail', 'adversary'], steady: true },
  },
  {
    name: 'second-statement',
    meaning: 'a node whose disk is lost states its registers again',
    patches: [{ file: 'step.ts', find: "body.type === 'REGISTRY') return", replace: "body.type !== 'HEADER') return" }],
    caughtBy: ['I8'],
    run: { nodes: 4, rounds: 20, seed: 1, faults: ['lost-disk'], steady: true },
  },
  {
    name: 'second-header',
    meaning: 'a node whose disk is lost says a header again, and its solver finds another',
    patches: [{ file: 'step.ts', find: "body.type === 'REGISTRY') return", replace: "body.type === 'HEADER') return" }],
    caughtBy: ['I8'],
    run: { nodes: 4, rounds: 60, seed: 1, faults: ['lost-disk'], steady: true },
  },
  {
    name: 'votes-not-remembered',
    meaning: 'after a restart the own votes are not read back',
    patches: [
      {
        file: 'step.ts',
        find: '    markOwnVote(state, vote);\n',
        replace: '    void markOwnVote;\n',
      },
      {
        file: 'consensus/simplex.ts',
        find: 'if (vote.sender === state.self) markOwnVote(state, vote);',
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
    name: 'twins-final',
    meaning: 'the same rule, where a node has a twin: what comes of it',
    patches: [{ file: 'consensus/simplex.ts', find: '      !ownSkipped(state, view) &&\n', replace: '' }],
    caughtBy: ['I1'],
    // Soon the twin is proved to lie and loses its vote: the fork must come before that.
    run: { nodes: 7, rounds: 6, seed: 172, faults: [], twins: 2, checks: ['I1'] },
  },
  {
    name: 'skip-after-final',
    meaning: 'a node that signed FINAL still skips the view',
    patches: [
      {
        file: 'consensus/simplex.ts',
        find: 'const finals = [...state.own.final].filter((view) => view >= first && view <= to).sort((a, b) => a - b);',
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
        find: 'parent.notarized && skippedUpTo(state.votes, parent.view + 1, view, setsOf(parent.state)) === view;',
        replace: 'parent.notarized && view > parent.view;',
      },
    ],
    caughtBy: ['I1', 'I2'],
    run: { nodes: 4, rounds: 60, seed: 3, faults: ['adversary', 'byzantine'], lies: ['stale-parent'], steady: true },
  },
  {
    name: 'old-voters-alone',
    meaning: 'between two epochs a block needs the old voters only',
    patches: [
      {
        file: 'membership.ts',
        find: "handover?.stage === 'joint' ? [registry, handover.registry] : [registry];",
        replace: '(handover, [registry]);',
      },
    ],
    caughtBy: ['I3'],
    run: { nodes: 7, rounds: 12, seed: 2, faults: [], twins: 2 },
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
    emitVote(state, out, 'notarize', rival.epoch, view, view, rival);
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
    run: { nodes: 4, rounds: 60, seed: 2, faults: ['adversary'], steady: true },
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
    name: 'no-name',
    meaning: 'the state that a SEAL names is not compared with the chain',
    patches: [{ file: 'block.ts', find: 'if (body.checkpoint !== checkpointOf(', replace: "if ('' > checkpointOf(" }],
    caughtBy: ['I6'],
    run: {
      nodes: 4,
      rounds: 6,
      seed: 1,
      firstRound: 1149,
      faults: ['byzantine'],
      lies: ['wrong-checkpoint'],
      steady: true,
    },
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
    name: 'votes-unheard',
    meaning: 'the door lets no NOTARIZE in for a block that is here, whether a quorum has notarised it or not',
    patches: [
      { file: 'consensus/surplus.ts', find: 'node?.view === view && node.notarized', replace: 'node?.view === view' },
    ],
    caughtBy: ['I13'],
    run: { nodes: 4, rounds: 20, seed: 1, faults: [] },
  },
  {
    name: 'liars-split-seals',
    meaning: 'a METER binds although its sender told others something else',
    patches: [
      {
        file: 'consensus/choice.ts',
        find: "beside < (type === 'ORDER' ? ORDERS_PER_NODE : 1)",
        replace: "(type === 'METER' || beside < (type === 'ORDER' ? ORDERS_PER_NODE : 1))",
      },
    ],
    caughtBy: ['I13'],
    run: { nodes: 7, rounds: 60, seed: 1, faults: ['byzantine'], lies: ['double-statement'] },
  },
  {
    name: 'no-capacity',
    meaning: 'the capacity of the connection is no limit',
    patches: [{ file: 'seal.ts', find: 'capacity_W: neighbourhood.capacity_W,', replace: 'capacity_W: 1e9,' }],
    caughtBy: ['I4'],
    run: { nodes: 10, rounds: 60, seed: 1, faults: [], sizing: 'bare', rule: 'once', checks: ['I4'] },
  },
  {
    name: 'no-reserve',
    meaning: 'everybody is counted on to feed in, as if nobody could be lost',
    patches: [{ file: 'seal.ts', find: 'lostParts: registry.f + 1,', replace: 'lostParts: 0,' }],
    caughtBy: ['I4'],
    run: {
      nodes: 7,
      rounds: 45,
      seed: 7,
      firstRound: 1008,
      faults: ['no-show'],
      steady: true,
      sizing: 'bare',
      rule: 'once',
      checks: ['I4'],
    },
  },
  {
    name: 'old-load',
    meaning: 'the load stays where it was last metered',
    patches: [{ file: 'load.ts', find: 'margin_W * (round - 1 - first);', replace: '0 * (margin_W + round + first);' }],
    caughtBy: ['I4'],
    run: {
      nodes: 4,
      rounds: 15,
      seed: 32,
      faults: ['head-absent', 'no-show'],
      sizing: 'bare',
      rule: 'once',
      checks: ['I4'],
    },
  },
  {
    name: 'fickle-load',
    meaning: 'a forecast that leads away from the load last seen is believed',
    patches: [
      {
        file: 'benefit/pose.ts',
        find: 'Math.max(most_W, load0_W) + margin_W',
        replace: '0 * most_W + load0_W + margin_W',
      },
    ],
    caughtBy: ['I4'],
    // A day on: the forecast leads to where the load was at this hour of the one day that is known.
    run: { nodes: 4, rounds: 290, seed: 1, faults: [], sizing: 'bare', rule: 'once', checks: ['I4'] },
  },
  {
    name: 'hung-meter',
    meaning: 'registers that stand still are a reading, unless a block has carried the same ones',
    patches: [{ file: 'step.ts', find: 'if (!stands) say(', replace: 'void stands;\n  say(' }],
    caughtBy: ['I4'],
    run: {
      nodes: 4,
      rounds: 10,
      seed: 1196,
      firstRound: 1008,
      faults: ['loss', 'head-frozen'],
      sizing: 'bare',
      rule: 'once',
      checks: ['I4'],
    },
  },
  {
    name: 'no-load',
    meaning: 'a round is sealed without a reading, though no load was metered yet',
    patches: [{ file: 'load.ts', find: '(metered === undefined ||', replace: '(metered !== undefined &&' }],
    caughtBy: ['I4'],
    run: {
      nodes: 10,
      rounds: 10,
      seed: 7,
      firstRound: 1008,
      faults: ['loss', 'head-frozen', 'head-absent', 'head-biased', 'no-show'],
      sizing: 'bare',
      rule: 'once',
      checks: ['I4'],
    },
  },
  {
    name: 'no-meters',
    meaning: 'everybody is taken to have drawn what was allocated, though no more than the METERs say it',
    patches: [{ file: 'load.ts', find: '+ did_W - told_W;', replace: '+ 0 * did_W;' }],
    caughtBy: ['I4'],
    run: {
      nodes: 7,
      rounds: 25,
      seed: 386,
      firstRound: 1008,
      faults: ['loss', 'head-frozen', 'head-absent', 'head-biased', 'no-show'],
      sizing: 'bare',
      rule: 'once',
      checks: ['I4'],
    },
  },
  {
    name: 'old-allocations',
    meaning: 'the plan of a round adds up the allocations of others',
    patches: [
      {
        file: 'plan.ts',
        find: 'allocation.round === round && allocation.node === self',
        replace: 'allocation.node === self',
      },
    ],
    caughtBy: ['I5'],
    run: { nodes: 4, rounds: 60, seed: 1, faults: [] },
  },
  {
    name: 'served-again',
    meaning: 'an order that was served stays pending',
    patches: [
      {
        file: 'schedule.ts',
        find: 'if (power_W < entry.remaining_W) pending.push({ ...entry, remaining_W: entry.remaining_W - power_W });',
        replace: 'pending.push(entry);',
      },
    ],
    caughtBy: ['I5'],
    run: { nodes: 4, rounds: 120, seed: 1, faults: [], checks: ['I5'] },
  },
  {
    name: 'no-ageing',
    meaning: 'orders do not grow older',
    patches: [{ file: 'seal.ts', find: 'age: entry.age + 1 }', replace: 'age: entry.age }' }],
    caughtBy: ['I11'],
    run: { nodes: 7, rounds: 60, seed: 1, faults: [], checks: ['I11'] },
  },
];

/** f nodes that have forgotten and do not know it are as bad as f liars, and split nothing: it takes one more. */
const LOSING_TAILS = { nodes: 4, rounds: 12, faults: ['lost-tail', 'adversary'], steady: true, fragile: 2 } as const;

/**
 * What comes of some of these rules under the targeted adversary (adversary.ts): the chain splits. I8 sees them sooner, and so
 * I1 is looked at alone. That a node votes for two blocks (two-notarize) is not among them: whoever holds the certificate of one
 * does not look at another of its view, and so f liars split nothing with it.
 */
const FORKS: readonly { readonly rule: string; readonly run: Omit<Mutant['run'], 'checks'> }[] = [
  { rule: 'final-after-skip', run: { nodes: 4, rounds: 12, seed: 1, faults: ['adversary'], steady: true } },
  { rule: 'final-after-skip', run: { nodes: 7, rounds: 6, seed: 1, faults: ['adversary'], steady: true } },
  { rule: 'skip-after-final', run: { nodes: 4, rounds: 12, seed: 1, faults: ['adversary'], steady: true } },
  { rule: 'skip-after-final', run: { nodes: 7, rounds: 6, seed: 1, faults: ['adversary'], steady: true } },
  { rule: 'unsynced-ledger', run: { nodes: 4, rounds: 6, seed: 19, faults: ['crash', 'adversary'], steady: true } },
  {
    rule: 'votes-not-remembered',
    run: { nodes: 4, rounds: 6, seed: 3, faults: ['crash', 'adversary'], steady: true },
  },
  { rule: 'forgetful', run: { ...LOSING_TAILS, seed: 8 } },
  { rule: 'votes-on', run: { ...LOSING_TAILS, seed: 8 } },
];

export const MUTANTS: readonly Mutant[] = [
  ...RULES,
  ...FORKS.map(({ rule, run }): Mutant => {
    const mutant = RULES.find(({ name }) => name === rule);
    if (mutant === undefined) throw new Error(`no mutant ${rule}`);
    const name = `${rule}-forks`;
    return { ...mutant, name, caughtBy: ['I1'], run: { ...run, checks: ['I1'] } };
  }),
];

/** Runs with a mutant's core. */
export async function withMutant<T>(
  { name, patches }: Pick<Mutant, 'name' | 'patches'>,
  run: (core: Core | undefined) => T,
): Promise<T> {
  if (patches === undefined) return run(undefined);
  const source = {
    folders: ['firmware/protocol', 'firmware/solver', 'hal', 'test/simulation'],
    entry: 'test/simulation/core.ts',
    patches: patches.map((patch) => ({ ...patch, file: `firmware/protocol/${patch.file}` })),
  };
  return withPatched<{ device: Core }, T>(name, source, ({ device }) => run(device));
}
