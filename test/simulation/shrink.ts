/**
 * From a run that breaks an invariant to the smallest that still breaks the same one, as far as leaving things out
 * one after the other leads: fewer kinds of faults and of lies, fewer nodes, the seed under which it happens soonest,
 * and no round after the violation.
 */
import { LIES } from './byzantine.ts';
import { type Line, type Report, type RunOptions, simulate } from './simulate.ts';

export interface Minimal {
  readonly options: RunOptions;
  readonly report: Report;
  /** The last two rounds, as a person would tell them. */
  readonly story: readonly string[];
}

/** Other seeds that are tried at each size: a smaller run needs luck of its own. */
const SEEDS = 4;

/** `patience_ms`: no further attempt is begun after it. */
export function shrink(options: RunOptions, found: Report, patience_ms = 60_000): Minimal {
  const until_ms = performance.now() + patience_ms;
  let best = { options: { ...options, rounds: found.rounds }, report: found };
  /** Takes the change when the same invariant breaks with it, no later than before. */
  const attempt = (change: Partial<RunOptions>): boolean => {
    for (let more = 0; more < SEEDS && performance.now() < until_ms; more++) {
      const smaller = { ...best.options, ...change, seed: best.options.seed + more };
      const report = simulate(smaller);
      if (report.violation?.invariant !== found.violation?.invariant) continue;
      best = { options: { ...smaller, rounds: report.rounds }, report };
      return true;
    }
    return false;
  };
  for (const fault of options.faults ?? [])
    attempt({ faults: (best.options.faults ?? []).filter((each) => each !== fault) });
  if (best.options.faults?.includes('byzantine'))
    for (const lie of LIES) {
      const lies = (best.options.lies ?? LIES).filter((each) => each !== lie);
      if (lies.length > 0) attempt({ lies });
    }
  for (const nodes of [4, 7, 10]) if (nodes < best.options.nodes && attempt({ nodes })) break;
  while (best.report.rounds > 1 && attempt({ rounds: best.report.rounds - 1 }));

  const lines: Line[] = [];
  simulate({ ...best.options, tell: (line) => lines.push(line) });
  const from = (best.report.violation?.round ?? 0) - 1;
  const story = lines
    .filter(({ round }) => round >= from)
    .map((line) => `${line.round} ${line.offset_s.toFixed(1).padStart(6)} s  ${line.node.padEnd(6)} ${line.text}`);
  return { ...best, story };
}
