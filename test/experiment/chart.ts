/** Small charts as SVG text: lines, bars, and lines with error bars. Readable offline and in print; and as CSV. */
export interface SeriesOf {
  readonly name: string;
  readonly colour: string;
  /** NaN where there is nothing: a gap. */
  readonly values: readonly number[];
  /** Half width of the 95 % confidence interval, by value. */
  readonly error?: readonly number[];
}

export interface Chart {
  /** What it is called in the CSV. */
  readonly id: string;
  readonly title: string;
  readonly x: readonly number[];
  readonly xName: string;
  readonly yName: string;
  readonly series: readonly SeriesOf[];
  /** Points and bars stand at equal distances, `scatter` where their x is. */
  readonly kind: 'line' | 'bar' | 'points' | 'scatter';
  /** A level that is drawn across. */
  readonly limit?: { readonly name: string; readonly value: number };
}

const WIDTH = 720;
const HEIGHT = 300;
const LEFT = 64;
const RIGHT = 12;
const TOP = 30;
const BOTTOM = 64;
const LEGEND = 145;
const BESIDE = 3;

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Ticks at 1, 2 or 5 times a power of ten, three to eight of them. */
function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 8 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  const list: number[] = [];
  for (let value = Math.ceil(low / size) * size; value <= high + size * 1e-9; value += size) list.push(value);
  return list;
}

/** The places of the values in stretches without a gap. */
function stretches(values: readonly number[]): number[][] {
  const found: number[][] = [[]];
  values.forEach((value, i) => {
    if (Number.isFinite(value)) found.at(-1)!.push(i);
    else found.push([]);
  });
  return found.filter((stretch) => stretch.length > 0);
}

export function svg({ title, x, xName, yName, series, kind, limit }: Chart): string {
  const half = (error: readonly number[] | undefined, i: number): number => error?.[i] || 0; // NaN of a single day
  const all = series
    .flatMap(({ values, error }) => values.flatMap((v, i) => [v - half(error, i), v + half(error, i)]))
    .filter(Number.isFinite);
  const low = Math.min(0, ...all);
  const high = Math.max(limit?.value ?? 0, ...all, low + 1e-9);
  const slot = (WIDTH - LEFT - RIGHT) / x.length;
  const furthest = 1.05 * Math.max(...x);
  const along = (value: number): number => LEFT + (value / furthest) * (WIDTH - LEFT - RIGHT);
  const px = (i: number): number => (kind === 'scatter' ? along(x[i]!) : LEFT + (i + 0.5) * slot);
  const py = (value: number): number => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const n = (value: number): string => value.toFixed(1);
  const parts: string[] = [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}" font-family="sans-serif" font-size="11">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="16" font-size="13" font-weight="bold">${escaped(title)}</text>`,
  ];
  for (const tick of ticks(low, high))
    parts.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(py(tick))}" y2="${n(py(tick))}" stroke="${tick === 0 ? '#555' : '#ddd'}"/>`,
      `<text x="${LEFT - 6}" y="${n(py(tick) + 4)}" text-anchor="end">${Number(tick.toPrecision(6))}</text>`,
    );
  const xLabel = (at: number, label: number): void =>
    void parts.push(`<text x="${n(at)}" y="${HEIGHT - BOTTOM + 15}" text-anchor="middle">${label}</text>`);
  if (kind === 'scatter') for (const tick of ticks(0, furthest)) xLabel(along(tick), Number(tick.toPrecision(6)));
  else {
    const every = Math.ceil(x.length / 16);
    x.forEach((label, i) => {
      if (i % every === 0) xLabel(px(i), label);
    });
  }
  parts.push(
    `<text x="${(LEFT + WIDTH) / 2}" y="${HEIGHT - BOTTOM + 31}" text-anchor="middle">${escaped(xName)}</text>`,
    `<text transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escaped(yName)}</text>`,
  );
  if (limit)
    parts.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(py(limit.value))}" y2="${n(py(limit.value))}" stroke="#222" stroke-dasharray="6 4"/>`,
      `<text x="${LEFT + 4}" y="${n(py(limit.value) - 4)}">${escaped(limit.name)}</text>`,
    );
  series.forEach(({ name, colour, values, error }, s) => {
    /** Points side by side, so that their error bars are told apart. */
    const beside = (i: number): number => px(i) + (kind === 'line' ? 0 : (s - (series.length - 1) / 2) * BESIDE);
    for (const stretch of stretches(values)) {
      if (kind === 'bar') {
        const width = (slot * 0.8) / series.length;
        for (const i of stretch) {
          const y = Math.min(py(values[i]!), py(0));
          const height = Math.abs(py(values[i]!) - py(0));
          parts.push(
            `<rect x="${n(px(i) - slot * 0.4 + s * width)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" fill="${colour}"/>`,
          );
        }
        continue;
      }
      parts.push(
        `<polyline fill="none" stroke="${colour}" stroke-width="1.8" points="${stretch.map((i) => `${n(beside(i))},${n(py(values[i]!))}`).join(' ')}"/>`,
      );
      if (kind === 'line') continue;
      for (const i of stretch) {
        parts.push(`<circle cx="${n(beside(i))}" cy="${n(py(values[i]!))}" r="2.8" fill="${colour}"/>`);
        const [top, bottom] = [values[i]! + half(error, i), values[i]! - half(error, i)].map((end) => n(py(end)));
        if (top !== bottom)
          parts.push(`<line x1="${n(beside(i))}" x2="${n(beside(i))}" y1="${top}" y2="${bottom}" stroke="${colour}"/>`);
      }
    }
    const at = LEFT + s * LEGEND;
    parts.push(
      `<rect x="${at}" y="${HEIGHT - 18}" width="12" height="8" fill="${colour}"/>`,
      `<text x="${at + 17}" y="${HEIGHT - 10}">${escaped(name)}</text>`,
    );
  });
  parts.push('</svg>');
  return parts.join('\n');
}

/** A line of the CSV; what there is not is an empty field. */
export interface Row {
  readonly part: string;
  readonly x?: number;
  readonly series: string;
  readonly figure: string;
  readonly value: number;
  readonly half?: number | undefined;
  readonly n: number;
}

/** All that a chart shows; every value is of n days. */
export const rowsOf = ({ id, x, yName, series, limit }: Chart, n: number): Row[] => [
  ...series.flatMap(({ name, values, error }) =>
    values.map((value, i) => ({ part: id, x: x[i]!, series: name, figure: yName, value, half: error?.[i], n })),
  ),
  ...(limit ? [{ part: id, series: limit.name, figure: yName, value: limit.value, n }] : []),
];

export function csv(rows: readonly Row[]): string {
  const number = (value: number | undefined): string =>
    value !== undefined && Number.isFinite(value) ? String(Number(value.toFixed(4))) : '';
  const text = (value: string): string => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const lines = rows.map(({ part, x, series, figure, value, half, n }) =>
    [text(part), number(x), text(series), text(figure), number(value), number(half), n].join(','),
  );
  return `${['part,x,series,figure,value,half_width_95,days', ...lines].join('\n')}\n`;
}
