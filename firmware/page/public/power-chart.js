// The power chart: rounds as steps, the past solid, what is planned dashed, a line for now. The cursor follows
// the mouse, a finger or the arrow keys (it is a slider), and what it is on is written below the chart.
import uPlot from '/uplot.js';
import { byId, setText } from './dom.js';
import { date, integer, kilowatts, power, time } from './words.js';

/** @typedef {import('../view.ts').ChainView} ChainView */
/** @typedef {{round: number, start_ms: number, with_W: number | null, without_W: number | null, planned_W: number | null, load_W: number | null, buys_W: number | null, sells_W: number | null}} Row */

const HEIGHT = 300;

/** The unit once, at the top of the axis. @param {number} value @param {number} index @param {number[]} all */
const inKilowatts = (value, index, all) => (index === all.length - 1 ? `${integer(value)} kW` : integer(value));

/**
 * Past and planned rounds as one series by time.
 * @param {ChainView} chain @returns {Row[]}
 */
export function rowsOf({ power, ahead }) {
  /** @type {Map<number, Row>} */
  const rows = new Map();
  const unknown = { planned_W: null, load_W: null, buys_W: null, sells_W: null };
  for (const row of power) rows.set(row.round, { ...row, ...unknown });
  for (const row of ahead) rows.set(row.round, { with_W: null, without_W: null, ...rows.get(row.round), ...row });
  return [...rows.values()].sort((a, b) => a.round - b.round);
}

export class PowerChart {
  #host = byId('chart');
  #readout = byId('readout');
  /** @type {Row[]} */
  #rows = [];
  #now_ms = 0;
  #key = '';
  /** @type {number | null} the round under the cursor */
  #at = null;
  /** @type {uPlot | undefined} */
  #plot;

  constructor() {
    this.#host.addEventListener('keydown', (event) => this.#step(event));
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.#host);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
  }

  /** @param {Row[]} rows @param {number} now_ms */
  show(rows, now_ms) {
    this.#now_ms = now_ms;
    const key = JSON.stringify(rows);
    if (key === this.#key) return this.#plot?.redraw(false);
    this.#key = key;
    this.#rows = rows;
    if (this.#plot) this.#plot.setData(this.#data());
    else if (rows.length > 0) this.#draw();
    this.#read();
  }

  #size() {
    return { width: this.#host.clientWidth, height: HEIGHT };
  }

  /** Two points a round, its start and its end: power is the mean of a round, so it is drawn level. */
  #data() {
    const rows = this.#rows;
    const [first, second] = rows;
    const round_ms = second ? (second.start_ms - first.start_ms) / (second.round - first.round) : 300_000;
    /** @param {(row: Row) => number | null} watts */
    const column = (watts) =>
      rows.flatMap((row) => {
        const value = watts(row);
        return value === null ? [null, null] : [value / 1000, value / 1000];
      });
    return /** @type {uPlot.AlignedData} */ ([
      rows.flatMap(({ start_ms }) => [start_ms / 1000, (start_ms + round_ms - 1) / 1000]),
      column((row) => row.without_W),
      column((row) => row.with_W),
      column((row) => row.load_W),
      column((row) => row.planned_W),
    ]);
  }

  #draw() {
    this.#plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const color = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
    const font = `12px ${style.fontFamily}`;
    const axis = { stroke: color('muted'), font, ticks: { show: false }, grid: { stroke: color('line'), width: 1 } };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        padding: [12, 8, 0, 0],
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        scales: { y: { range: (_, low, high) => uPlot.rangeNum(Math.min(low, 0), high, 0.1, true) } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 30,
            space: 64,
            values: (_, seconds) => seconds.map((at) => time(at * 1000)),
          },
          { ...axis, size: 52, values: (_, values) => values.map(inKilowatts) },
        ],
        series: [
          {},
          { stroke: color('without'), width: 1.5, points: { show: false } },
          { stroke: color('accent'), width: 2.5, fill: color('accent-soft'), points: { show: false } },
          { stroke: color('muted'), width: 1.5, dash: [2, 4], points: { show: false } },
          { stroke: color('accent'), width: 2, dash: [7, 5], points: { show: false } },
        ],
        hooks: {
          draw: [(plot) => this.#drawNow(plot, color('muted'), font)],
          setCursor: [
            (plot) => {
              this.#at = plot.cursor.idx == null ? null : this.#rows[plot.cursor.idx >> 1].round;
              this.#read();
            },
          ],
        },
      },
      this.#data(),
      this.#host,
    );
  }

  /** @param {uPlot} plot @param {string} color @param {string} font */
  #drawNow(plot, color, font) {
    const x = Math.round(plot.valToPos(this.#now_ms / 1000, 'x', true));
    const { left, top, width, height } = plot.bbox;
    if (x < left || x > left + width) return;
    const { ctx } = plot;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = color;
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    ctx.font = font.replace('12px', `${11 * devicePixelRatio}px`);
    ctx.textAlign = x > left + width - 40 * devicePixelRatio ? 'right' : 'left';
    ctx.fillText('now', x + (ctx.textAlign === 'left' ? 5 : -5) * devicePixelRatio, top + 10 * devicePixelRatio);
    ctx.restore();
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    const plot = this.#plot;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!plot || by === undefined) return;
    event.preventDefault();
    const index = Math.min(Math.max(this.#index() + by, 0), this.#rows.length - 1);
    plot.setCursor({ left: plot.valToPos(this.#rows[index].start_ms / 1000, 'x'), top: 0 });
  }

  /** The row under the cursor, else the last metered one. */
  #index() {
    const at = this.#rows.findIndex((row) => row.round === this.#at);
    return at >= 0 ? at : this.#rows.findLastIndex((row) => row.with_W !== null);
  }

  #read() {
    const row = this.#rows[this.#index()];
    if (!row) return setText(this.#readout, 'No round has been metered yet.');
    const parts = [
      row.with_W === null ? '' : `with ${power(row.with_W)}`,
      row.without_W === null ? '' : `without ${power(row.without_W)}`,
      row.planned_W === null ? '' : `planned ${power(row.planned_W)}`,
      row.load_W === null ? '' : `load ${power(row.load_W)}`,
      row.buys_W || row.sells_W
        ? `new orders expected ${power(row.buys_W ?? 0)} to buy, ${power(row.sells_W ?? 0)} to sell`
        : '',
    ];
    const words = `${date(row.start_ms)}, ${time(row.start_ms)}: ${parts.filter(Boolean).join(' · ')}`;
    setText(this.#readout, words);
    this.#host.ariaValueMax = String(this.#rows.length - 1);
    this.#host.ariaValueNow = String(this.#index());
    this.#host.ariaValueText = words;
  }
}

/** The same rows as text, latest first. @param {Row} row @returns {[string, string][]} */
export function rowInWords(row) {
  return [
    ['start', time(row.start_ms)],
    ['with', kilowatts(row.with_W)],
    ['without', kilowatts(row.without_W)],
    ['planned', kilowatts(row.planned_W)],
    ['load', kilowatts(row.load_W)],
    ['buys', kilowatts(row.buys_W)],
    ['sells', kilowatts(row.sells_W)],
  ];
}
