/**
 * evidence: two signed messages of one node that no honest node signs both. Anyone can check it with nothing else at
 * hand, so that it convicts the right node or nobody. A wrong lambda needs none: whoever recomputes it refuses the header.
 */
import type { Signed } from './messages.ts';

export type Offence =
  | 'two NOTARIZE in one view'
  | 'two FINAL in one view'
  | 'FINAL and SKIP for one view'
  | 'two proposals in one view'
  | 'two headers in one round'
  | 'two meter statements for one round'
  | 'two site readings for one round';

const TWICE: Readonly<Record<string, Offence>> = {
  notarize: 'two NOTARIZE in one view',
  final: 'two FINAL in one view',
  PROPOSE: 'two proposals in one view',
  HEADER: 'two headers in one round',
  METER: 'two meter statements for one round',
  SITE: 'two site readings for one round',
};

/** What these two messages prove of their sender; null when an honest node may have signed both. Order does not matter. */
export function offenceOf(first: Signed, second: Signed): Offence | null {
  const [a, b] = [first.body, second.body];
  if (first.sender !== second.sender || first.id === second.id || a.type !== b.type) return null;
  if (a.type !== 'VOTE' || b.type !== 'VOTE') {
    return first.round === second.round && first.view === second.view ? (TWICE[a.type] ?? null) : null;
  }
  if (a.kind === b.kind) {
    return a.kind !== 'skip' && first.view === second.view && a.block !== b.block ? TWICE[a.kind] : null;
  }
  const [final, skip] = a.kind === 'final' ? [first, second] : [second, first];
  if (final.body.type !== 'VOTE' || final.body.kind !== 'final') return null;
  if (skip.body.type !== 'VOTE' || skip.body.kind !== 'skip') return null;
  return skip.view <= final.view && final.view <= skip.body.to ? 'FINAL and SKIP for one view' : null;
}
