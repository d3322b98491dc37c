/** What an experiment is given: scenario files of one kind, and days drawn from theirs. */
import { readScenario, type Scenario } from '../../firmware/simulate/scenario.ts';
import { daysOf, drawnDay } from './drawn-day.ts';
import { drawnSessions, modelOf } from './session-day.ts';

/** Ends the program where there are none. */
export function ofOneKind(files: readonly string[], example: string): { scenarios: Scenario[]; like: Scenario } {
  const scenarios = files.map(readScenario);
  const like = scenarios[0];
  if (like === undefined) {
    console.error(`Give scenario files of one kind, such as ${example}`);
    process.exit(2);
  }
  return { scenarios, like };
}

const SESSIONS_BELOW_s = 1800; // shorter rounds depend on each other

/** So many days like theirs, from the seeds that begin there. */
export function daysLike(scenarios: readonly Scenario[], like: Scenario, count: number, firstSeed: number): Scenario[] {
  const model = like.round_time_s < SESSIONS_BELOW_s ? modelOf(like) : null;
  const days = daysOf(scenarios);
  return Array.from({ length: count }, (_, i) =>
    model ? drawnSessions(model, like, firstSeed + i) : drawnDay(days, like, firstSeed + i),
  );
}
