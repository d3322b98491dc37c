// One node: its charge point (or the head meter) and how it stands in the neighbourhood. The card is built once
// and then only its texts change, so that focus, selection and what is unfolded stay.
import { fill, h, setText } from './dom.js';
import {
  count,
  decimal,
  HELD_BACK,
  integer,
  kilowattHours,
  OVERRIDE,
  PILOT,
  power,
  short,
  spell,
  time,
  timeNear,
} from './words.js';

/** @typedef {import('../view.ts').NodeView} NodeView */
/** @typedef {import('../view.ts').ChargePointView} ChargePointView */
/** @typedef {import('../view.ts').OrderView} OrderView */
/** @typedef {import('../view.ts').HeldBackView} HeldBackView */

const CONTACT = { open: '○ open', closed: '● closed', unknown: '? unknown' };

/** What the broker says again or late is ordinary, and no complaint. */
const HARMLESS = new Set(['duplicate', 'other-round']);

/** @param {NodeView} first @returns {{element: HTMLElement, update(node: NodeView): void}} */
export function nodeCard(first) {
  const title = h('h3', {}, first.name);
  const state = h('span', { class: 'pill' });
  const gone = h('p', { class: 'gone' });
  const body = first.role === 'head-meter' ? headMeter() : chargePoint();
  const standing = h('p', { class: 'standing muted' });
  const ignored = h('p', { class: 'standing muted' });
  const refusals = h('p', { class: 'refusals' });
  const element = h(
    'article',
    { class: 'panel card', 'aria-label': first.name },
    h('div', { class: 'state' }, h('header', {}, title, state), gone, ...body.state),
    h('div', { class: 'more' }, ...body.more, h('footer', {}, standing, ignored, refusals)),
  );
  return {
    element,
    update(node) {
      const { words, level } = body.update(node);
      setText(state, node.gone ? 'not live' : words);
      state.dataset.state = node.gone ? 'bad' : level;
      element.classList.toggle('absent', node.gone !== undefined);
      gone.hidden = !node.gone;
      setText(gone, node.gone ? `${node.gone.why}; no view since ${time(node.gone.since_ms)}` : '');
      fill(standing, [node.gone, node.noAgreement, node.brokerConnected, node.peers, node.head, node.version], () => [
        ...(node.gone
          ? ['last seen']
          : [
              h(
                'span',
                { class: node.brokerConnected || node.noAgreement ? '' : 'bad' },
                `broker ${node.brokerConnected ? 'connected' : 'lost'}`,
              ),
              ` · ${integer(node.peers.alive)} of ${count(node.peers.known, 'peer')} alive`,
            ]),
        ...(node.head ? [` · block ${node.head.height} `, h('code', {}, short(node.head.hash))] : []),
        ` · version ${node.version}`,
      ]);
      const codes = Object.entries(node.refusals);
      setText(
        refusals,
        messages(
          'refused',
          codes.filter(([code]) => !HARMLESS.has(code)),
        ),
      );
      setText(
        ignored,
        messages(
          'ignored',
          codes.filter(([code]) => HARMLESS.has(code)),
        ),
      );
    },
  };
}

/** @param {string} what @param {[code: string, times: number][]} codes */
function messages(what, codes) {
  const sum = codes.reduce((sum, [, times]) => sum + times, 0);
  const each = codes.map(([code, times]) => `${spell(code)} ${integer(times)}`).join(', ');
  return sum === 0 ? '' : `${count(sum, 'message')} ${what}: ${each}`;
}

function headMeter() {
  const value = h('p', { class: 'draw figure' });
  const bar = gauge('of the capacity');
  return {
    state: [value, bar.element],
    more: [],
    update(/** @type {NodeView} */ { site }) {
      setText(value, power(site?.power_W ?? null));
      const percent = site?.power_W == null ? null : (100 * Math.abs(site.power_W)) / site.capacity_W;
      bar.update(
        percent,
        percent === null ? '' : `${decimal(percent)} % of the capacity, ${power(site?.capacity_W ?? 0)}`,
      );
      return site?.power_W == null ? { words: 'meter silent', level: 'bad' } : { words: 'head meter', level: 'idle' };
    },
  };
}

function chargePoint() {
  const reason = h('p', { class: 'reason' });
  const value = h('p', { class: 'draw figure' });
  const flow = h('p', { class: 'muted' });
  const soc = gauge('state of charge');
  const need = h('p', { class: 'need' });
  const contacts = h('tbody');
  const faults = h('ul', { class: 'faults', 'aria-label': 'Faults' });
  const orders = h('ul', { class: 'orders' });
  const heldBack = h('ul', { class: 'held-back', 'aria-label': 'Held back' });
  const ordersTitle = h('h4', {}, 'Orders');
  return {
    state: [reason, heldBack, faults, value, flow, soc.element, need],
    more: [
      h(
        'table',
        { class: 'contacts' },
        h(
          'thead',
          {},
          h('tr', {}, ...['contact', 'wanted', 'observed', 'switched'].map((name) => h('th', { scope: 'col' }, name))),
        ),
        contacts,
      ),
      ordersTitle,
      orders,
    ],
    update(/** @type {NodeView} */ { chargePoint: point, gone, time }) {
      if (!point) return { words: 'no charge point', level: 'bad' };
      setText(reason, point.reason);
      setText(value, power(point.power_W));
      setText(flow, gone ? '' : flowInWords(point));
      const percent = point.vehicle?.soc_percent ?? null;
      soc.update(percent, percent === null ? 'state of charge unknown' : `${integer(percent)} % charged`);
      soc.element.hidden = point.vehicle === null;
      setText(need, needInWords(point, time.now_ms));
      for (const part of [reason, value, flow, need, ordersTitle, orders]) part.hidden = gone !== undefined;
      fill(contacts, point.contacts, ({ charge, discharge }) => [
        contactRow('charge', charge),
        contactRow('discharge', discharge),
      ]);
      fill(faults, point.faults, (codes) => codes.map((code) => h('li', {}, spell(code))));
      fill(orders, point.orders, (list) =>
        list.length > 0 ? list.map(orderItem) : [h('li', { class: 'muted' }, 'none')],
      );
      heldBack.hidden = point.heldBack.length === 0;
      fill(heldBack, point.heldBack, (list) => list.map((one) => h('li', {}, heldBackInWords(one))));
      const words = point.pilot ? `${PILOT[point.pilot]} (${point.pilot})` : 'connector silent';
      const bad = point.faults.length > 0 || point.pilot === null || point.pilot === 'E' || point.pilot === 'F';
      return { words, level: bad ? 'bad' : Math.abs(point.power_W ?? 0) >= 50 ? 'active' : 'idle' };
    },
  };
}

/** @param {ChargePointView} point */
function flowInWords({ power_W, offered_mA }) {
  const offer = offered_mA > 0 ? `${decimal(offered_mA / 1000)} A offered` : 'no current offered';
  if (power_W === null || power_W === 0) return offer;
  return `${power_W > 0 ? 'into the vehicle' : 'out of the vehicle'}, ${offer}`;
}

/** @param {ChargePointView} point @param {number} now_ms */
function needInWords({ vehicle, override }, now_ms) {
  const wish = OVERRIDE[override];
  if (!vehicle) return wish;
  const { energyMissing_Wh, departure_ms } = vehicle;
  const missing = energyMissing_Wh > 0 ? `${kilowattHours(energyMissing_Wh)} missing` : 'nothing missing';
  const need = `${missing}, leaves ${timeNear(departure_ms, now_ms)}`;
  return wish ? `${need}; ${wish}` : need;
}

/** @param {string} name @param {import('../view.ts').ContactView} contact */
function contactRow(name, { wanted, observed, operations }) {
  // A board without auxiliary contacts never knows: that is said, but it is no alarm.
  const differs = observed !== 'unknown' && wanted !== 'unknown' && observed !== wanted;
  return h(
    'tr',
    { class: differs ? 'differs' : '' },
    h('th', { scope: 'row' }, name),
    h('td', {}, CONTACT[wanted]),
    h('td', {}, CONTACT[observed], ...(differs ? [h('span', { class: 'visually-hidden' }, ', not as wanted')] : [])),
    h('td', {}, `${integer(operations)}×`),
  );
}

/** @param {OrderView} order */
function orderItem({ id, side, power_W, round, state, waited_rounds }) {
  return h(
    'li',
    { 'data-state': state },
    h('span', {}, `${side} ${power(power_W)}`),
    h('span', { class: 'tag' }, state),
    h('span', { class: 'muted' }, `round ${round}, waited ${integer(waited_rounds)} `, h('code', {}, short(id))),
  );
}

/** @param {HeldBackView} held */
function heldBackInWords({ side, power_W, heldBack_W, round, start_ms, why }) {
  const part = heldBack_W < power_W ? `${power(heldBack_W)} of your ${side} of` : `Your ${side} of`;
  return (
    `${part} ${power(power_W)} was held back for safety in round ${round} (${time(start_ms)}): ${HELD_BACK[why]}. ` +
    'Each round that is agreed tries it again, until it is too old.'
  );
}

/** A bar with its figure in words. @param {string} label */
function gauge(label) {
  const level = h('span', { class: 'level' });
  const bar = h(
    'div',
    { class: 'bar', role: 'meter', 'aria-label': label, 'aria-valuemin': '0', 'aria-valuemax': '100' },
    level,
  );
  const words = h('p', { class: 'muted' });
  const element = h('div', { class: 'gauge' }, bar, words);
  return {
    element,
    update(/** @type {number | null} */ percent, /** @type {string} */ text) {
      bar.hidden = percent === null;
      bar.setAttribute('aria-valuenow', String(Math.round(percent ?? 0)));
      bar.setAttribute('aria-valuetext', text);
      level.style.width = `${Math.min(percent ?? 0, 100)}%`;
      setText(words, text);
    },
  };
}
