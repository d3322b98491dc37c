/** The three things a level of the arbiter can want. */
import type { Milliamps } from '../../hal/units.ts';
import type { Direction, ReasonCode, Target } from './types.ts';

/** Close (or keep closed) one contact, with at most this current per phase. */
export const close = (contact: Direction, limit: Milliamps, code: ReasonCode, text: string): Target => ({
  contact,
  limit,
  reason: { code, text },
});

/** Open when the current has been withdrawn. */
export const rest = (code: ReasonCode, text: string): Target => ({
  contact: 'none',
  urgent: false,
  reason: { code, text },
});

/** Open now, whatever flows. */
export const openNow = (code: ReasonCode, text: string): Target => ({
  contact: 'none',
  urgent: true,
  reason: { code, text },
});
