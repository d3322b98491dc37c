/** The SQLite ledger against a dumb twin in memory: the same entries, the same refusals, the same content after reopening. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openLedger } from '../../firmware/adapters/sqlite-ledger.ts';
import { openVoteCounter } from '../../firmware/adapters/vote-counter.ts';
import type {
  Checkpoint,
  FinalBlock,
  LedgerContent,
  LedgerEntry,
  OwnStatement,
  OwnVote,
} from '../../firmware/ports.ts';

const identity = { publicKey: new Uint8Array(32).fill(1), genesisHash: new Uint8Array(32).fill(2) };
const same = (a: Uint8Array, b: Uint8Array) => Buffer.from(a).equals(b);

/** All that was kept, beyond what a start reads. */
interface Kept extends Omit<LedgerContent, 'checkpoint' | 'whole' | 'signedTo_round'> {
  readonly checkpoints: readonly Checkpoint[];
  readonly finalView: number;
}

const NOTHING: Kept = { checkpoints: [], blocks: [], votes: [], statements: [], finalView: -1 };

/** What a ledger must do, without SQL, indexes or disk. Null: refused. `skipsMayMeetFinals` is the mutant. */
function twin(before: Kept, entries: readonly LedgerEntry[], skipsMayMeetFinals = false): Kept | null {
  let blocks: FinalBlock[] = [...before.blocks];
  const checkpoints: Checkpoint[] = [...before.checkpoints];
  let votes: readonly OwnVote[] = before.votes;
  let { finalView } = before;
  const statements: OwnStatement[] = [...before.statements];
  for (const entry of entries) {
    if (entry.kind === 'statement') statements.push(entry.statement);
    else if (entry.kind === 'checkpoint') {
      if (checkpoints.every(({ height }) => height !== entry.checkpoint.height)) checkpoints.push(entry.checkpoint);
    } else if (entry.kind === 'final') {
      const at = blocks.findIndex(({ height }) => height === entry.block.height);
      if (at < 0) blocks.push(entry.block);
      else if (!same(blocks[at]!.hash, entry.block.hash)) return null;
      else blocks[at] = { ...blocks[at]!, certificate: blocks[at]!.certificate ?? entry.block.certificate };
      finalView = Math.max(finalView, entry.view);
      votes = votes.filter(({ to }) => to > finalView);
    } else if (entry.kind === 'vote') {
      const { vote } = entry;
      const meet = votes.filter(({ from, to }) => from <= vote.to && to >= vote.from);
      const twice = (old: OwnVote) => old.kind === vote.kind && old.from === vote.from && old.to === vote.to;
      if (meet.some((old) => twice(old) && same(old.payload, vote.payload))) continue;
      if (vote.from <= finalView) return null;
      if (meet.some((old) => old.kind === 'skip' && vote.kind === 'notarize')) return null;
      if (meet.some((old) => old.kind === vote.kind && vote.kind !== 'skip')) return null;
      const crossed = meet.some(
        ({ kind }) => (kind === 'skip' && vote.kind === 'final') || (kind === 'final' && vote.kind === 'skip'),
      );
      if (crossed && !skipsMayMeetFinals) return null;
      const within = ({ kind, from, to }: OwnVote) => kind !== 'final' && from >= vote.from && to <= vote.to;
      votes = [...votes.filter((old) => vote.kind !== 'skip' || !within(old)), vote];
    }
  }
  blocks.sort((a, b) => a.height - b.height);
  checkpoints.sort((a, b) => a.height - b.height);
  // A gap is where neither the block below is kept nor a checkpoint stands in for it.
  const added = new Set(entries.flatMap((entry) => (entry.kind === 'final' ? [entry.block.height] : [])));
  const held = new Set(blocks.map(({ height }) => height));
  const stands = new Set(checkpoints.map(({ height }) => height));
  const [low, high] = [blocks[0]?.height ?? 0, blocks.at(-1)?.height ?? 0];
  for (const height of added) {
    if (low < height && !held.has(height - 1) && !stands.has(height - 1)) return null;
    if (high > height && !held.has(height + 1)) return null;
  }
  if (added.size > 0) blocks = blocks.filter(({ height }) => height > (checkpoints.at(-2)?.height ?? 0));
  return { checkpoints, blocks, votes, statements, finalView };
}

/** What a start reads of it. */
const loaded = ({ checkpoints, blocks, votes, statements }: Kept): Omit<LedgerContent, 'whole' | 'signedTo_round'> => {
  const checkpoint = checkpoints.at(-1) ?? null;
  return { checkpoint, blocks: blocks.filter(({ height }) => height > (checkpoint?.height ?? 0)), votes, statements };
};

const payload = fc.uint8Array({ minLength: 1, maxLength: 1, max: 3 });
const vote: fc.Arbitrary<LedgerEntry> = fc
  .record({
    kind: fc.constantFrom('notarize' as const, 'final' as const, 'skip' as const),
    from: fc.nat(5),
    length: fc.nat(2),
    payload,
  })
  .map(({ kind, from, length, payload }) => ({
    kind: 'vote',
    vote: {
      kind,
      from,
      to: kind === 'skip' ? from + length : from,
      payload,
      basis: kind === 'notarize' ? payload : null,
    },
  }));
const final: fc.Arbitrary<LedgerEntry> = fc
  .record({ height: fc.integer({ min: 1, max: 3 }), byte: fc.nat(1), certified: fc.boolean(), view: fc.nat(4) })
  .map(({ height, byte, certified, view }) => {
    const hash = new Uint8Array(32).fill(byte);
    return {
      kind: 'final',
      block: { height, round: height + 100, hash, message: hash, certificate: certified ? hash : null },
      view,
    };
  });
const statement: fc.Arbitrary<LedgerEntry> = fc
  .record({ round: fc.nat(9), payload })
  .map(({ round, payload }) => ({ kind: 'statement', statement: { round, kind: 'ORDER', payload } }));
const checkpoint: fc.Arbitrary<LedgerEntry> = fc
  .integer({ min: 1, max: 6 })
  .map((height) => ({ kind: 'checkpoint', checkpoint: { height, epoch: 0, state: new Uint8Array([height]) } }));
const batches = fc.array(fc.array(fc.oneof(vote, final, statement, checkpoint), { maxLength: 4 }), { maxLength: 8 });

/** Plays the batches on both; the first batch on which they differ, if any. */
function firstDifference(all: LedgerEntry[][], judge: typeof twin): number | null {
  const folder = mkdtempSync(join(tmpdir(), 'p2pebt-ledger-'));
  const open = () => openLedger(join(folder, 'ledger.sqlite'), identity, openVoteCounter(join(folder, 'votes')));
  let ledger = open();
  try {
    let expected = NOTHING;
    for (const [index, batch] of all.entries()) {
      const next = judge(expected, batch);
      let refused = false;
      try {
        ledger.append(batch);
      } catch {
        refused = true;
      }
      if (refused !== (next === null)) return index;
      expected = next ?? expected; // all or none
      if (index % 3 === 2) {
        ledger.close();
        ledger = open();
      }
      try {
        expect(ledger.load()).toMatchObject(loaded(expected));
      } catch {
        return index;
      }
    }
    return null;
  } finally {
    ledger.close();
    rmSync(folder, { recursive: true });
  }
}

test('keeps and refuses what the twin keeps and refuses, also across reopening', () => {
  fc.assert(
    fc.property(batches, (all) => {
      expect(firstDifference(all, twin)).toBeNull();
    }),
    { numRuns: 60 },
  );
}, 30_000);

test('the comparison notices a ledger that lets a SKIP meet a FINAL', () => {
  const at = { from: 4, to: 4, payload: new Uint8Array([1]), basis: null };
  const story: LedgerEntry[][] = [
    [{ kind: 'vote', vote: { ...at, kind: 'final' } }],
    [{ kind: 'vote', vote: { ...at, kind: 'skip' } }],
  ];
  expect(firstDifference(story, (before, entries) => twin(before, entries, true))).toBe(1);
  expect(firstDifference(story, twin)).toBeNull();
});
