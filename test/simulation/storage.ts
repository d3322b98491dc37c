/**
 * A node's ledger in memory. `append` keeps all of its entries or none, like the device's; a disk that does not sync
 * loses its last writes at a crash, and a tail may be torn off (protocol.md 2.8).
 */
import type { LedgerEntry, OwnStatement, OwnVote } from '../../firmware/ports.ts';
import { toHex } from '../../firmware/protocol/codec.ts';

/** A final block by id; `certified` where FINAL votes of a quorum stand behind it directly. */
export interface KeptBlock {
  readonly id: string;
  readonly certified: boolean;
}

/** The device's ledger hands back own votes and statements of the last rounds only. */
const ROUNDS_KEPT = 64;

/** What a disk that does not sync has still in its cache. */
const UNSYNCED_VOTES = 8;

export class Disk {
  /** In order of height, from 1. */
  readonly blocks: KeptBlock[] = [];
  private votes: OwnVote[] = [];
  private statements: OwnStatement[] = [];
  /** The device's fact of the same name: see createRuntime. */
  memoryFrom_round = 0;
  private readonly syncs: boolean;

  constructor(syncs = true) {
    this.syncs = syncs;
  }

  append(entries: readonly LedgerEntry[]): void {
    for (const entry of entries) {
      if (entry.kind === 'vote') {
        this.votes.push(entry.vote);
      } else if (entry.kind === 'statement') {
        const { round } = entry.statement;
        if (this.statements.length > 0 && this.statements[0].round < round - ROUNDS_KEPT)
          this.statements = this.statements.filter((kept) => kept.round >= round - ROUNDS_KEPT / 2);
        this.statements.push(entry.statement);
      } else {
        const { hash, certificate } = entry.block;
        this.blocks[entry.block.height - 1] = { id: toHex(hash), certified: certificate !== null };
      }
    }
  }

  /** Forgets votes that a final block made history. */
  prune(finalView: number): void {
    if (this.votes.length > 256) this.votes = this.votes.filter((vote) => vote.to > finalView);
  }

  /** The power goes. What was not synced is gone. */
  crash(): void {
    if (!this.syncs) this.loseTail(UNSYNCED_VOTES);
  }

  /** The last votes are gone, as after a torn page or a restored backup. */
  loseTail(votes: number): void {
    this.votes.length = Math.max(0, this.votes.length - votes);
  }

  load(): { readonly votes: readonly OwnVote[]; readonly statements: readonly OwnStatement[] } {
    return { votes: this.votes, statements: this.statements };
  }
}
