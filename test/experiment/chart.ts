/** Small charts as SVG text: lines, bars, and lines with error bars. Readable offline and in print. */
export interface SeriesOf {
  readonly name: string;
  readonly colour: string;
  readonly values: readonly number[];
  /** Half width of the 95 % confidence interval, by value. */
  readonly error?: readonly number[];
}

export interface Chart {
  readonly title: string;
  readonly x: readonly (string | number)[];
  readonly xName: string;
  readonly yName: string;
  readonly series: readonly SeriesOf[];
  readonly kind: 'line' | 'bar' | 'points';
}

const WIDTH = 720;
const HEIGHT = 300;
const LEFT = 64;
const RIGHT = 12;
const TOP = 30;
const BOTTOM = 64;

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Ticks at 1, 2 or 5 times a power of ten, about five of them. */
function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  const list: number[] = [];
  for (let value = Math.ceil(low / size) * size; value <= high + size * 1e-9; value += size) list.push(value);
  return list;
}

export function svg({ title, x, xName, yName, series, kind }: Chart): string {
  const all = series.flatMap(({ values, error }) =>
    values.flatMap((v, i) => [v - (error?.[i] ?? 0), v + (error?.[i] ?? 0)]),
  );
  const low = Math.min(0, ...all);
  const high = Math.max(...all, low + 1e-9);
  const slot = (WIDTH - LEFT - RIGHT) / x.length;
  const px = (i: number): number => LEFT + (i + 0.5) * slot;
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
  const every = Math.ceil(x.length / 16);
  x.forEach((label, i) => {
    if (i % every === 0)
      parts.push(
        `<text x="${n(px(i))}" y="${HEIGHT - BOTTOM + 15}" text-anchor="middle">${escaped(String(label))}</text>`,
      );
  });
  parts.push(
    `<text x="${(LEFT + WIDTH) / 2}" y="${HEIGHT - BOTTOM + 31}" text-anchor="middle">${escaped(xName)}</text>`,
    `<text transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escaped(yName)}</text>`,
  );
  series.forEach(({ name, colour, values, error }, s) => {
    if (kind === 'bar') {
      const width = (slot * 0.8) / series.length;
      values.forEach((value, i) => {
        const y = Math.min(py(value), py(0));
        parts.push(
          `<rect x="${n(px(i) - slot * 0.4 + s * width)}" y="${n(y)}" width="${n(width)}" height="${n(Math.abs(py(value) - py(0)))}" fill="${colour}"/>`,
        );
      });
    } else {
      parts.push(
        `<polyline fill="none" stroke="${colour}" stroke-width="1.8" points="${values.map((value, i) => `${n(px(i))},${n(py(value))}`).join(' ')}"/>`,
      );
      if (kind === 'points')
        values.forEach((value, i) => {
          parts.push(`<circle cx="${n(px(i))}" cy="${n(py(value))}" r="2.8" fill="${colour}"/>`);
          const half = error?.[i] ?? 0;
          if (half > 0)
            parts.push(
              `<line x1="${n(px(i))}" x2="${n(px(i))}" y1="${n(py(value - half))}" y2="${n(py(value + half))}" stroke="${colour}"/>`,
            );
        });
    }
    const at = LEFT + s * 130;
    parts.push(
      `<rect x="${at}" y="${HEIGHT - 18}" width="12" height="8" fill="${colour}"/>`,
      `<text x="${at + 17}" y="${HEIGHT - 10}">${escaped(name)}</text>`,
    );
  });
  parts.push('</svg>');
  return parts.join('\n');
}
