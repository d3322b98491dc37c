/**
 * What one node's core remembers. Plain data, changed by step.ts (and the rules it calls) alone; everything that
 * must survive a restart goes to the ledger through the obligations of a step.
 */
import type { Hash, LedgerEntry } from '../ports.ts';
import type { Instance } from './benefit/instance.ts';
import { applyBlock } from './block.ts';
import { type ChainState, genesisState } from './chain.ts';
import { sameBytes } from './codec.ts';
import type { Question } from './consensus/answer.ts';
import type { PoBState } from './consensus/pob.ts';
import { emptyBook, type VoteBook } from './consensus/votes.ts';
import { CLOCK_LEAP_ROUNDS } from './limits.ts';
import { publicKeyOf } from './members.ts';
import type { Block, Evidence, Header, Signed, Site, Unsigned, Vote } from './messages.ts';
import type { Plan } from './plan.ts';
import { emptyPool, type Pool } from './pool.ts';
import type { Registry } from './registry.ts';
import { decisionStart, type Hours, hours } from './round.ts';
import { type AuditedHeader, auditHeader, judgePlan, tiesOf } from './schedule.ts';

/** A block in the tree that grows from the last final one. */
export interface BlockNode {
  /** Null for the neighbourhood itself, and where a checkpoint stands in. */
  readonly block: Signed<Block> | null;
  readonly view: number;
  /** Null at the last final block: what is under it is the ledger's. */
  parent: BlockNode | null;
  readonly state: ChainState;
  notarized: boolean;
  final: boolean;
}

/** What this node has signed, as far as it matters for what it may still sign. */
export interface OwnVotes {
  /** View to block. */
  readonly notarized: Map<number, string>;
  readonly final: Set<number>;
  /** Those of `final` that are in this node's ledger with what they rest on; others it may know from its peers. */
  readonly kept: Set<number>;
  skipped: { readonly epoch: number; readonly from: number; readonly to: number }[];
}

/**
 * Predicate V and the order of ties: pure functions of the chain, handed in like the hash, so that a program that runs
 * many nodes can compute each block, plan and header once.
 */
export interface Audit {
  readonly applyBlock: typeof applyBlock;
  readonly auditHeader: typeof auditHeader;
  readonly judgePlan: typeof judgePlan;
  readonly tiesOf: typeof tiesOf;
}

/** What an author has sent in this round: one header binds; with a second, other one none of its headers binds a vote. */
export interface AuthorRecord {
  readonly header: Signed<Header>;
  /** Null when the header is not what it says. */
  readonly audited: AuditedHeader | null;
  double: boolean;
}

export interface ProtocolState {
  readonly hours: Hours;
  readonly hash: Hash;
  readonly audit: Audit;
  readonly self: number;
  /** The public keys of this node; null for whatever key it needs. */
  readonly ownKeys: readonly Uint8Array[] | null;
  now_ms: number;
  /** The round being decided; -1 until the first tick. */
  deciding: number;
  readonly pool: Pool;
  readonly pob: PoBState;
  /** The last final block, and FINAL votes of a quorum for it; none after a restart. */
  finalNode: BlockNode;
  finalVotes: readonly Signed<Vote>[];
  /** Blocks above (and including) the last final one, by id. */
  nodes: Map<string, BlockNode>;
  /** Proposals whose parent is unknown, and headers whose SEAL is. */
  orphans: Signed<Block>[];
  orphanHeaders: Signed<Header>[];
  /** By SEAL, for the last ones that became final: the chain as it left it. */
  readonly posed: Map<string, ChainState>;
  readonly votes: VoteBook;
  readonly own: OwnVotes;
  /** The view this node is in, and since when. */
  view: number;
  viewSince_ms: number;
  /** The last view in which this node proposed, -1 for none. */
  proposedView: number;
  /** What was said in earlier rounds may be forgotten (a lost tail of the ledger): nothing is signed about them. */
  memoryFrom_round: number;
  /** Something was learned that may make a certificate. */
  news: boolean;
  /** Predicate R. Statements held at T_ord, the verified headers held at T_lock; null before. */
  heldAtOrders: readonly string[] | null;
  heldAtLock: readonly AuditedHeader[] | null;
  /** The headers of this round, by author. */
  readonly authors: Map<number, AuthorRecord>;
  /** SEAL for which a solution was asked, and the solution waiting for its turn. */
  solving: string | null;
  mined: {
    readonly header: Unsigned<Header>;
    readonly audited: AuditedHeader;
    readonly seal: string;
    readonly sendAt_ms: number;
  } | null;
  /** Last rounds for which this node has placed an order. */
  orderedRound: number;
  /** At the head meter: its last reading, said or not. */
  readSite: Site | null;
  /** Set once T_act of the deciding round has passed. */
  acted: boolean;
  /** Views in which a worse or incomplete proposal was answered by showing what was missing. */
  shownView: number;
  /** When to repeat what others may have missed, and how long to wait after that. */
  healAt_ms: number;
  healWait_ms: number;
  /** The block that others have voted for and this node lacks, since when it lacks any, and who has been asked for this one. */
  missing: { readonly block: string; readonly since_ms: number; readonly asked: Set<number> } | null;
  syncAt_ms: number;
  /** By culprit: the first proof against its last key that this node has seen or made. */
  readonly evidence: Map<number, Signed<Evidence>>;
  /** By culprit: proofs that this node will say at its turn. */
  readonly accusations: Map<number, Omit<Evidence, 'type'> & { readonly at_ms: number }>;
  /** When each peer was asked whose answer is still awaited; no other page counts. */
  readonly asked: Map<number, number>;
  /** When each peer was last sent a page. */
  readonly served: Map<number, number>;
  syncPeer: number;
  /**
   * What is on its way from a peer and not proven yet, and when that peer may be asked for more: the state of a checkpoint
   * (no bytes where none is needed), then a run of blocks above that height until one with FINAL votes.
   */
  incoming: {
    readonly from: number;
    readonly height: number;
    readonly bytes: Uint8Array;
    readonly complete: boolean;
    readonly run: readonly BlockNode[];
    readonly askAt_ms: number;
  } | null;
}

export type NoteCode =
  | 'round-begins'
  | 'order-placed'
  | 'mined'
  | 'proposed'
  | 'refused-block'
  | 'refused-choice'
  | 'refused-header'
  | 'view-skipped'
  | 'sealed'
  | 'committed'
  | 'committed-late'
  | 'terminated'
  | 'evidence'
  | 'members'
  | 'abstains'
  | 'sync';

/** Something worth telling a person. */
export interface Note {
  readonly code: NoteCode;
  readonly round: number;
  readonly text: string;
}

/** A final block, the state it stands on, the state it makes, and the FINAL votes known for it. */
export interface FinalStep {
  readonly block: Signed<Block>;
  readonly before: ChainState;
  readonly state: ChainState;
  readonly votes: number;
}

/** What the world owes the protocol, in the order it is owed. */
export interface Outcome {
  /** Durable before anything below. */
  readonly persist: LedgerEntry[];
  /** Signed by the runtime, published, and given back to the core as messages. */
  readonly send: Unsigned[];
  /** Messages of others to publish again. */
  readonly relay: Signed[];
  /** Replaces the plan in force for its round. */
  plan: Plan | null;
  /** Find a plan for this instance and give it back as 'solved'. */
  solve: { readonly seal: string; readonly instance: Instance } | null;
  /** Proofs that are new to this node, to be kept. */
  readonly evidence: Signed<Evidence>[];
  /** Answer a peer that is behind, from the ledger; with an offset, it has so much of the state at that height. */
  serve: Question | null;
  /** Blocks that have just become final, in order of height. */
  readonly finals: FinalStep[];
  readonly notes: Note[];
}

export const emptyOutcome = (): Outcome => ({
  persist: [],
  send: [],
  relay: [],
  evidence: [],
  plan: null,
  solve: null,
  serve: null,
  finals: [],
  notes: [],
});

/** Where a chain begins: the neighbourhood itself, or a checkpoint that holds. */
export const rootOf = (state: ChainState): BlockNode => ({
  block: null,
  view: -1,
  parent: null,
  state,
  notarized: true,
  final: true,
});

/** The open blocks up to this one, the first of them first. */
export function openPath(node: BlockNode | undefined): (BlockNode & { readonly block: Signed<Block> })[] {
  const path: (BlockNode & { readonly block: Signed<Block> })[] = [];
  for (let at: BlockNode | null = node ?? null; at !== null && !at.final; at = at.parent)
    if (at.block !== null) path.unshift(at as (typeof path)[number]);
  return path;
}

/** Who takes part, as far as this node has seen it agreed. */
export const registryOf = (state: Readonly<Pick<ProtocolState, 'finalNode'>>): Registry =>
  state.finalNode.state.registry;

export function makeState(
  registry: Registry,
  self: number,
  hash: Hash,
  audit: Audit = { applyBlock, auditHeader, judgePlan, tiesOf },
  ownKeys: readonly Uint8Array[] | null = null,
): ProtocolState {
  const root = rootOf(genesisState(registry));
  return {
    hours: hours(registry.neighbourhood.roundTime_s),
    hash,
    audit,
    self,
    ownKeys,
    now_ms: 0,
    deciding: -1,
    pool: emptyPool(),
    pob: { roundBlock: null, roundTime_ms: null },
    finalNode: root,
    finalVotes: [],
    nodes: new Map([[root.state.tip, root]]),
    orphans: [],
    orphanHeaders: [],
    posed: new Map(),
    votes: emptyBook(),
    own: { notarized: new Map(), final: new Set(), kept: new Set(), skipped: [] },
    view: 0,
    viewSince_ms: 0,
    proposedView: -1,
    memoryFrom_round: 0,
    news: true,
    heldAtOrders: null,
    heldAtLock: null,
    authors: new Map(),
    solving: null,
    mined: null,
    orderedRound: -1,
    readSite: null,
    acted: false,
    shownView: -1,
    healAt_ms: 0,
    healWait_ms: 0,
    missing: null,
    syncAt_ms: 0,
    evidence: new Map(),
    accusations: new Map(),
    asked: new Map(),
    served: new Map(),
    syncPeer: 0,
    incoming: null,
  };
}

/** Whether this node has the key with which its number signs in the present epoch. Otherwise it listens and asks, and no more. */
export function maySign({ finalNode, self, ownKeys }: Readonly<ProtocolState>): boolean {
  const publicKey = publicKeyOf(finalNode.state, self, finalNode.state.registry.epoch);
  return publicKey !== null && (ownKeys === null || ownKeys.some((key) => sameBytes(key, publicKey)));
}

/** Milliseconds since the deciding interval began. */
export const offset_ms = (state: Readonly<ProtocolState>): number =>
  state.now_ms - decisionStart(state.deciding, state.hours.round_ms);

/**
 * The first round about which a node signs anything that decides this one and whose memory may be lost: after the last that it has
 * signed anything about, if that is known. Else the next, if the clock is right now and was when it last signed; but it may have been
 * ahead then, and be behind now. The head meter's node does not vote, and without its readings nobody trades for longer than a round or two.
 */
export function firstAfterLoss(
  { finalNode, self }: Readonly<ProtocolState>,
  deciding: number,
  signedTo_round: number | null,
): number {
  if (signedTo_round !== null) return signedTo_round + 1;
  const next = Math.max(deciding, finalNode.state.scheduleRound) + 1;
  return self === finalNode.state.registry.headMeter ? next : next + 2 * CLOCK_LEAP_ROUNDS;
}
