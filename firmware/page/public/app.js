// The page's loop: take the view from the live feed, show it, keep the clock running in between, and say so
// when the feed is silent.
import { byId, setText } from './dom.js';
import { showChain } from './neighbourhood.js';
import { nodeCard } from './node-card.js';
import { ownerControls } from './owner-controls.js';
import { count, date, duration, exactTime, integer } from './words.js';

/** @typedef {import('../server.ts').ServedView} View */
/** @typedef {import('../view.ts').NodeView} NodeView */

/** Three heartbeats of the feed. */
const SILENCE_MS = 12_000;

/** @type {Map<string, {element: HTMLElement, update(node: NodeView): void}>} */
const cards = new Map();
/** @type {NodeView['time'] | undefined} */
let clock;
/** When the last view came: by the monotonic clock, and for people. */
let seenAt = performance.now();
let lastSeen = '';
/** @type {EventSource} */
let feed;

/** @param {View} view */
function show(view) {
  const reader = view.nodes.find((node) => node.name === view.chain.seenBy) ?? view.nodes[0];
  setText(byId('title'), view.title);
  if (reader) {
    const { time } = reader;
    clock = reader.gone ? undefined : time; // a clock whose controller is gone stands still
    const live = view.nodes.filter(({ gone }) => !gone).length;
    const nodes =
      live < view.nodes.length ? `${integer(live)} of ${count(view.nodes.length, 'node')}` : count(live, 'node');
    const what = view.nodes.length > 1 ? `${nodes} live` : reader.role.replace('-', ' ');
    setText(byId('subtitle'), `${what} · microgrid ${reader.microgrid}`);
    document.title = `${view.title} · ${reader.microgrid}`;
    setText(byId('round'), String(time.round)); // the name of the round, so without separators
    setText(byId('phase'), reader.gone ? 'no controller answers' : time.phase);
    byId('no-agreement').hidden = reader.noAgreement === undefined;
    setText(byId('no-agreement'), reader.noAgreement ?? '');
    byId('main').classList.toggle('alone', reader.noAgreement !== undefined); // then there is nothing agreed to show
    byId('scale').hidden = time.scale === 1;
    setText(byId('scale'), `bench clock ×${integer(time.scale)}`);
    showChain(view.chain, time.now_ms);
  }
  showNodes(view);
}

/** @param {View} view */
function showNodes({ nodes, ownerControls: controls }) {
  for (const [key, card] of cards) {
    if (nodes.some((node) => keyOf(node) === key)) continue;
    card.element.remove();
    cards.delete(key);
  }
  for (const node of nodes) {
    const card = cards.get(keyOf(node)) ?? addCard(node, controls);
    card.update(node);
  }
}

/** @param {NodeView} node */
const keyOf = (node) => JSON.stringify([node.name, node.role]);

/** @param {NodeView} node @param {boolean} controls */
function addCard(node, controls) {
  const card = nodeCard(node);
  cards.set(keyOf(node), card);
  byId('cards').append(card.element);
  if (!controls || node.role !== 'charge-point') return card;
  // On a controller's own page its vehicle comes first.
  const owner = ownerControls(node);
  card.element.querySelector('.more')?.before(owner.element);
  card.element.classList.add('own');
  byId('main').prepend(byId('points'));
  setText(byId('points-title'), 'Charge point');
  const both = {
    element: card.element,
    update(/** @type {NodeView} */ node) {
      card.update(node);
      owner.update(node);
    },
  };
  cards.set(keyOf(node), both);
  return both;
}

function connect() {
  feed?.close();
  feed = new EventSource('/api/live');
  feed.addEventListener('view', (event) => {
    seenAt = performance.now();
    lastSeen = exactTime(Date.now());
    show(JSON.parse(event.data));
    setLink(true);
    tick();
  });
  feed.addEventListener('error', () => setLink(false));
}

/** @param {boolean} live */
function setLink(live) {
  const link = byId('link');
  link.dataset.state = live ? 'live' : 'lost';
  byId('main').classList.toggle('stale', !live);
  setText(link, live ? 'live' : lastSeen ? `disconnected, last seen ${lastSeen}` : 'disconnected');
}

function tick() {
  const silent_ms = performance.now() - seenAt;
  if (silent_ms > SILENCE_MS || feed.readyState === EventSource.CLOSED) {
    setLink(false);
    seenAt = performance.now();
    connect();
  }
  if (!clock || byId('link').dataset.state !== 'live') return;
  const now_ms = clock.now_ms + silent_ms * clock.scale;
  setText(byId('clock'), `${date(now_ms)}, ${exactTime(now_ms)}`);
  setText(byId('countdown'), duration(clock.nextRoundAt_ms - now_ms));
}

setText(byId('zone'), `, ${Intl.DateTimeFormat().resolvedOptions().timeZone}`);
connect();
setInterval(tick, 500);
