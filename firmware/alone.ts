/**
 * A neighbourhood of fewer charge points than can agree, in the same words for the log, `check` and the page. Each of them
 * is safe without any agreement: it keeps to its safe share for good.
 */
import { SEATS_LEAST } from './protocol/limits.ts';

/** For everyone: what is so. */
export const noAgreement = (voters: number): string =>
  `No agreement: this neighbourhood has ${voters} charge point${voters === 1 ? '' : 's'}, and agreeing takes ${SEATS_LEAST}. ` +
  'Nothing is traded; each charge point charges within its own safe share.';

/** For whoever can change it. */
export const TO_AGREE =
  `To trade, list at least ${SEATS_LEAST} charge points in the neighbourhood file, give it to every node, and name a new ` +
  'ledger in each configuration: the new file begins a chain of its own.';
