/**
 * `p2pebt simulate FILE... [--rule plan|eq11|spread|once] [--json OUT]`: runs scenarios causally and prints what
 * the rule does to the power of the neighbourhood.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { UsageError } from '../commands/errors.ts';
import type { Rule } from '../solver/solve.ts';
import { LEGEND } from './legend.ts';
import type { DayFigures } from './measure.ts';
import { figures, reduction_percent } from './measure.ts';
import { progressOf } from './progress.ts';
import type { DayResult } from './run-day.ts';
import { runDay } from './run-day.ts';
import { readScenario, type Scenario, ScenarioError } from './scenario.ts';

export interface SimulateOptions {
  readonly rule: Rule;
  /** Where the result goes as JSON: an object, with several files a list in their order. */
  readonly json?: string | undefined;
}

/**
 * Runs the files and prints the table.
 * @throws ScenarioError when a file cannot be used, UsageError when the result cannot be written: both before anything runs.
 */
export function simulateCommand(files: readonly string[], { rule, json }: SimulateOptions): void {
  const scenarios = readAll(files);
  if (json !== undefined) checkWritable(json, files);
  const done = scenarios.map((scenario) => {
    const progress = progressOf(scenario.name, scenario.rounds, process.stderr, () => performance.now());
    const result = runDay(scenario, { rule, onRound: progress.round });
    progress.end();
    return { result, day: figures(scenario, result, rule) };
  });
  for (const line of table(done.map(({ day }) => day))) console.log(line);
  if (json === undefined) return;
  const outputs = done.map(output);
  try {
    writeFileSync(json, `${JSON.stringify(outputs.length === 1 ? outputs[0] : outputs)}\n`);
  } catch (error) {
    throw new UsageError(`${json}: could not be written: ${(error as Error).message}`);
  }
}

/** The faults of all files are told at once. */
function readAll(files: readonly string[]): Scenario[] {
  const faults: string[] = [];
  const scenarios = files.flatMap((file) => {
    try {
      return [readScenario(file)];
    } catch (error) {
      if (!(error instanceof ScenarioError)) throw error;
      faults.push(error.message);
      return [];
    }
  });
  if (faults.length > 0) throw new ScenarioError(faults.join('\n'));
  return scenarios;
}

function checkWritable(json: string, files: readonly string[]): void {
  if (files.some((file) => resolve(file) === resolve(json)))
    throw new UsageError(`${json}: is a scenario that is to be read; name another file for --json`);
  try {
    closeSync(openSync(json, 'a')); // what is in it stays until there is something to put in its place
  } catch (error) {
    throw new UsageError(`${json}: cannot be written: ${(error as Error).message}; nothing was run`);
  }
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
    over_capacity: result.over,
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
      overInWords(day.over),
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
  return [line(head), ...rows.map(line), ...LEGEND];
}

/** The total, and the causes that it is the sum of. */
function overInWords(over: DayFigures['over']): string {
  const causes = Object.entries(over).filter(([, rounds]) => rounds > 0);
  const total = causes.reduce((sum, [, rounds]) => sum + rounds, 0);
  return total === 0 ? '0' : `${total} (${causes.map(([cause, rounds]) => `${rounds} ${cause}`).join(', ')})`;
}

function reductions({ basePf, pf }: DayFigures): { cubeRoot: number; deviation: number; pf: number } {
  return {
    cubeRoot: reduction_percent(Math.cbrt(basePf), Math.cbrt(pf)),
    deviation: reduction_percent(Math.sqrt(basePf), Math.sqrt(pf)),
    pf: reduction_percent(basePf, pf),
  };
}
