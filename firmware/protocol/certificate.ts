/**
 * certificate: signed messages as the ledger keeps them, a CBOR list of [payload, signature]: the FINAL votes of a quorum
 * behind a block, or what an own vote rests on. The one file that writes and reads that form.
 */
import { decode, encode } from './codec.ts';
import type { Signed, Vote } from './messages.ts';

export const certificateOf = (messages: readonly Signed[]): Uint8Array =>
  encode(messages.map(({ payload, signature }) => [payload, signature]));

/** FINAL votes that stand behind a block of the ledger: its own certificate's, or that of the descendant that made it final. */
export function votesOf(chain: readonly { readonly certificate: Uint8Array | null }[], at: number): number {
  for (let i = at; i < chain.length; i++) {
    const { certificate } = chain[i];
    const votes = certificate === null ? null : decode(certificate);
    if (votes !== null) return Array.isArray(votes) ? votes.length : 0;
  }
  return 0;
}

/** The messages of a certificate as the ledger keeps it. */
export const openMessages = (certificate: Uint8Array | null, gate: { reopen(wire: Uint8Array): Signed }): Signed[] =>
  certificate === null
    ? []
    : (decode(certificate) as [Uint8Array, Uint8Array][]).map((pair) => gate.reopen(encode(pair)));

export const openVotes = (certificate: Uint8Array | null, gate: { reopen(wire: Uint8Array): Signed }): Signed<Vote>[] =>
  openMessages(certificate, gate) as Signed<Vote>[];
