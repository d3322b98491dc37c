/**
 * votes: what the voters said, and when a quorum said the same. Of votes that come one by one, the first NOTARIZE and
 * FINAL of a voter and view count; a certificate is the votes of a quorum together, and counts whatever was heard before:
 * a liar tells each node something else first. A SKIP covers a range of views.
 */
import type { Signed, Vote } from '../messages.ts';

export interface VoteBook {
  /** By view, then voter: the first heard. */
  readonly notarize: Map<number, Map<number, Signed<Vote>>>;
  readonly final: Map<number, Map<number, Signed<Vote>>>;
  /** By kind and view: certificates that came as such. */
  readonly certified: Readonly<Record<'notarize' | 'final', Map<number, readonly Signed<Vote>[]>>>;
  /** By voter. */
  readonly skip: Map<number, Signed<Vote>[]>;
  /** How many voters have skipped the view that was asked about last: a node asks about the one it is in, all the time. */
  tally: { readonly view: number; count: number };
}

export const emptyBook = (): VoteBook => ({
  notarize: new Map(),
  final: new Map(),
  certified: { notarize: new Map(), final: new Map() },
  skip: new Map(),
  tally: { view: -1, count: 0 },
});

/** Ranges kept of one voter: a quiet neighbourhood skips a night in one range; of many small ones the earliest go. */
const RANGES_PER_VOTER = 64;

/** 'double' is evidence: the same voter said two different things in one view. */
export type VoteAdmission = 'added' | 'known' | 'double';

export function addVote(book: VoteBook, vote: Signed<Vote>): VoteAdmission {
  const { view, sender, body } = vote;
  if (body.kind === 'skip') {
    const ranges = book.skip.get(sender) ?? [];
    if (ranges.some((range) => range.view <= view && range.body.to >= body.to)) return 'known';
    const others = ranges.filter((range) => range.view < view || range.body.to > body.to);
    book.skip.set(sender, [...others, vote].sort((a, b) => a.body.to - b.body.to).slice(-RANGES_PER_VOTER));
    book.tally = { view: -1, count: 0 };
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

/** What one voter has said, as far as it is kept. */
export function* votesBy(book: VoteBook, voter: number): Generator<Signed<Vote>> {
  for (const views of [book.notarize, book.final])
    for (const voters of views.values()) {
      const vote = voters.get(voter);
      if (vote !== undefined) yield vote;
    }
  yield* book.skip.get(voter) ?? [];
}

/** Certificates among these votes: those of a quorum of voters for the same block in the same view count as one. */
export function addCertificates(
  book: VoteBook,
  votes: readonly Signed<Vote>[],
  isVoter: readonly boolean[],
  q: number,
): void {
  const groups = new Map<string, Map<number, Signed<Vote>>>();
  for (const vote of votes) {
    const { kind, block } = vote.body;
    if (kind === 'skip' || !isVoter[vote.sender]) continue;
    const key = `${kind} ${vote.view} ${block}`;
    groups.set(key, (groups.get(key) ?? new Map()).set(vote.sender, vote));
  }
  for (const voters of groups.values()) {
    const [{ view, body }] = [...voters.values()];
    if (voters.size >= q && body.kind !== 'skip') book.certified[body.kind].set(view, [...voters.values()]);
  }
}

/** The views about which there are votes or certificates of this kind. */
export const viewsOf = (book: VoteBook, kind: 'notarize' | 'final'): Set<number> =>
  new Set([...book[kind].keys(), ...book.certified[kind].keys()]);

/** The votes of a quorum for one block in a view, or null. */
export function certificate(
  book: VoteBook,
  kind: 'notarize' | 'final',
  view: number,
  q: number,
): readonly Signed<Vote>[] | null {
  const whole = book.certified[kind].get(view);
  if (whole !== undefined) return whole;
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

/** The blocks, but for those that are known, for which so many voters have said NOTARIZE, or FINAL, with those voters. */
export function* backed(
  book: VoteBook,
  least: number,
  known: { has(block: string): boolean },
): Generator<{ block: string; voters: readonly number[] }> {
  for (const kind of ['notarize', 'final'] as const)
    for (const view of viewsOf(book, kind)) {
      const byBlock = new Map<string, Set<number>>();
      const count = ({ sender, body }: Signed<Vote>): void => {
        if (known.has(body.block)) return;
        const voters = byBlock.get(body.block);
        if (voters === undefined) byBlock.set(body.block, new Set([sender]));
        else voters.add(sender);
      };
      book[kind].get(view)?.forEach(count);
      book.certified[kind].get(view)?.forEach(count);
      for (const [block, voters] of byBlock) if (voters.size >= least) yield { block, voters: [...voters] };
    }
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
