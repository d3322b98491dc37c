/**
 * What the runtime needs of the world outside the hardware: time, a bus, memory, a key. The device, the bench
 * and the simulator differ only in who implements these (style guide section 5, "Run").
 */
import type { Millis, UnixMillis } from '../hal/units.ts';

/**
 * Time. On a device the system's; on a bench it may run `scale` times faster. All times and delays that pass
 * through this port, and every timeout of the program, are in this clock's time.
 */
export interface Clock {
  /** UTC. May step when the system's clock is corrected. */
  now(): UnixMillis;
  /** Never steps, never goes back; its zero means nothing. */
  monotonic(): Millis;
  /** Seconds of this clock a second of the wall's: 1 on a device. */
  readonly scale: number;
  /** Runs once after the delay (this clock's milliseconds). Returns its cancellation. */
  after(delay: Millis, run: () => void): () => void;
}

/** A publish-subscribe bus that may lose, delay, repeat and reorder. Never blocks: the outbox is bounded. */
export interface Bus {
  readonly connected: boolean;
  publish(topic: string, payload: Uint8Array): void;
  /** Every message under the microgrid's prefix that is for all or for this node, as it came: nothing has been checked. */
  onMessage(listener: (topic: string, payload: Uint8Array) => void): void;
  onConnection(listener: (connected: boolean) => void): void;
  close(): Promise<void>;
}

/** A block of the final chain as the ledger keeps it. */
export interface FinalBlock {
  readonly height: number;
  readonly round: number;
  readonly hash: Uint8Array;
  /** The PROPOSE message that carried it: signed payload, canonical bytes. */
  readonly message: Uint8Array;
  /** The FINAL votes of a quorum (a CBOR list of VOTE messages); null for an ancestor finalised by a descendant. */
  readonly certificate: Uint8Array | null;
}

/** A vote of this node: durable before it leaves, so that no restart can make it vote twice. */
export interface OwnVote {
  /** First and last view that it covers (they differ for a range-SKIP), by the global count of views. */
  readonly from: number;
  readonly to: number;
  readonly kind: 'notarize' | 'final' | 'skip';
  /** The payload that was (or is about to be) signed. */
  readonly payload: Uint8Array;
  /**
   * What the vote rests on, so that a neighbourhood can go on after a blackout: the PROPOSE message voted for, for a FINAL
   * with the NOTARIZE votes of a quorum (a CBOR list, as in a certificate). Null for a SKIP.
   */
  readonly basis: Uint8Array | null;
}

/** Another message of this node that must not be contradicted after a restart: an order, a header, a meter statement. */
export interface OwnStatement {
  readonly round: number;
  readonly kind: string;
  readonly payload: Uint8Array;
}

/** The state of the chain at a height, in the bytes that the block above it names (protocol/checkpoint.ts). */
export interface Checkpoint {
  readonly height: number;
  /** Whose members can tell that it is true. */
  readonly epoch: number;
  readonly state: Uint8Array;
}

/** What remains of a block when the block itself is pruned: how much was ordered, given and metered. */
export interface Account {
  readonly height: number;
  readonly round: number;
  /** By how many rounds a SEAL took the chain further; one that is passed over was terminated. */
  readonly rounds: number;
  /** 1 for a SCHEDULE. */
  readonly committed: number;
  /** Of the orders that a SEAL settles; and what was metered without one. */
  readonly ordered_J: number;
  readonly allocated_J: number;
  readonly metered_J: number;
  readonly unordered_J: number;
  /** The settlement rows of this node's own charge point, as CBOR (protocol/account.ts). */
  readonly own: Uint8Array;
}

/** The accounts up to a height, summed up; `own` holds the last of them, oldest first. */
export interface Past extends Omit<Account, 'height' | 'round' | 'own'> {
  readonly own: readonly Uint8Array[];
}

export type LedgerEntry =
  | { readonly kind: 'vote'; readonly vote: OwnVote }
  /** `view` is the block's: what this node has voted up to it is history. */
  | { readonly kind: 'final'; readonly block: FinalBlock; readonly view: number }
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'account'; readonly account: Account }
  | { readonly kind: 'statement'; readonly statement: OwnStatement };

/** What a ledger knows when the node starts. */
export interface LedgerContent {
  /** The newest; null when the chain is younger than a day. */
  readonly checkpoint: Checkpoint | null;
  /** Those above the checkpoint. */
  readonly blocks: readonly FinalBlock[];
  readonly votes: readonly OwnVote[];
  readonly statements: readonly OwnStatement[];
  /** False when votes or statements may be missing: more were signed with this key than the ledger knows of, or nobody knows how many. */
  readonly whole: boolean;
  /** The latest round about which anything was signed with this key; null when nobody knows. */
  readonly signedTo_round: number | null;
}

/** Durable memory. `append` returns when every entry would survive a power cut; all or none of them are kept. */
export interface Ledger {
  append(entries: readonly LedgerEntry[]): void;
  /** Blocks in order of height; votes and statements of the last rounds only. */
  load(): LedgerContent;
  /** What remains of the blocks up to a height. */
  past(height: number): Past;
  /**
   * The newest above a height that the members of an epoch can vouch for; otherwise one of the next epoch, for a node that
   * knows who comes after them.
   */
  checkpointAbove(height: number, epoch: number): Checkpoint | null;
  /** The blocks that follow a height, as many as fit into so many bytes, at least one unless the next one is not kept. */
  blocksAbove(height: number, maxBytes: number): FinalBlock[];
  /** Small facts of the device outside the chain, such as the last direction that was closed. */
  remember(key: string, value: string): void;
  recall(key: string): string | undefined;
  close(): void;
}

/** Signs with the node's key, which never leaves the adapter. */
export interface Signer {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

/** The one verification rule of the fleet: ZIP 215 (protocol README, C28). Never throws. */
export type Verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;

/** SHA-256. Handed to the core at construction. */
export type Hash = (bytes: Uint8Array) => Uint8Array;
