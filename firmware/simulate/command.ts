/**
 * `p2pebt simulate FILE... [--rule plan|eq11|spread|once] [--json OUT]`: runs scenarios causally and prints what
 * the rule does to the power of the neighbourhood.
 */
import { writeFileSync } from 'node:fs';
import type { Rule } from '../solver/solve.ts';
import type { DayFigures } from './measure.ts';
import { figures, reduction_percent } from './measure.ts';
import type { DayResult } from './run-day.ts';
import { runDay } from './run-day.ts';
import { readScenario, ScenarioError } from './scenario.ts';

export interface SimulateOptions {
  readonly rule: Rule;
  /** Where the result goes as JSON; with several files a list in their order. */
  readonly json?: string | undefined;
  readonly print?: (line: string) => void;
  /** Progress of a long run; a terminal's stderr unless given. */
  readonly progress?: (text: string) => void;
}

/** A run is worth a progress line when it takes longer than this. */
const QUIET_ms = 1000;

/** Runs the files and prints the table. Returns the exit code: 0, or 1 when a file cannot be used (all are checked first). */
export async function simulateCommand(files: readonly string[], options: SimulateOptions): Promise<number> {
  const print = options.print ?? ((line: string) => console.log(line));
  const complain = (text: string): void => {
    console.error(text);
    process.exitCode = 1;
  };
  const read = files.map((file) => {
    try {
      return readScenario(file);
    } catch (error) {
      if (!(error instanceof ScenarioError)) throw error;
      complain(error.message);
      return null;
    }
  });
  const scenarios = read.filter((scenario) => scenario !== null);
  if (scenarios.length < files.length) return 1;
  const done: { result: DayResult; day: DayFigures }[] = [];
  for (const scenario of scenarios) {
    const progress = progressLine(scenario.name, scenario.rounds, options.progress);
    const result = runDay(scenario, { rule: options.rule, onRound: progress.round });
    progress.end();
    done.push({ result, day: figures(scenario, result, options.rule) });
  }
  for (const line of table(done.map(({ day }) => day))) print(line);
  if (options.json !== undefined) {
    const outputs = done.map(output);
    try {
      writeFileSync(options.json, `${JSON.stringify(outputs.length === 1 ? outputs[0] : outputs)}\n`);
    } catch (error) {
      complain(`${options.json}: cannot be written: ${(error as Error).message}`);
      return 1;
    }
  }
  return 0;
}

function output({ result, day }: { result: DayResult; day: DayFigures }): unknown {
  return {
    name: day.name,
    rule: day.rule,
    executed: result.executed,
    theta_w: result.theta_W,
    lambda: result.lambda.map(String),
    pf: day.pf,
    base_pf: day.basePf,
    unavoidable_rounds: result.unavoidable,
  };
}

function progressLine(name: string, rounds: number, progress: SimulateOptions['progress']) {
  const show = progress ?? (process.stderr.isTTY ? (text: string) => process.stderr.write(text) : () => {});
  const start = performance.now();
  let shown = false;
  return {
    round(round: number): void {
      if (performance.now() - start < QUIET_ms || (round + 1) % Math.ceil(rounds / 20) !== 0) return;
      show(`\r${name}: round ${round + 1} of ${rounds} `);
      shown = true;
    },
    end(): void {
      if (shown) show(`\r${' '.repeat(name.length + 30)}\r`);
    },
  };
}

/** The table, one line a day, and a line of means for several. */
export function table(days: readonly DayFigures[]): string[] {
  const head = [
    'scenario', 'rule', 'base', 'result', 'cbrt -%', 'sd -%', 'PF -%', 'peak kW', '(base)', 'over cap', 'relay ops', 'wait mean', 'max',
  ]; // biome-ignore format: a table's head
  const rows = days.map((day) => {
    const less = reductions(day);
    return [
      day.name,
      day.rule,
      Math.cbrt(day.basePf).toFixed(1),
      Math.cbrt(day.pf).toFixed(1),
      less.cubeRoot.toFixed(1),
      less.deviation.toFixed(1),
      less.pf.toFixed(1),
      day.peak_kW.toFixed(0),
      day.basePeak_kW.toFixed(0),
      day.unavoidable > 0 ? `${day.overCapacity} (${day.unavoidable} forced)` : String(day.overCapacity),
      String(day.operations),
      day.meanWait_rounds.toFixed(2),
      String(day.maxWait_rounds),
    ];
  });
  if (days.length > 1) {
    const mean = (of: (day: DayFigures) => number): string =>
      (days.reduce((sum, day) => sum + of(day), 0) / days.length).toFixed(1);
    rows.push([
      'mean', '', '', '',
      mean((day) => reductions(day).cubeRoot),
      mean((day) => reductions(day).deviation),
      mean((day) => reductions(day).pf),
      '', '', '', '', '', '',
    ]); // biome-ignore format: like the head
  }
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [line(head), ...rows.map(line), 'base, result: cube root of PF, kW/h; base executes every order at once.'];
}

function reductions({ basePf, pf }: DayFigures): { cubeRoot: number; deviation: number; pf: number } {
  return {
    cubeRoot: reduction_percent(Math.cbrt(basePf), Math.cbrt(pf)),
    deviation: reduction_percent(Math.sqrt(basePf), Math.sqrt(pf)),
    pf: reduction_percent(basePf, pf),
  };
}
