/**
 * evidence: two signed messages of one node that no honest node signs both, which anyone can check with nothing else at
 * hand; or one header that is not what it says, which whoever has the SEAL that it names can recompute (consensus/judge.ts).
 * It convicts the right node or nobody: nothing in it depends on time, or on what a node happens to hold.
 */
import type { Signed } from './messages.ts';

export type Offence =
  | 'two NOTARIZE in one view'
  | 'two FINAL in one view'
  | 'FINAL and SKIP for one view'
  | 'two proposals in one view'
  | 'two headers in one round'
  | 'a header that is not what it says'
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

/**
 * What these messages prove of the sender of the first; null when an honest node may have signed both. Order does not
 * matter. Of a header alone it is what it would be, were it false.
 */
export function offenceOf(first: Signed, second: Signed | null): Offence | null {
  if (second === null) return first.body.type === 'HEADER' ? 'a header that is not what it says' : null;
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
