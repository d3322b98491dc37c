/**
 * certificate: the FINAL votes of a quorum as the ledger keeps them, a CBOR list of [payload, signature]. The one file
 * that writes and reads that form.
 */
import { decode, encode } from './codec.ts';
import type { Signed, Vote } from './messages.ts';

export const certificateOf = (votes: readonly Signed<Vote>[]): Uint8Array =>
  encode(votes.map((vote) => [vote.payload, vote.signature]));

/** FINAL votes that stand behind a block of the ledger: its own certificate's, or that of the descendant that made it final. */
export function votesOf(chain: readonly { readonly certificate: Uint8Array | null }[], at: number): number {
  for (let i = at; i < chain.length; i++) {
    const { certificate } = chain[i];
    const votes = certificate === null ? null : decode(certificate);
    if (votes !== null) return Array.isArray(votes) ? votes.length : 0;
  }
  return 0;
}

/** The votes of a certificate as the ledger keeps it. */
export function openVotes(certificate: Uint8Array | null, gate: { reopen(wire: Uint8Array): Signed }): Signed<Vote>[] {
  if (certificate === null) return [];
  return (decode(certificate) as [Uint8Array, Uint8Array][]).map((pair) => gate.reopen(encode(pair)) as Signed<Vote>);
}
