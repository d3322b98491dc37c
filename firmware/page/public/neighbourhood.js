// What all nodes share: the benefit, the power by round, the blocks and the settlement.
import { byId, fill, h, row, setText } from './dom.js';
import { PowerChart, rowInWords, rowsOf } from './power-chart.js';
import { bigInteger, change, count, decimal, figure, integer, kilowattHours, short, time, wattHours } from './words.js';

/** @typedef {import('../view.ts').ChainView} ChainView */
/** @typedef {import('../view.ts').BlockView} BlockView */

const chart = new PowerChart();

/** @param {ChainView} chain @param {number} now_ms */
export function showChain(chain, now_ms) {
  showBenefit(chain.fluctuation);
  const rows = rowsOf(chain);
  chart.show(rows, now_ms);
  fill(byId('power-rows'), rows, (rows) => rows.toReversed().map((one) => row(rowInWords(one))));
  fill(byId('blocks'), chain.blocks, (blocks) => blocks.map(blockRow));
  const { totals } = chain;
  setText(
    byId('totals'),
    `${count(totals.committed, 'round')} committed, ${integer(totals.terminated)} terminated, by the ledger of ${chain.seenBy}`,
  );
  setText(byId('ordered'), kilowattHours(totals.ordered_Wh));
  setText(byId('allocated'), kilowattHours(totals.allocated_Wh));
  setText(byId('metered'), kilowattHours(totals.metered_Wh));
  const open = totals.unsettled_rounds;
  setText(
    byId('settled'),
    `Orders that are settled; ${kilowattHours(totals.unordered_Wh)} more metered without an order (safe share)${
      open > 0 ? `; ${count(open, 'round')} not settled yet` : ''
    }`,
  );
  fill(byId('settlement'), chain.settlement, (rows) =>
    rows.map((one) =>
      row([
        ['round', String(one.round)],
        ['charge point', one.node],
        ['order', h('code', {}, short(one.order))],
        ['ordered', wattHours(one.ordered_Wh)],
        ['allocated', wattHours(one.allocated_Wh)],
        ['metered', wattHours(one.metered_Wh)],
      ]),
    ),
  );
}

/** @param {ChainView['fluctuation']} fluctuation */
function showBenefit(fluctuation) {
  setText(byId('reduction'), fluctuation ? change(fluctuation.reduction_percent.cbrt) : '–');
  setText(
    byId('reduction-words'),
    fluctuation ? 'cube root of PF, with the trade against without' : 'known once two rounds are metered',
  );
  setText(byId('cbrt-with'), fluctuation ? decimal(fluctuation.with.cbrt) : '–');
  setText(byId('cbrt-without'), fluctuation ? decimal(fluctuation.without.cbrt) : '–');
  setText(
    byId('window'),
    fluctuation ? `Over ${count(fluctuation.window_rounds, 'round')}; slopes of the power in kW per hour` : '',
  );
  /** @type {[keyof import('../view.ts').Fluctuation, string][]} */
  const forms = [
    ['cbrt', 'cube root of PF'],
    ['pf', 'PF'],
    ['sd', 'deviation of slope'],
  ];
  fill(byId('forms'), fluctuation, (known) =>
    forms.map(([form, name]) =>
      h(
        'tr',
        {},
        h('th', { scope: 'row' }, name),
        h('td', {}, known ? figure(known.with[form]) : '–'),
        h('td', {}, known ? figure(known.without[form]) : '–'),
        h('td', {}, known ? change(known.reduction_percent[form]) : '–'),
      ),
    ),
  );
}

/** @param {BlockView} block */
function blockRow(block) {
  const { received, quorum, validators } = block.votes;
  return row([
    ['round', h('span', {}, String(block.round), ' ', h('time', { class: 'muted' }, time(block.start_ms)))],
    ['outcome', h('span', { class: 'tag', 'data-outcome': block.outcome }, block.outcome)],
    ['author', block.author ?? '–'],
    ['lambda', block.lambda === null ? '–' : bigInteger(block.lambda)],
    ['votes', h('span', { title: `${quorum} make a quorum` }, `${received} of ${validators}`)],
    ['orders', integer(block.ordersExecuted)],
    ['block', block.height === null ? '–' : h('span', {}, `${block.height} `, h('code', {}, short(block.hash ?? '')))],
  ]);
}
