/**
 * votes: what the voters said, and when a quorum said the same. Of votes that come one by one, the first NOTARIZE and
 * FINAL of a voter and view count; a certificate is the votes of a quorum together, and counts whatever was heard before:
 * a liar tells each node something else first. A SKIP covers a range of views.
 */
import { VOTES_PER_VOTER } from '../limits.ts';
import { isQuorum, type Sets } from '../membership.ts';
import type { Signed, Vote } from '../messages.ts';

export interface VoteBook {
  /** By view, then voter: the first heard. */
  readonly notarize: Map<number, Map<number, Signed<Vote>>>;
  readonly final: Map<number, Map<number, Signed<Vote>>>;
  /** By kind and view: certificates that came as such. */
  readonly certified: Readonly<Record<'notarize' | 'final', Map<number, readonly Signed<Vote>[]>>>;
  /** By voter. */
  readonly skip: Map<number, Signed<Vote>[]>;
  /** The answer to the question that was asked last: a node asks about the view it is in, all the time. */
  tally: { readonly view: number; readonly sets: Sets; readonly skipped: boolean } | null;
}

export const emptyBook = (): VoteBook => ({
  notarize: new Map(),
  final: new Map(),
  certified: { notarize: new Map(), final: new Map() },
  skip: new Map(),
  tally: null,
});

/** Ranges kept of one voter: a quiet neighbourhood skips a night in one range; of many small ones the earliest go. */
const RANGES_PER_VOTER = 64;

/** 'double' is evidence: the same voter said two different things in one view. */
export type VoteAdmission = 'added' | 'known' | 'double';

export function addVote(book: VoteBook, vote: Signed<Vote>): VoteAdmission {
  const { view, sender, body } = vote;
  if (body.kind === 'skip') {
    const ranges = book.skip.get(sender) ?? [];
    const within = (inner: Signed<Vote>, outer: Signed<Vote>): boolean =>
      inner.epoch === outer.epoch && outer.view <= inner.view && outer.body.to >= inner.body.to;
    if (ranges.some((range) => within(vote, range))) return 'known';
    const others = ranges.filter((range) => !within(range, vote));
    book.skip.set(sender, [...others, vote].sort((a, b) => a.body.to - b.body.to).slice(-RANGES_PER_VOTER));
    book.tally = null;
    return 'added';
  }
  const views = book[body.kind];
  let voters = views.get(view);
  if (voters === undefined) {
    voters = new Map();
    views.set(view, voters);
  }
  const before = voters.get(sender);
  if (before !== undefined) return before.body.block === body.block ? 'known' : 'double';
  voters.set(sender, vote);
  forgetEarliest(views, sender);
  return 'added';
}

/** Keeps the latest votes of a voter. One can push out only its own. */
function forgetEarliest(views: Map<number, Map<number, Signed<Vote>>>, sender: number): void {
  if (views.size <= VOTES_PER_VOTER) return;
  const said = [...views].flatMap(([view, voters]) => (voters.has(sender) ? [view] : []));
  if (said.length <= VOTES_PER_VOTER) return;
  const earliest = Math.min(...said);
  const voters = views.get(earliest);
  voters?.delete(sender);
  if (voters?.size === 0) views.delete(earliest);
}

/**
 * What the voter of this vote has said about the same views, as far as it is kept: nothing else can contradict it. Nothing but
 * another NOTARIZE contradicts a NOTARIZE.
 */
export function rivalsOf(book: VoteBook, { view, sender, body: { kind, to } }: Signed<Vote>): Signed<Vote>[] {
  const rivals: Signed<Vote>[] = [];
  const views = kind === 'notarize' ? book.notarize : book.final;
  for (const at of view === to ? [view] : views.keys()) {
    const rival = view <= at && at <= to ? views.get(at)?.get(sender) : undefined;
    if (rival !== undefined) rivals.push(rival);
  }
  if (kind === 'notarize') return rivals;
  for (const range of book.skip.get(sender) ?? []) if (range.view <= to && range.body.to >= view) rivals.push(range);
  return rivals;
}

/** False for as long as so few have voted like this that no quorum of them can be together. */
export const mayCertify = (book: VoteBook, { view, body: { kind } }: Signed<Vote>, q: number): boolean =>
  ((kind === 'skip' ? book.skip : book[kind].get(view))?.size ?? 0) >= q;

/** Whose votes count: for a block, the sets of the chain that it is on. */
export interface Electorate {
  of(block: string, epoch: number): Sets;
  /** The smallest quorum of all sets: fewer votes are never a certificate. */
  readonly least: number;
}

/** Certificates among these votes: those of a quorum of voters for the same block in the same view count as one. */
export function addCertificates(book: VoteBook, votes: readonly Signed<Vote>[], electorate: Electorate): void {
  const groups = new Map<string, Map<number, Signed<Vote>>>();
  for (const vote of votes) {
    const { kind, block } = vote.body;
    if (kind === 'skip') continue;
    const key = `${kind} ${vote.view} ${vote.epoch} ${block}`;
    groups.set(key, (groups.get(key) ?? new Map()).set(vote.sender, vote));
  }
  for (const voters of groups.values()) {
    const [{ view, epoch, body }] = [...voters.values()];
    if (body.kind !== 'skip' && isQuorum(electorate.of(body.block, epoch), new Set(voters.keys())))
      book.certified[body.kind].set(view, [...voters.values()]);
  }
}

/** The views about which there are votes or certificates of this kind. */
export const viewsOf = (book: VoteBook, kind: 'notarize' | 'final'): Iterable<number> =>
  book.certified[kind].size === 0 ? book[kind].keys() : new Set([...book[kind].keys(), ...book.certified[kind].keys()]);

/** The votes of a quorum for one block in a view, or null. Once found they are a unit, whatever is forgotten of single votes. */
export function certificate(
  book: VoteBook,
  kind: 'notarize' | 'final',
  view: number,
  electorate: Electorate,
): readonly Signed<Vote>[] | null {
  const whole = book.certified[kind].get(view);
  if (whole !== undefined && holds(whole, electorate)) return whole;
  const voters = book[kind].get(view);
  if (voters === undefined || voters.size < electorate.least) return null;
  const byBlock: Signed<Vote>[][] = [];
  for (const vote of voters.values()) {
    const same = byBlock.find(([{ epoch, body }]) => epoch === vote.epoch && body.block === vote.body.block);
    if (same === undefined) byBlock.push([vote]);
    else same.push(vote);
  }
  for (const votes of byBlock) {
    if (!holds(votes, electorate)) continue;
    book.certified[kind].set(view, votes);
    return votes;
  }
  return null;
}

/** True when these votes, all for one block in one epoch, are those of a quorum. */
function holds(votes: readonly Signed<Vote>[], electorate: Electorate): boolean {
  const [{ epoch, body }] = votes;
  const sets = electorate.of(body.block, epoch);
  if (epoch !== sets[0].epoch || votes.length < sets[0].q) return false;
  return isQuorum(sets, new Set(votes.map(({ sender }) => sender)));
}

/** Who must hold a block: the voters that have signed FINAL for it, who keep it whatever they lose, and the others. */
export interface Holders {
  readonly final: ReadonlySet<number>;
  readonly others: ReadonlySet<number>;
}

/** Blocks that are not known and for which so many have said NOTARIZE, or FINAL, or a quorum has, and who holds them. */
export function backed(
  book: VoteBook,
  least: number,
  electorate: Electorate,
  known: { has(block: string): boolean },
): ReadonlyMap<string, Holders> {
  const all = new Map<string, Holders>();
  for (const kind of ['final', 'notarize'] as const)
    for (const view of viewsOf(book, kind)) {
      const votes = votesIn(book, kind, view).filter(({ body }) => !known.has(body.block));
      if (votes.length === 0) continue;
      const byBlock = new Map<string, Set<number>>();
      for (const { sender, body } of votes) byBlock.set(body.block, (byBlock.get(body.block) ?? new Set()).add(sender));
      const certified = certificate(book, kind, view, electorate)?.[0].body.block;
      for (const [block, voters] of byBlock) {
        if (voters.size < least && block !== certified) continue;
        const signed = votesIn(book, 'final', view).filter(({ body }) => body.block === block);
        const final = new Set(signed.map(({ sender }) => sender));
        all.set(block, { final, others: new Set([...voters].filter((voter) => !final.has(voter))) });
      }
    }
  return all;
}

/** All votes of this kind on a view, some of them twice. */
const votesIn = (book: VoteBook, kind: 'notarize' | 'final', view: number): Signed<Vote>[] => [
  ...(book[kind].get(view)?.values() ?? []),
  ...(book.certified[kind].get(view) ?? []),
];

/** True when a quorum has skipped the view. */
export function skipCertified(book: VoteBook, view: number, sets: Sets): boolean {
  const { tally } = book;
  if (tally?.view === view && tally.sets.length === sets.length && sets.every((set, i) => set === tally.sets[i]))
    return tally.skipped;
  const [{ epoch }] = sets;
  const voters = new Set<number>();
  for (const [voter, ranges] of book.skip)
    if (ranges.some((range) => range.epoch === epoch && covers(range, view))) voters.add(voter);
  const skipped = isQuorum(sets, voters);
  book.tally = { view, sets, skipped };
  return skipped;
}

/** Whether a SKIP is about this view. */
export const covers = (range: Signed<Vote>, view: number): boolean => range.view <= view && range.body.to >= view;

/** From `view`, how far a quorum has skipped without a gap: the first view that is not certified skipped, at most `end`. */
export function skippedUpTo(book: VoteBook, view: number, end: number, sets: Sets): number {
  let at = view;
  while (at < end && skipCertified(book, at, sets)) {
    // Jump to the nearest end of a range: within it the count cannot fall.
    let next = end;
    for (const ranges of book.skip.values()) {
      for (const range of ranges)
        if (range.epoch === sets[0].epoch && covers(range, at)) next = Math.min(next, range.body.to + 1);
    }
    at = next;
  }
  return at;
}

/** The SKIP votes that touch views from..to. */
export const skipsOf = (book: VoteBook, from: number, to: number): Signed<Vote>[] =>
  [...book.skip.values()].flat().filter((range) => range.view <= to && range.body.to >= from);

/** Forgets what lies at or below a final view. */
export function pruneVotes(book: VoteBook, view: number): void {
  for (const views of [book.notarize, book.final, book.certified.notarize, book.certified.final])
    for (const key of views.keys()) if (key <= view) views.delete(key);
  for (const [voter, ranges] of book.skip) {
    const left = ranges.filter((range) => range.body.to > view);
    if (left.length === 0) book.skip.delete(voter);
    else if (left.length < ranges.length) book.skip.set(voter, left);
  }
}

/** Everything in the book, for a peer that catches up: what a certificate needs first, of each kind the latest first. */
export function allVotes(book: VoteBook): Signed<Vote>[] {
  const whole = [...book.certified.notarize.values(), ...book.certified.final.values()].flat();
  const single = [...book.notarize.values(), ...book.final.values()].flatMap((voters) => [...voters.values()]);
  const latest = (votes: readonly Signed<Vote>[]): Signed<Vote>[] => [...votes].sort((a, b) => b.body.to - a.body.to);
  return [...new Set([...latest(whole), ...latest([...book.skip.values()].flat()), ...latest(single)])];
}
