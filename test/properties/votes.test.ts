/** Short cuts of the vote book against looking at everything: which votes may contradict one, and which may certify. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  addVote,
  allVotes,
  backed,
  certificate,
  emptyBook,
  mayCertify,
  rivalsOf,
  skippedUpTo,
  type VoteBook,
} from '../../firmware/protocol/consensus/votes.ts';
import { offenceOf } from '../../firmware/protocol/evidence.ts';
import type { Sets } from '../../firmware/protocol/membership.ts';
import type { Signed, Vote } from '../../firmware/protocol/messages.ts';

const VIEWS = 6;
const VOTERS = 5;
const Q = 4;
const SETS = [{ epoch: 0, q: Q, isValidator: new Array<boolean>(VOTERS).fill(true) }] as unknown as Sets;
const ELECTORATE = { least: Q, of: () => SETS };

/** Votes as honest and lying voters say them, each with an id of its own content. */
const votes: fc.Arbitrary<Signed<Vote>[]> = fc.array(
  fc
    .record({
      sender: fc.nat(VOTERS - 1),
      kind: fc.constantFrom<Vote['kind'][]>('notarize', 'final', 'skip'),
      view: fc.nat(VIEWS - 1),
      length: fc.nat(3),
      block: fc.constantFrom('aa', 'bb'),
    })
    .map(({ sender, kind, view, length, block }) => {
      const body: Vote = { type: 'VOTE', kind, to: kind === 'skip' ? view + length : view, block };
      return { sender, epoch: 0, view, round: 0, id: JSON.stringify([sender, view, body]), body } as Signed<Vote>;
    }),
  { maxLength: 60 },
);

const offences = (rivals: readonly Signed<Vote>[], vote: Signed<Vote>): string[] =>
  rivals.flatMap((rival) => (offenceOf(rival, vote) === null ? [] : [rival.id])).sort();

/** Whether for some such votes the rivals prove another lie than everything that the voter has said. */
const overlooks = (rivals: typeof rivalsOf): boolean =>
  fc.check(
    fc.property(votes, (said) => {
      const book = emptyBook();
      for (const vote of said) {
        const all = allVotes(book).filter(({ sender }) => sender === vote.sender);
        if (offences(all, vote).join() !== offences(rivals(book, vote), vote).join()) return false;
        addVote(book, vote);
      }
      return true;
    }),
    { seed: 1, numRuns: 500 },
  ).failed;

it('finds every contradiction among the votes on the same views', () => {
  expect(overlooks(rivalsOf)).toBe(false);
});

it('and the test notices when those on one end of a range are left out', () => {
  const narrow: typeof rivalsOf = (book, vote) => rivalsOf(book, vote).filter(({ view }) => view !== vote.body.to);
  expect(overlooks(narrow)).toBe(true);
});

// While the members change, those who may lie in the old set and in the new one can be more than a quorum of the old one.
it('a block is wanted when more than can lie have voted for it, or a quorum has', () => {
  const wanted = (voters: number, least: number): boolean => {
    const book = emptyBook();
    const body: Vote = { type: 'VOTE', kind: 'notarize', to: 1, block: 'aa' };
    for (let sender = 0; sender < voters; sender++)
      addVote(book, { sender, epoch: 0, view: 1, round: 0, id: `${sender}`, body } as Signed<Vote>);
    return backed(book, least, ELECTORATE, { has: (block) => block === 'bb' }).size > 0;
  };
  const few = [1, 2, 3, 4, 5].map((voters) => wanted(voters, 3));
  expect(few).toEqual([false, false, true, true, true]);
  const many = [1, 2, 3, 4, 5].map((voters) => wanted(voters, Q + 2));
  expect(many).toEqual([false, false, false, true, true]);
});

/** Everything that the rules can read off a book. */
const read = (book: VoteBook): string =>
  JSON.stringify(
    Array.from({ length: VIEWS }, (_, view) => [
      certificate(book, 'notarize', view, ELECTORATE)?.map(({ id }) => id),
      certificate(book, 'final', view, ELECTORATE)?.map(({ id }) => id),
      skippedUpTo(book, view, VIEWS, SETS),
    ]),
  );

const misses = (may: typeof mayCertify): boolean =>
  fc.check(
    fc.property(votes, (said) => {
      const book = emptyBook();
      for (const vote of said) {
        const before = read(book);
        addVote(book, vote);
        if (read(book) !== before && !may(book, vote, Q)) return false;
      }
      return true;
    }),
    { seed: 1, numRuns: 500 },
  ).failed;

it('says of no vote in vain that it can certify nothing', () => {
  expect(misses(mayCertify)).toBe(false);
});

it('and the test notices when one vote too many is asked for', () => {
  expect(misses((book, vote, q) => mayCertify(book, vote, q + 1))).toBe(true);
});
