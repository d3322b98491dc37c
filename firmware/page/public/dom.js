// Building and updating elements. Data reaches the page only as text: `append` and `textContent` never parse HTML.

/**
 * @param {string} tag
 * @param {Record<string, string | boolean | EventListener>} [props] attributes; a function is a listener of that event
 * @param {...(Node | string)} children
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

/** @param {string} id */
export function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * Touches the document only when the text is new: selections and screen readers stay undisturbed.
 * @param {Element} element @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @type {WeakMap<Element, string>} */
const shown = new WeakMap();

/**
 * Replaces the children when the data behind them is new. For parts that hold nothing to focus.
 * @template T
 * @param {Element} parent @param {T} data @param {(data: T) => (Node | string)[]} build
 */
export function fill(parent, data, build) {
  const key = JSON.stringify(data);
  if (shown.get(parent) === key) return;
  shown.set(parent, key);
  parent.replaceChildren(...build(data));
}

/**
 * A table row; the labels are shown beside the cells where the table is folded for a narrow screen.
 * @param {[label: string, content: Node | string][]} cells
 */
export function row(cells) {
  return h('tr', {}, ...cells.map(([label, content]) => h('td', { 'data-label': label }, content)));
}
