// Figures and states in words. One language (English) and one form of number throughout, so no browser setting
// changes what a figure looks like; only the time zone is the reader's.

/** @param {number} digits */
const fixed = (digits) =>
  new Intl.NumberFormat('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const [whole, one] = [fixed(0), fixed(1)];
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const exactClock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short' });

/** A real minus sign, as wide as a plus. @param {string} text */
const minus = (text) => text.replace('-', '−');

/** @param {number} value */
export const integer = (value) => minus(whole.format(value));
/** @param {number} value */
export const decimal = (value) => minus(one.format(value));
/** One decimal while it matters. @param {number} value */
export const figure = (value) => (Math.abs(value) < 1000 ? decimal(value) : integer(value));
/** @param {number | null} power_W */
export const kilowatts = (power_W) => (power_W === null ? '–' : decimal(power_W / 1000));
/** @param {number | null} power_W */
export const power = (power_W) => (power_W === null ? 'no reading' : `${kilowatts(power_W)}\u00a0kW`);
/** @param {number} energy_Wh */
export const wattHours = (energy_Wh) => `${integer(energy_Wh)}\u00a0Wh`;
/** @param {number} energy_Wh */
export const kilowattHours = (energy_Wh) => `${decimal(energy_Wh / 1000)}\u00a0kWh`;
/** A reduction of 33.2 % reads as a change of −33.2 %. @param {number} reduction_percent */
export const change = (reduction_percent) => `${reduction_percent < 0 ? '+' : ''}${decimal(-reduction_percent)}\u00a0%`;
/** A whole number of any size. @param {string} digits */
export const bigInteger = (digits) => (/^\d+$/.test(digits) ? BigInt(digits).toLocaleString('en-GB') : digits);
/** @param {number} time_ms */
export const time = (time_ms) => clock.format(time_ms);
/** @param {number} time_ms */
export const exactTime = (time_ms) => exactClock.format(time_ms);
/** @param {number} time_ms */
export const date = (time_ms) => day.format(time_ms);
/** @param {number} time_ms @param {number} now_ms */
export const timeNear = (time_ms, now_ms) =>
  date(time_ms) === date(now_ms) ? time(time_ms) : `${date(time_ms)}, ${time(time_ms)}`;
/** @param {string} hash */
export const short = (hash) => hash.slice(0, 8);
/** @param {number} count @param {string} noun */
export const count = (count, noun) => `${integer(count)} ${noun}${count === 1 ? '' : 's'}`;

/** Minutes and seconds, with hours when there are any. @param {number} duration_ms */
export function duration(duration_ms) {
  const seconds = Math.max(0, Math.ceil(duration_ms / 1000));
  const pad = (/** @type {number} */ value) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`;
}

/** `meter-silent` reads as `meter silent`; a sentence stays as it is. @param {string} code */
export const spell = (code) => (code.includes(' ') ? code : code.replaceAll('-', ' '));

/** IEC 61851-1 pilot states. */
export const PILOT = {
  A: 'no vehicle',
  B: 'vehicle connected',
  C: 'vehicle ready',
  D: 'vehicle ready, needs ventilation',
  E: 'pilot failure',
  F: 'out of service',
};

/** Why an order that had to run was held back: what it would have broken beside all that runs. */
export const HELD_BACK = {
  capacity: 'with all else that runs it would have drawn more than the neighbourhood’s capacity allows',
  export: 'with all else that runs it would have fed back more than the neighbourhood may',
  connector: 'its connector runs another order in that round, or cannot deliver so much',
  turn: 'when the room was shared out among all that had to run, there was none left for it',
};

export const OVERRIDE = { stop: 'stopped by the owner', charge: 'charging now by the owner’s wish', none: '' };
