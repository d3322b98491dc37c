/** Figures of a benchmark: percentiles, and how they are printed. */

/** The smallest value that a share `p` (0 to 1) of the sample does not exceed; NaN of an empty sample. */
export function percentile(sample: readonly number[], p: number): number {
  const sorted = [...sample].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}

export interface Figure {
  /** With its unit at the end: `lateness_ms`. */
  readonly name: string;
  readonly value: number;
  /** Must lie below it; without one there is no aim. */
  readonly below?: number;
}

export interface Column {
  readonly head: string;
  readonly figures: readonly Figure[];
}

/** p50, p99 and the worst of a sample. */
export const spread = (name: string, unit: string, sample: readonly number[], below?: number): Figure[] => [
  { name: `${name} p50, ${unit}`, value: percentile(sample, 0.5) },
  { name: `${name} p99, ${unit}`, value: percentile(sample, 0.99), ...(below !== undefined && { below }) },
  { name: `${name} max, ${unit}`, value: percentile(sample, 1) },
];

const missed = ({ value, below }: Figure): boolean => below !== undefined && !(value < below);

export function table(figures: readonly Figure[]): string {
  const width = Math.max(...figures.map(({ name }) => name.length));
  return figures
    .map((figure) => {
      const aim =
        figure.below === undefined ? '' : `   aim: below ${figure.below}, ${missed(figure) ? 'MISSED' : 'met'}`;
      return `${figure.name.padEnd(width)}  ${figure.value.toFixed(1).padStart(10)}${aim}`;
    })
    .join('\n');
}

/** The same of several settings beside each other, a column each; `<` and `>` are the aims met and missed. */
export function columns(settings: readonly Column[]): string {
  const names = [...new Set(settings.flatMap(({ figures }) => figures.map(({ name }) => name)))];
  const width = Math.max(...names.map((name) => name.length));
  const cell = (figure: Figure | undefined): string => {
    const value = figure === undefined ? '' : figure.value.toFixed(1);
    const aim = figure?.below === undefined ? '' : `${missed(figure) ? '>' : '<'} ${figure.below}`;
    return `${value.padStart(10)} ${aim.padEnd(7)}`;
  };
  const row = (name: string): string =>
    `${name.padEnd(width)}${settings.map(({ figures }) => cell(figures.find((each) => each.name === name))).join('')}`;
  const heads = settings.map(({ head }) => `${head.padStart(10)}${' '.repeat(8)}`).join('');
  return [' '.repeat(width) + heads, ...names.map(row)].map((line) => line.trimEnd()).join('\n');
}

/** Prints the columns and, as the last line, one JSON object; the exit code says whether every aim was met. */
export function compare(setting: Readonly<Record<string, string | number>>, settings: readonly Column[]): void {
  process.stdout.write(`${columns(settings)}\n`);
  process.stdout.write(`${JSON.stringify({ setting, settings })}\n`);
  process.exitCode = settings.some(({ figures }) => figures.some(missed)) ? 1 : 0;
}

/** Prints the table and, as the last line, one JSON object; the exit code says whether every aim was met. */
export function conclude(setting: Readonly<Record<string, string | number>>, figures: readonly Figure[]): void {
  process.stdout.write(`${table(figures)}\n`);
  process.stdout.write(`${JSON.stringify({ setting, figures })}\n`);
  process.exitCode = figures.some(missed) ? 1 : 0;
}
