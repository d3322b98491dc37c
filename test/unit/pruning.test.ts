/**
 * The pruned ledger on a real disk: what is kept, that a start finds a whole chain at whatever moment the power went, and
 * what `ledger verify` and `ledger show` can still say of it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGate } from '../../firmware/adapters/gate.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { openLedger, readLedger, type SqliteLedger } from '../../firmware/adapters/sqlite-ledger.ts';
import { openVoteCounter } from '../../firmware/adapters/vote-counter.ts';
import { emptyChronicle, outcomes, record, takeUp } from '../../firmware/chronicle.ts';
import { NEIGHBOURHOOD_FACT, showLedger, verifyLedger } from '../../firmware/ledger-report.ts';
import type { Block, Signed } from '../../firmware/protocol/messages.ts';
import { makeState } from '../../firmware/protocol/state.ts';
import { restore } from '../../firmware/protocol/step.ts';
import { GrownChain, SHORT_DAYS } from './grown-chain.ts';
import { signerOf } from './protocol-driver.ts';

const DAYS = 6;
const chain = new GrownChain(4, 11, SHORT_DAYS);
const { registry } = chain;
const blocks = chain.rounds(12 * DAYS);
const dawns = blocks.flatMap(({ block, before }) => (block.body.checkpoint === '' ? [] : [before.height]));
/** As a node does it: ancestors that a descendant made final come together with it. */
const batches = (() => {
  const all: (typeof blocks)[] = [[]];
  for (const grown of blocks) {
    all.at(-1)!.push(grown);
    if (grown.votes.length > 0) all.push([]);
  }
  return all.slice(0, -1);
})();

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'p2pebt-pruning-'));
  file = join(folder, 'ledger.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true }));

function open(): SqliteLedger {
  const identity = { publicKey: signerOf(0).publicKey, genesisHash: Buffer.from(registry.genesis, 'hex') };
  const ledger = openLedger(file, identity, openVoteCounter(`${file}.votes`));
  ledger.remember(NEIGHBOURHOOD_FACT, JSON.stringify(registry.neighbourhood));
  return ledger;
}
function fill(): void {
  const ledger = open();
  for (const batch of batches) ledger.append(batch.flatMap((grown) => chain.entriesOf(grown)));
  ledger.close();
}

/** What a node knows after a start, and how many blocks it had to replay for it. */
function start(ledger: SqliteLedger) {
  const { checkpoint, blocks: kept } = ledger.load();
  const gate = createGate(registry, sha256, () => true);
  const state = makeState(registry, 0, sha256);
  const messages = kept.map(({ message }) => gate.reopen(message) as Signed<Block>);
  restore(state, checkpoint?.state ?? null, messages, []);
  return { state: state.finalNode.state, replayed: kept.length };
}

test('whenever the power goes, also between a checkpoint and the end of its pruning, a start finds the whole chain', () => {
  for (const batch of batches) {
    let ledger = open();
    ledger.append(batch.flatMap((grown) => chain.entriesOf(grown)));
    ledger.close(); // each append is one transaction: nothing is ever between two of them
    ledger = open();
    const { state, replayed } = start(ledger);
    ledger.close();
    expect(state).toEqual(batch.at(-1)!.state);
    expect(replayed).toBeLessThanOrEqual(2 * 12 + 1);
  }
});

test('a start notices a ledger that prunes one block too many', () => {
  fill();
  const db = new Database(file);
  db.exec('DELETE FROM block WHERE height <= (SELECT max(height) + 1 FROM checkpoint)');
  db.close();
  const ledger = open();
  expect(() => start(ledger)).toThrow('the checkpoint of the ledger: the block names another state');
  ledger.close();
});

test('the last checkpoint but one and all above it is kept, with what proves the older ones', () => {
  fill();
  const reader = readLedger(file);
  const kept = reader.chain();
  reader.close();
  expect(dawns.length).toBeGreaterThanOrEqual(DAYS - 1);
  expect(kept.checkpoints.map(({ height }) => height)).toEqual(dawns);
  expect(kept.blocks[0].height).toBe(dawns.at(-2)! + 1);
  expect(kept.blocks.at(-1)!.height).toBe(batches.at(-1)!.at(-1)!.state.height);
  for (const { height, proof } of kept.checkpoints.slice(0, -1)) {
    expect(proof[0].height).toBe(height + 1);
    expect(proof.at(-1)!.certificate).not.toBeNull();
  }
});

describe('ledger verify', () => {
  test('says from where on it verified, and that the older checkpoints are proven', () => {
    fill();
    const { ok, lines } = verifyLedger(file);
    expect(lines.slice(1)).toEqual([
      expect.stringMatching(new RegExp(`^\\d+ blocks from height ${dawns.at(-2)! + 1} on: every signature`)),
      expect.stringMatching(
        new RegExp(`^They stand on the checkpoint of height ${dawns.at(-2)}: .* as are ${dawns.length - 2} older ones`),
      ),
    ]);
    expect(ok).toBe(true);
  });

  const DAMAGES: [string, string, RegExp][] = [
    [
      'a state that was changed',
      `UPDATE checkpoint SET state = zeroblob(9) WHERE height = ${dawns[1]}`,
      /another state/,
    ],
    [
      'a proof that is gone',
      `DELETE FROM proof WHERE height > ${dawns[1]} AND height <= ${dawns[2]}`,
      /nothing proves it/,
    ],
    [
      'a proof without votes',
      `UPDATE proof SET certificate = x'80' WHERE height > ${dawns[0]}`,
      /not those of a quorum/,
    ],
    ['the newest state changed', `UPDATE checkpoint SET state = zeroblob(9) WHERE height = ${dawns.at(-1)}`, /another/],
    ['a pruned checkpoint', `DELETE FROM checkpoint WHERE height >= ${dawns.at(-2)}`, /nothing proves it/],
    ['a block that is missing', `DELETE FROM block WHERE height = ${dawns.at(-1)! - 1}`, /it follows block/],
  ];
  test.each(DAMAGES)('notices %s', (_what, sql, words) => {
    fill();
    const db = new Database(file);
    expect(db.prepare(sql).run().changes).toBeGreaterThan(0);
    db.close();
    const { ok, lines } = verifyLedger(file);
    expect(ok).toBe(false);
    expect(lines.at(-1)).toMatch(words);
  });
});

test('the owner sees the same sums and the own rows, pruned or not', () => {
  fill();
  const whole = emptyChronicle();
  for (const grown of batches.flat()) record(whole, { ...grown, votes: 3 });
  const ledger = open();
  const { checkpoint } = ledger.load();
  const pruned = emptyChronicle();
  takeUp(pruned, ledger.past(checkpoint!.height));
  ledger.close();
  for (const grown of batches.flat())
    if (grown.state.height > checkpoint!.height) record(pruned, { ...grown, votes: 3 });
  const sums = ({ ordered_J, allocated_J, metered_J }: typeof whole) => [ordered_J, allocated_J, metered_J];
  expect(sums(pruned)).toEqual(sums(whole));
  expect(outcomes(pruned, -1)).toEqual(outcomes(whole, -1));
  const own = (of: typeof whole) =>
    of.settlement.filter(({ node, order, metered_J }) => node === 0 && (order || metered_J));
  expect(own(pruned)).toEqual(own(whole));
  expect(showLedger(file, { json: false }).at(-2)).toMatch(
    new RegExp(`^Energy: of the settled orders ${Math.round(whole.ordered_J / 3600)} Wh`),
  );
});
