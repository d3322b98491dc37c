// The owner's commands, only on the page of the controller itself. They are carried out there and answered in
// words; what the charge point then does is seen on its card.
import { h, setText } from './dom.js';

/** @typedef {import('../view.ts').NodeView} NodeView */

/** @type {['none' | 'charge' | 'stop', string][]} */
const OVERRIDES = [
  ['none', 'Follow the plan'],
  ['charge', 'Charge now'],
  ['stop', 'Stop'],
];

/** @param {NodeView} first @returns {{element: HTMLElement, update(node: NodeView): void}} */
export function ownerControls(first) {
  const answer = h('p', { class: 'answer', role: 'status' });

  /** @param {string} method @param {string} path @param {unknown} body */
  async function command(method, path, body) {
    setText(answer, 'Sending …');
    try {
      const response = await fetch(path, {
        method,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const reply = await response.json();
      answer.dataset.ok = String(response.ok);
      setText(answer, response.ok ? reply.message : `Not done: ${reply.error.message}`);
    } catch {
      answer.dataset.ok = 'false';
      setText(answer, 'Not done: the controller did not answer. Try again when the page is live.');
    }
  }

  const buttons = OVERRIDES.map(([override, words]) => ({
    override,
    button: h('button', { type: 'button', click: () => command('PUT', '/api/override', { override }) }, words),
  }));
  const weld = h(
    'div',
    { class: 'weld', hidden: true },
    h('p', {}, 'A contact was found welded. Clear this only after a person has checked that it opens.'),
    h('button', { type: 'button', click: () => command('POST', '/api/clear-weld', {}) }, 'Checked: clear the weld'),
  );
  const element = h(
    'section',
    { class: 'owner', 'aria-labelledby': 'owner-title' },
    h('h3', { id: 'owner-title' }, 'Your vehicle'),
    h(
      'div',
      { class: 'buttons', role: 'group', 'aria-label': 'What the charge point does' },
      ...buttons.map((one) => one.button),
    ),
    needForm(first, (need) => command('PUT', '/api/need', need)),
    weld,
    answer,
  );
  return {
    element,
    update({ chargePoint, noAgreement }) {
      const [follow] = buttons;
      setText(follow.button, noAgreement ? 'Charge in time' : 'Follow the plan');
      for (const { override, button } of buttons) button.ariaPressed = String(chargePoint?.override === override);
      weld.hidden = !chargePoint?.faults.includes('welded-contact');
    },
  };
}

/** @param {NodeView} node @param {(need: object) => void} send */
function needForm({ chargePoint, time }, send) {
  const vehicle = chargePoint?.vehicle;
  const leave_ms = vehicle?.departure_ms ?? time.now_ms + 8 * 3_600_000;
  const energy = field('Energy wanted, kWh', { type: 'number', min: '0', max: '1000', step: '0.1', required: true });
  const leave = field('Ready by', { type: 'datetime-local', required: true });
  const battery = field('Battery, kWh', { type: 'number', min: '0.1', max: '1000', step: '0.1' });
  const soc = field('Charged now, %', { type: 'number', min: '0', max: '100', step: '1' });
  const reserve = field('Never sell below, kWh', { type: 'number', min: '0', max: '1000', step: '0.1' });
  const sell = h('input', { type: 'checkbox' });
  if (vehicle) energy.input.value = (vehicle.energyMissing_Wh / 1000).toFixed(1);
  leave.input.value = localMinute(leave_ms);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    send({
      energyMissing_Wh: thousand(energy.input),
      departure_ms: new Date(leave.input.value).getTime(),
      maySell: /** @type {HTMLInputElement} */ (sell).checked,
      ...(battery.input.value && { battery_Wh: thousand(battery.input) }),
      ...(soc.input.value && { soc_ppm: Math.round(soc.input.valueAsNumber * 10_000) }),
      ...(reserve.input.value && { reserve_Wh: thousand(reserve.input) }),
    });
  };
  return h(
    'form',
    { class: 'need-form', submit },
    energy.label,
    leave.label,
    h(
      'details',
      {},
      h('summary', {}, 'Battery and selling'),
      h('div', { class: 'fields' }, battery.label, soc.label, reserve.label),
      h('label', { class: 'check' }, sell, 'May sell to the neighbourhood what is more than enough'),
    ),
    h('button', { type: 'submit', class: 'primary' }, 'Set what is needed'),
  );
}

/** @param {string} name @param {Record<string, string | boolean>} props */
function field(name, props) {
  const input = /** @type {HTMLInputElement} */ (h('input', props));
  return { input, label: h('label', {}, h('span', {}, name), input) };
}

/** @param {HTMLInputElement} input */
const thousand = (input) => Math.round(input.valueAsNumber * 1000);

/** What a datetime-local field takes: the browser's time without zone. @param {number} time_ms */
function localMinute(time_ms) {
  return new Date(time_ms - new Date(time_ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
