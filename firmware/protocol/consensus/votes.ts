/**
 * votes: what the voters said, and when a quorum said the same. One NOTARIZE and one FINAL a voter and view count,
 * the first heard; a SKIP covers a range of views. Certificates are just the votes themselves.
 */
import type { Signed, Vote } from '../messages.ts';

export interface VoteBook {
  /** By view, then voter. */
  readonly notarize: Map<number, Map<number, Signed<Vote>>>;
  readonly final: Map<number, Map<number, Signed<Vote>>>;
  /** By voter. */
  readonly skip: Map<number, Signed<Vote>[]>;
  /** How many voters have skipped the view that was asked about last: a node asks about the one it is in, all the time. */
  tally: { readonly view: number; count: number };
}

export const emptyBook = (): VoteBook => ({
  notarize: new Map(),
  final: new Map(),
  skip: new Map(),
  tally: { view: -1, count: 0 },
});

/** Ranges kept of one voter: a quiet neighbourhood skips a night in one range; many small ones are noise. */
const RANGES_PER_VOTER = 64;

/** 'double' is evidence: the same voter said two different things in one view. */
export type VoteAdmission = 'added' | 'known' | 'double' | 'full';

export function addVote(book: VoteBook, vote: Signed<Vote>): VoteAdmission {
  const { view, sender, body } = vote;
  if (body.kind === 'skip') {
    const ranges = book.skip.get(sender) ?? [];
    if (ranges.some((range) => range.view <= view && range.body.to >= body.to)) return 'known';
    const others = ranges.filter((range) => range.view < view || range.body.to > body.to);
    if (others.length >= RANGES_PER_VOTER) return 'full';
    if (covers(vote, book.tally.view) && !ranges.some((range) => covers(range, book.tally.view))) book.tally.count += 1;
    book.skip.set(sender, [...others, vote]);
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
  return 'added';
}

/** The votes of a quorum for one block in a view, or null. */
export function certificate(
  book: VoteBook,
  kind: 'notarize' | 'final',
  view: number,
  q: number,
): Signed<Vote>[] | null {
  const voters = book[kind].get(view);
  if (voters === undefined || voters.size < q) return null;
  const byBlock = new Map<string, Signed<Vote>[]>();
  for (const vote of voters.values()) {
    const votes = byBlock.get(vote.body.block) ?? [];
    votes.push(vote);
    byBlock.set(vote.body.block, votes);
    if (votes.length >= q) return votes;
  }
  return null;
}

/** True when a quorum has skipped the view. */
export function skipCertified(book: VoteBook, view: number, q: number): boolean {
  if (book.tally.view !== view) {
    let count = 0;
    for (const ranges of book.skip.values()) if (ranges.some((range) => covers(range, view))) count += 1;
    book.tally = { view, count };
  }
  return book.tally.count >= q;
}

const covers = (range: Signed<Vote>, view: number): boolean => range.view <= view && range.body.to >= view;

/** From `view`, how far a quorum has skipped without a gap: the first view that is not certified skipped, at most `end`. */
export function skippedUpTo(book: VoteBook, view: number, end: number, q: number): number {
  let at = view;
  while (at < end && skipCertified(book, at, q)) {
    // Jump to the nearest end of a range: within it the count cannot fall.
    let next = end;
    for (const ranges of book.skip.values()) {
      for (const range of ranges) if (covers(range, at)) next = Math.min(next, range.body.to + 1);
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
  for (const views of [book.notarize, book.final]) for (const key of views.keys()) if (key <= view) views.delete(key);
  for (const [voter, ranges] of book.skip) {
    const left = ranges.filter((range) => range.body.to > view);
    if (left.length === 0) book.skip.delete(voter);
    else if (left.length < ranges.length) book.skip.set(voter, left);
  }
}

/** Everything in the book, for a peer that catches up. */
export const allVotes = (book: VoteBook): Signed<Vote>[] => [
  ...[...book.notarize.values(), ...book.final.values()].flatMap((voters) => [...voters.values()]),
  ...[...book.skip.values()].flat(),
];
