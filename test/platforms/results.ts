/**
 * What must come out the same on every platform, computed on this one: simulated neighbourhoods, the plans and benefits of
 * drawn problems, the bytes of every message. `main.ts` runs this file under each Node.
 */
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import { toHex } from '../../firmware/protocol/codec.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { FAULTS } from '../simulation/faults.ts';
import { type RunOptions, simulate } from '../simulation/simulate.ts';
import { randomInstance } from '../unit/random-instance.ts';
import { vectors } from '../vectors/messages.ts';

/** By what was computed, a hash. */
export type Results = Readonly<Record<string, string>>;
export interface Computed {
  /** As `process.version` has it. */
  readonly node: string;
  readonly arch: string;
  readonly results: Results;
}

/** All faults in each; the last one over the end of a day, where a state becomes a checkpoint. An emulator does a round a second. */
const RUNS: readonly RunOptions[] = [
  { nodes: 4, rounds: 16, seed: 1, faults: FAULTS },
  { nodes: 7, rounds: 8, seed: 2, faults: FAULTS, sizing: 'tight' },
  { nodes: 10, rounds: 6, seed: 3, faults: FAULTS },
  { nodes: 4, rounds: 10, seed: 4, faults: FAULTS, firstRound: 1146 },
];
const PROBLEMS = 10;

/** Big whole numbers stand as text. */
export const hashOf = (value: unknown): string => {
  const text = JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? `${each}` : each));
  return toHex(sha256(new TextEncoder().encode(text))).slice(0, 16);
};

export function results(runs: readonly RunOptions[] = RUNS, problems = PROBLEMS): Results {
  const all: Record<string, string> = {};
  const reports = runs.map((run) => simulate(run));
  for (const { nodes, seed, ledger } of reports) all[`${nodes} nodes, seed ${seed}`] = ledger;
  all['their reports'] = hashOf(reports.map(({ roundsPerSecond: _, ...report }) => report));
  const solved = Array.from({ length: problems }, (_, seed) => {
    const instance = randomInstance(seed, { orders: 60, rounds: 12, window: 48, divisible: 0.5 });
    const plan = solve(instance);
    return { plan, benefit: evaluate(instance, plan) };
  });
  all['plans, benefits'] = hashOf(solved);
  all.messages = hashOf(vectors());
  return all;
}

if (process.argv.includes('--print')) {
  const computed: Computed = { node: process.version, arch: process.arch, results: results() };
  console.log(JSON.stringify(computed));
}
