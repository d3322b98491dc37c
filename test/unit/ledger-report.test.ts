/**
 * `ledger verify` and `ledger show` on a real chain: three rounds of four charge points, then one thing changed. Verify
 * has to notice each change, also those that only a quorum of liars could make.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { createVerify } from '../../firmware/adapters/ed25519.ts';
import { createGate } from '../../firmware/adapters/gate.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { openLedger } from '../../firmware/adapters/sqlite-ledger.ts';
import { openVoteCounter } from '../../firmware/adapters/vote-counter.ts';
import { NEIGHBOURHOOD_FACT, replay, showLedger, verifyLedger } from '../../firmware/ledger-report.ts';
import type { FinalBlock } from '../../firmware/ports.ts';
import { decode, encode, fromHex } from '../../firmware/protocol/codec.ts';
import { type Block, type Header, type Signed, toWire } from '../../firmware/protocol/messages.ts';
import { Neighbours } from './protocol-driver.ts';

const play = new Neighbours({ load_W: (round) => 60_000 + 1200 * (round % 5) }).until(30);
play.buy(0, 7000);
play.wish(1, { side: 'sell', power_W: 11_000 });
play.rounds(4);
const { registry } = play;
const blocks = play.player(0).ledger.blocks;
const fault = (rows: readonly FinalBlock[], verify = true): string | null =>
  replay(registry, { checkpoints: [], blocks: rows }, verify).fault;
const change = (at: number, row: Partial<FinalBlock>): FinalBlock[] => blocks.with(at, { ...blocks[at], ...row });
const flip = (bytes: Uint8Array, at: number, bit: number): Uint8Array =>
  Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ (1 << bit) : byte));

test('an honest ledger holds', () => {
  expect(blocks).toHaveLength(8);
  expect(fault(blocks)).toBeNull();
});

const flips = fc
  .record({
    row: fc.nat(blocks.length - 1),
    part: fc.constantFrom('message' as const, 'certificate' as const, 'hash' as const),
  })
  .chain(({ row, part }) =>
    fc.record({
      row: fc.constant(row),
      part: fc.constant(part),
      at: fc.nat(blocks[row][part]!.length - 1),
      bit: fc.nat(7),
    }),
  )
  .map(({ row, part, at, bit }) => change(row, { [part]: flip(blocks[row][part]!, at, bit) }));

test('property: one flipped bit anywhere in a block, its hash or its certificate is noticed', () => {
  fc.assert(
    fc.property(flips, (rows) => {
      expect(fault(rows)).toMatch(/^block \d+: /);
    }),
    { numRuns: 80 },
  );
});

test('mutant: reading without verifying does not notice all of them', () => {
  const unnoticed = (rows: FinalBlock[]): boolean => {
    try {
      return fault(rows, false) === null;
    } catch {
      return false;
    }
  };
  expect(fc.sample(flips, { numRuns: 80, seed: 1 }).some(unnoticed)).toBe(true);
});

const votes = (row: FinalBlock): [Uint8Array, Uint8Array][] => decode(row.certificate!) as [Uint8Array, Uint8Array][];

test.each<[string, FinalBlock[], string]>([
  [
    'a dropped vote',
    change(3, { certificate: encode(votes(blocks[3]).slice(1)) }),
    'block 4: its FINAL votes are not those of a quorum',
  ],
  [
    'a vote counted twice',
    change(3, { certificate: encode([...votes(blocks[3]).slice(1), votes(blocks[3])[1]]) }),
    'block 4: its FINAL votes are not those of a quorum',
  ],
  [
    'the votes of another block',
    change(3, { certificate: blocks[5].certificate }),
    'block 4: its FINAL votes are not those of a quorum',
  ],
  [
    'no votes at the end',
    change(7, { certificate: null }),
    'the last 1 blocks have no FINAL votes of a quorum behind them',
  ],
  [
    'a certificate that is none',
    change(3, { certificate: encode(7) }),
    'block 4: its certificate is not a list of votes',
  ],
  [
    'two blocks swapped',
    [...blocks.slice(0, 2), blocks[4], blocks[3], ...blocks.slice(4)],
    'block 5: it follows block 2',
  ],
  [
    'two blocks swapped and renumbered',
    blocks.with(2, { ...blocks[4], height: 3 }).with(4, { ...blocks[2], height: 5 }),
    'block 3: wrong-round, not a child of this chain',
  ],
  ['a block left out', blocks.toSpliced(2, 1), 'block 4: it follows block 2'],
  ['another round beside the block', change(2, { round: 7 }), 'block 3: it is of round 1001, not 7'],
  [
    'something else in place of a block',
    change(2, { message: toWire(play.player(0).said.find(({ body }) => body.type === 'VOTE')!) }),
    'block 3: it is a VOTE',
  ],
])('%s', (_what, rows, expected) => {
  expect(fault(rows)).toBe(expected);
});

test('a wrong lambda, signed again by its author, its leader and the whole quorum', () => {
  const { block } = play.player(0).finals[1];
  const honest = block.body.carried[0] as Signed<Header>;
  const header = play.sign<Header>({ ...honest, body: { ...honest.body, lambda: honest.body.lambda + 1 } });
  const lie = play.sign<Block>({ ...block, body: { ...block.body, carried: [header] } });
  const certificate = registry.leaders.map((sender) => {
    const vote = play.sign({
      epoch: 0,
      round: block.round,
      view: block.view,
      sender,
      body: { type: 'VOTE', kind: 'final', to: block.view, block: lie.id },
    });
    return [vote.payload, vote.signature];
  });
  const rows = [
    blocks[0],
    { ...blocks[1], hash: fromHex(lie.id), message: toWire(lie), certificate: encode(certificate) },
  ];
  expect(fault(rows)).toMatch(/^block 2: wrong-benefit, lambda \d+ claimed, \d+ recomputed$/);
  // Mutant: whoever only looks at signatures finds nothing to complain about.
  const gate = createGate(registry, sha256, createVerify());
  expect(gate.examine(rows[1].message).verdict).toBe('accept');
  for (const vote of certificate) expect(gate.examine(encode(vote)).verdict).toBe('accept');
});

describe('on a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pebt-report-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const write = (
    name: string,
    rows: readonly FinalBlock[] = blocks,
    { neighbourhood, genesis, publicKeys } = registry,
  ) => {
    const file = join(folder, name);
    const identity = { publicKey: publicKeys[0], genesisHash: fromHex(genesis) };
    const ledger = openLedger(file, identity, openVoteCounter(`${file}.votes`));
    ledger.remember(NEIGHBOURHOOD_FACT, JSON.stringify(neighbourhood));
    ledger.append(rows.map((block, view) => ({ kind: 'final', block, view })));
    ledger.close();
    return file;
  };
  const edit = (file: string, sql: string, ...values: unknown[]): void => {
    const db = new Database(file);
    db.prepare(sql).run(...values);
    db.close();
  };

  test('verify says what holds', () => {
    const file = write('sound.db');
    expect(verifyLedger(file)).toEqual({
      ok: true,
      lines: [
        expect.stringMatching(/sound\.db: ledger of cp1 in street, block 8 of round 1003, [0-9a-f]{16}$/),
        '8 blocks: every signature, hash, limit, lambda and vote holds',
      ],
    });
  });

  test('verify says what is wrong, and where', () => {
    const file = write('edited.db');
    edit(file, 'UPDATE block SET message = ? WHERE height = 2', flip(blocks[1].message, 70, 3));
    const { ok, lines } = verifyLedger(file);
    expect(ok).toBe(false);
    expect(lines[1]).toMatch(/^WRONG {2}block 2: /);
  });

  test('its exit code: 0 when the ledger holds, 1 when not, 2 when there is none to look at', () => {
    const broken = write('broken.db');
    edit(broken, 'UPDATE block SET message = ? WHERE height = 2', flip(blocks[1].message, 70, 3));
    const command = fileURLToPath(new URL('../../firmware/p2pebt.cjs', import.meta.url));
    const codes = [write('whole.db'), broken, join(folder, 'none.db')].map(
      (file) => spawnSync(process.execPath, [command, 'ledger', 'verify', file], { timeout: 20_000 }).status,
    );
    expect(codes).toEqual([0, 1, 2]);
  });

  test('show tells what was held back for safety, and whose', () => {
    const narrow = new Neighbours({ changes: { capacity_W: 80_000 } }).until(30); // admits one of the two
    for (const index of [0, 1]) narrow.buy(index, 11_000, { maxWait_rounds: 0 });
    narrow.rounds(2);
    const file = write('narrow.db', narrow.player(0).ledger.blocks, narrow.registry);
    const text = showLedger(file, { json: false });
    const told = text.findIndex((line) => line.includes('held back'));
    expect(text[told]).toMatch(/^ +held back for safety: 11 kW of cp[12]$/);
    expect(text[told - 1]).toMatch(/SCHEDULE +1000 /);
    expect(text.filter((line) => line.includes('held back'))).toHaveLength(1);
    const [name] = /cp[12]$/.exec(text[told]) as RegExpExecArray;
    const rows = JSON.parse(showLedger(file, { json: true })[0]).blocks;
    expect(rows.map(({ heldBack }: { heldBack: unknown[] }) => heldBack)).toEqual([
      [],
      [{ node: name, power_W: 11_000 }],
      [],
      [],
    ]);
  });

  test('the neighbourhood in the file cannot be exchanged', () => {
    const file = write('other.db');
    edit(
      file,
      'UPDATE fact SET value = ? WHERE key = ?',
      JSON.stringify({ ...registry.neighbourhood, capacity_W: 1 }),
      NEIGHBOURHOOD_FACT,
    );
    expect(() => verifyLedger(file)).toThrow('the neighbourhood kept in it is not the one it was begun for');
  });

  test('show tells rounds, orders and energy; as JSON the same figures', () => {
    const file = write('shown.db');
    const text = showLedger(file, { json: false }).join('\n');
    expect(text).toContain('Ledger of cp1 in street: 4 rounds committed, 0 terminated');
    const shown = JSON.parse(showLedger(file, { json: true })[0]);
    expect(shown).toMatchObject({ height: 8, committed: 4, unbalanced: [] });
    expect(text).toContain(
      `Energy: of the settled orders ${shown.ordered_Wh} Wh ordered, ${shown.allocated_Wh} Wh allocated, ${shown.metered_Wh} Wh metered; ${shown.unordered_Wh} Wh more metered without`,
    );
    // 7 kW and 11 kW less the converter's losses for five minutes, whole watt-hours as the registers count
    expect(shown.metered_Wh).toBe(583 + 853);
    expect(shown.settlement.filter((row: { order: string | null }) => row.order !== null)).toHaveLength(2);
  });
});
