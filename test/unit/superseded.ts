/** What the ledgers of the tests forget, as adapters/sqlite-ledger.ts does. */
import type { OwnVote } from '../../firmware/ports.ts';

/** A SKIP makes what else its node has said about these views history, but for its FINALs. */
export const isSuperseded = ({ kind, from, to }: OwnVote, skip: OwnVote): boolean =>
  kind !== 'final' && from >= skip.from && to <= skip.to;
