/** Whether all platforms came to the same, and the table of what each came to. */
import type { Results } from './results.ts';

export interface Row {
  readonly platform: string;
  /** Without the v. */
  readonly node: string;
  readonly results: Results;
  readonly seconds: number;
}

/** What differs from the first row, a line each; a result that only some have differs too. Of fewer than two rows: that nothing was compared. */
export function differences(rows: readonly Row[]): string[] {
  const [first, ...others] = rows;
  if (others.length === 0) return ['nothing was compared: fewer than two platforms'];
  return others.flatMap((row) =>
    columnsOf([first, row])
      .filter((column) => row.results[column] !== first.results[column])
      .map(
        (column) =>
          `${column}: ${row.results[column]} on ${row.platform} with Node ${row.node}, ${first.results[column]} on ${first.platform} with Node ${first.node}`,
      ),
  );
}

export function table(rows: readonly Row[]): string {
  const columns = columnsOf(rows);
  const lines = [
    ['platform', 'Node', ...columns, 'seconds'],
    ...rows.map(({ platform, node, results, seconds }) => [
      platform,
      node,
      ...columns.map((column) => results[column] ?? ''),
      seconds.toFixed(1),
    ]),
  ];
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const columnsOf = (rows: readonly Row[]): string[] => [...new Set(rows.flatMap(({ results }) => Object.keys(results)))];
