/**
 * A node's ledger in memory. `append` keeps all of its entries or none, like the device's; a disk that does not sync
 * loses its last writes at a crash, and a tail may be torn off (protocol.md 2.8).
 */
import type { Checkpoint, LedgerEntry, OwnStatement, OwnVote } from '../../firmware/ports.ts';
import { toHex } from '../../firmware/protocol/codec.ts';
import type { Evidence, Signed } from '../../firmware/protocol/messages.ts';
import { signedAbout } from '../../firmware/protocol/round.ts';
import { isSuperseded } from '../unit/superseded.ts';

/** A final block by id; `certified` where FINAL votes of a quorum stand behind it directly. */
export interface KeptBlock {
  readonly id: string;
  readonly certified: boolean;
}

/** The device's ledger hands back own votes and statements of the last rounds only. */
const ROUNDS_KEPT = 64;

/** What a disk that does not sync has still in its cache. */
const UNSYNCED = 8;

/** What the node has signed: a vote or a statement. */
type Own = Extract<LedgerEntry, { kind: 'vote' | 'statement' }>;

export class Disk {
  /** By height. Those below the last checkpoint but one are pruned, but for what proves a checkpoint. */
  readonly blocks = new Map<number, KeptBlock>();
  readonly checkpoints: Checkpoint[] = [];
  readonly proofs: Signed<Evidence>[] = [];
  /** In the order in which they were signed. */
  private own: Own[] = [];
  /** The device's fact of the same name: see createRuntime. */
  memoryFrom_round = 0;
  /** What the counter beside the key knows, whatever becomes of the disk. */
  signedTo_round = 0;
  private readonly syncs: boolean;

  constructor(syncs = true) {
    this.syncs = syncs;
  }

  append(entries: readonly LedgerEntry[]): void {
    this.signedTo_round = Math.max(this.signedTo_round, ...entries.flatMap(signedAbout));
    for (const entry of entries) {
      if (entry.kind === 'vote' || entry.kind === 'statement') {
        if (entry.kind === 'vote' && entry.vote.kind === 'skip') this.forgetUnder(entry.vote);
        this.own.push(entry);
      } else if (entry.kind === 'checkpoint') {
        this.checkpoints.push(entry.checkpoint);
        const horizon = this.checkpoints.at(-2)?.height ?? 0;
        for (const height of this.blocks.keys())
          if (height <= horizon && !this.proves(height)) this.blocks.delete(height);
      } else if (entry.kind === 'final') {
        const { height, hash, certificate } = entry.block;
        this.blocks.set(height, { id: toHex(hash), certified: certificate !== null });
      }
    }
  }

  private forgetUnder(skip: OwnVote): void {
    this.own = this.own.filter((entry) => entry.kind !== 'vote' || !isSuperseded(entry.vote, skip));
  }

  /** Which blocks below the horizon stay: of each checkpoint the one that names it, and those up to the next certificate. */
  private proves(height: number): boolean {
    return this.checkpoints.some((checkpoint) => {
      if (checkpoint.height >= height) return false;
      for (let under = checkpoint.height + 1; under < height; under++)
        if (this.blocks.get(under)?.certified !== false) return false;
      return true;
    });
  }

  /** Forgets what a final block made history. */
  prune({ view, round }: { readonly view: number; readonly round: number }): void {
    if (this.own.length > 256)
      this.own = this.own.filter((entry) =>
        entry.kind === 'vote' ? entry.vote.to > view : entry.statement.round >= round - ROUNDS_KEPT,
      );
  }

  /** The power goes. What was not synced is gone. */
  crash(): void {
    if (!this.syncs) this.lose(UNSYNCED);
  }

  /** The last votes and statements are gone, as after a torn page or a restored backup; of endlessly many, the chain too. */
  lose(last: number): void {
    this.own.length = Math.max(0, this.own.length - last);
    if (last !== Number.POSITIVE_INFINITY) return;
    this.blocks.clear();
    this.checkpoints.length = 0;
    this.proofs.length = 0;
  }

  get checkpoint(): Checkpoint | null {
    return this.checkpoints.at(-1) ?? null;
  }

  checkpointAbove(height: number, epoch: number): Checkpoint | null {
    const of = (most: number) => this.checkpoints.findLast((each) => each.height > height && each.epoch <= most);
    return of(epoch) ?? of(epoch + 1) ?? null;
  }

  /** The blocks that follow a height. */
  above(height: number): KeptBlock[] {
    const page: KeptBlock[] = [];
    for (let block = this.blocks.get(height + 1); block; block = this.blocks.get(height + 1 + page.length))
      page.push(block);
    return page;
  }

  load(): { readonly votes: readonly OwnVote[]; readonly statements: readonly OwnStatement[] } {
    return {
      votes: this.own.flatMap((entry) => (entry.kind === 'vote' ? [entry.vote] : [])),
      statements: this.own.flatMap((entry) => (entry.kind === 'statement' ? [entry.statement] : [])),
    };
  }
}
