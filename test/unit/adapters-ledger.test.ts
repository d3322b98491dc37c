/** The ledger on a real disk: durability, whose it is, damage, and a process killed while it writes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Durability,
  type LedgerError,
  openLedger,
  readLedger,
  setLedgerAside,
} from '../../firmware/adapters/sqlite-ledger.ts';
import { createVoteCounter, openVoteCounter } from '../../firmware/adapters/vote-counter.ts';
import type { FinalBlock, LedgerEntry, OwnVote } from '../../firmware/ports.ts';
import { unixMillis } from '../../hal/units.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'p2pebt-ledger-'));
  createVoteCounter(join(folder, 'key.votes'));
  file = join(folder, 'ledger.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true }));

const bytes = (text: string) => new TextEncoder().encode(text);
const identity = { publicKey: new Uint8Array(32).fill(1), genesisHash: new Uint8Array(32).fill(2) };
const counter = () => openVoteCounter(join(folder, 'key.votes'));
const open = () => openLedger(file, identity, counter());
const vote = (kind: OwnVote['kind'], from: number, to = from, payload = `${kind} ${from}`): LedgerEntry => ({
  kind: 'vote',
  vote: { kind, from, to, payload: bytes(payload), basis: kind === 'notarize' ? bytes('block') : null },
});
const block = (height: number, name = `block ${height}`, certificate: string | null = null): LedgerEntry => ({
  kind: 'final',
  block: {
    height,
    round: 100 + height,
    hash: bytes(name),
    message: bytes('m'),
    certificate: certificate === null ? null : bytes(certificate),
  },
  view: height,
});
const codeOf = (action: () => unknown) => {
  try {
    action();
    return 'none';
  } catch (error) {
    return (error as LedgerError).code;
  }
};

describe('durability', () => {
  const isDurable = ({ journal, synchronous }: Durability) => journal === 'wal' && synchronous === 2;

  test('the ledger commits through a WAL that is synced at every commit', () => {
    const ledger = open();
    expect(isDurable(ledger.durability())).toBe(true);
    ledger.close();
  });

  test("the check notices better-sqlite3's default", () => {
    const plain = new Database(file);
    plain.pragma('journal_mode = WAL');
    const journal = plain.pragma('journal_mode', { simple: true }) as string;
    plain.close();
    const again = new Database(file); // NORMAL is what a connection to a WAL database starts with
    expect(isDurable({ journal, synchronous: again.pragma('synchronous', { simple: true }) as number })).toBe(false);
    again.close();
  });

  test('nothing acknowledged is lost when the process is killed while it writes', async () => {
    const writer = fileURLToPath(new URL('adapters-ledger-writer.ts', import.meta.url));
    let acknowledged = 0;
    for (let kill = 0; kill < 10; kill++) {
      const child = spawn(process.execPath, [writer, file, String(acknowledged + 1)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const gone = once(child, 'exit');
      const enough = acknowledged + 5 + 3 * kill; // another moment of its work each time
      for await (const line of createInterface(child.stdout)) {
        acknowledged = Math.max(acknowledged, Number(line));
        if (acknowledged >= enough) child.kill('SIGKILL');
      }
      await gone;

      const ledger = open();
      const views = ledger
        .load()
        .votes.filter(({ kind }) => kind === 'notarize')
        .map(({ to }) => to);
      ledger.close();
      const last = views.at(-1)!;
      expect(views).toEqual(Array.from({ length: views.length }, (_, index) => last - views.length + 1 + index));
      expect(last).toBeGreaterThanOrEqual(acknowledged);
      acknowledged = last; // one more may have been durable than was said
    }
  }, 60_000);
});

describe('what an honest node never signs', () => {
  const refusals: [string, LedgerEntry, LedgerEntry][] = [
    ['two NOTARIZE in a view', vote('notarize', 7), vote('notarize', 7, 7, 'another block')],
    ['two FINAL in a view', vote('final', 7), vote('final', 7, 7, 'another block')],
    ['FINAL where it has skipped', vote('skip', 5, 9), vote('final', 7)],
    ['SKIP where it has finalised', vote('final', 7), vote('skip', 7, 12)],
    ['NOTARIZE where it has skipped', vote('skip', 5, 9), vote('notarize', 7)],
    ['a vote at or below a final block', block(7), vote('notarize', 7)],
    ['two blocks at a height', block(1), block(1, 'another')],
    ['a chain with a gap', block(1), block(3)],
    ['a block far below the chain', block(3), block(1)],
  ];
  test.each(refusals)('%s', (_name, first, second) => {
    const ledger = open();
    ledger.append([first]);
    const before = ledger.load();
    expect(() => ledger.append([vote('notarize', 20), second])).toThrow();
    expect(ledger.load()).toEqual(before); // not even the first entry of that batch
    ledger.close();
  });

  test('the same vote again, a SKIP after a NOTARIZE, and a late certificate are fine', () => {
    const ledger = open();
    ledger.append([vote('notarize', 7), vote('notarize', 9), vote('skip', 9), block(1), block(2)]);
    ledger.append([vote('notarize', 7), block(1, 'block 1', 'quorum')]);
    ledger.append([block(1)]); // does not take the certificate away again
    const { votes, blocks } = ledger.load();
    expect(votes.map(({ kind }) => kind)).toEqual(['notarize', 'skip']);
    expect(blocks.map(({ certificate }: FinalBlock) => certificate)).toEqual([bytes('quorum'), null]);
    ledger.close();
  });
});

test('votes are kept, however many, until a final block or a wider SKIP makes them history', () => {
  const ledger = open();
  const kept = () => ledger.load().votes.map(({ kind, from, to }) => `${kind} ${from}-${to}`);
  ledger.append(Array.from({ length: 1_500 }, (_, view) => vote('notarize', 10 + view)));
  ledger.append([vote('final', 20), vote('skip', 21, 1_000)]);
  expect(kept()).toHaveLength(11 + 509 + 2);
  ledger.append([vote('skip', 21, 1_508)]);
  expect(kept().slice(10)).toEqual(['notarize 20-20', 'notarize 1509-1509', 'final 20-20', 'skip 21-1508']);
  expect(() => ledger.append([vote('notarize', 1_509, 1_509, 'another')])).toThrow('contradicts');
  ledger.append([{ ...block(1), view: 1_508 } as LedgerEntry]);
  expect(kept()).toEqual(['notarize 1509-1509']);
  ledger.close();
});

describe('the counter beside the key tells whether votes are missing', () => {
  const whole = () => {
    const ledger = open();
    try {
      return ledger.load().whole;
    } finally {
      ledger.close();
    }
  };
  const votes = (from: number) => {
    const ledger = open();
    ledger.append([vote('notarize', from), vote('final', from)]);
    ledger.close();
  };
  const at = (name: string) => join(folder, name);

  test('a new ledger of a new key is whole, and stays so from vote to vote', () => {
    expect(whole()).toBe(true);
    for (const view of [1, 2, 3]) {
      votes(view);
      expect(whole()).toBe(true);
      expect(counter().value).toBe(2 * view);
    }
  });
  test('a ledger that is gone, or was restored from a backup, is not', () => {
    votes(1);
    cpSync(file, at('backup'));
    votes(2);
    for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
    expect(whole()).toBe(false);
    cpSync(at('backup'), file);
    expect(whole()).toBe(false);
    votes(3); // it goes on counting from what the counter knows
    expect([counter().value, whole()]).toEqual([6, true]);
  });
  test('nor is one of which only statements are gone: a head meter has no vote', () => {
    const ledger = open();
    ledger.append([{ kind: 'statement', statement: { round: 1, kind: 'SITE', payload: bytes('s') } }]);
    ledger.close();
    expect([counter().value, whole()]).toEqual([1, true]);
    for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
    expect(whole()).toBe(false);
  });
  test('nor is one whose counter is gone, though the count begins anew', () => {
    rmSync(at('key.votes'));
    expect(whole()).toBe(false);
    votes(1);
    expect([counter().value, whole()]).toEqual([2, true]);
  });
  test('a line that a power cut tore costs nothing, unless it shows more than was signed', () => {
    votes(1);
    votes(2);
    const [first, second] = readFileSync(at('key.votes'), 'latin1').split('\n');
    expect([first, second].map((line) => Number(line!.slice(0, 16)))).toEqual([4, 2]);
    writeFileSync(at('key.votes'), `${first}\n00000\0`);
    expect(whole()).toBe(true);
    writeFileSync(at('key.votes'), `${first}\n0000000000000005 0000000000000000\n`);
    expect(whole()).toBe(false);
  });
  test('it knows the latest round about which anything was signed, whatever becomes of the ledger or of the line that is written', () => {
    const sign = (...rounds: number[]) => {
      const ledger = open();
      for (const round of rounds)
        ledger.append([{ kind: 'statement', statement: { round, kind: 'HEADER', payload: bytes('h') } }]);
      ledger.close();
    };
    sign(7, 8, 6);
    expect(counter().round).toBe(8);
    for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
    const lost = open();
    expect(lost.load()).toMatchObject({ whole: false, signedTo_round: 8 });
    lost.close();
    const lines = readFileSync(at('key.votes'), 'latin1').split('\n').slice(0, 2);
    const last = lines.findIndex((line) => Number(line.slice(0, 16)) === 3);
    writeFileSync(at('key.votes'), `${lines.with(1 - last, '0000').join('\n')}\n`); // the next one, torn
    expect(counter()).toMatchObject({ value: 3, round: 8 });
  });
  test('a METER is said while the second round after its own is decided, a SKIP is about all its views', () => {
    const ledger = open();
    ledger.append([{ kind: 'statement', statement: { round: 7, kind: 'METER', payload: bytes('m') } }]);
    expect(counter().round).toBe(9);
    ledger.append([vote('skip', 1, 21 * 12)]);
    expect(counter().round).toBe(12);
    ledger.close();
  });
});

test('statements stay bounded by count, so that a jump of the clock forgets nothing recent', () => {
  const ledger = open();
  ledger.append(
    Array.from({ length: 1_500 }, (_, round) => ({
      kind: 'statement',
      statement: { round, kind: 'ORDER', payload: bytes('o') },
    })),
  );
  const { statements } = ledger.load();
  expect([statements.length, statements[0]!.round]).toEqual([1_000, 500]);
  ledger.close();
});

test('blocks come in pages that fit, message and certificate counted, and at least one', () => {
  const ledger = open();
  ledger.append([1, 2, 3, 4].map((height) => block(height, `block ${height}`, 'c'.repeat(99)))); // 100 bytes each
  const heights = (above: number, maxBytes: number) => ledger.blocksAbove(above, maxBytes).map(({ height }) => height);
  expect([heights(0, 300), heights(0, 299), heights(2, 1_000), heights(2, 1), heights(4, 1_000)]).toEqual([
    [1, 2, 3],
    [1, 2],
    [3, 4],
    [3],
    [],
  ]);
  expect(ledger.blocksAbove(0, 1_000)).toEqual(ledger.load().blocks);
  ledger.close();
});

test('small facts are remembered', () => {
  const ledger = open();
  ledger.remember('closed', 'charge');
  ledger.remember('closed', 'discharge');
  ledger.close();
  const again = open();
  expect([again.recall('closed'), again.recall('never')]).toEqual(['discharge', undefined]);
  again.close();
});

test('the same views are skipped again for the voters of a new epoch', () => {
  const ledger = open();
  ledger.append([vote('skip', 4, 9, 'skip in epoch 0')]);
  ledger.append([vote('skip', 4, 9, 'skip in epoch 1')]);
  expect(ledger.load().votes.map(({ payload }) => new TextDecoder().decode(payload))).toEqual(['skip in epoch 1']);
  ledger.close();
});

describe('whose ledger it is', () => {
  test('another node, another neighbourhood, another version, another program, and two processes at once', () => {
    const ledger = open();
    ledger.append([block(1)]);
    expect(codeOf(open)).toBe('in-use');
    ledger.close();

    expect(codeOf(() => openLedger(file, { ...identity, publicKey: new Uint8Array(32).fill(9) }, counter()))).toBe(
      'other-node',
    );
    expect(codeOf(() => openLedger(file, { ...identity, genesisHash: new Uint8Array(32).fill(9) }, counter()))).toBe(
      'other-neighbourhood',
    );
    expect(codeOf(() => readLedger(join(folder, 'none')))).toBe('missing');
    expect(codeOf(() => openLedger(join(folder, 'none', 'ledger.sqlite'), identity, counter()))).toBe('unwritable');

    const db = new Database(file);
    db.pragma('user_version = 7');
    expect(codeOf(open)).toBe('newer');
    expect(codeOf(() => readLedger(file))).toBe('newer');
    db.pragma('user_version = 5');
    expect(codeOf(open)).toBe('older');
    db.pragma('user_version = 6');
    db.pragma('application_id = 0');
    expect(codeOf(open)).toBe('not-a-ledger');
    db.pragma('application_id = 1346716244');
    db.close();

    const again = open(); // nothing of this has hurt it
    expect(again.load().blocks).toHaveLength(1);
    again.close();
  });

  test("another program's database is not touched", () => {
    const other = new Database(file);
    other.exec('CREATE TABLE photos (name TEXT)');
    other.close();
    const before = readFileSync(file);
    expect(codeOf(open)).toBe('not-a-ledger');
    expect(readFileSync(file)).toEqual(before);
  });

  test('a reader sees what a running node appends, and whose it is', () => {
    const ledger = open();
    const reader = readLedger(file);
    expect([reader.publicKey, reader.genesisHash]).toEqual([identity.publicKey, identity.genesisHash]);
    ledger.append([block(1), vote('final', 3)]);
    ledger.remember('closed', 'charge');
    expect({ ...reader.load(), whole: true, signedTo_round: 0 }).toEqual(ledger.load());
    expect(reader.recall('closed')).toBe('charge');
    reader.close();
    ledger.close();
  });
});

describe('damage', () => {
  const damages: [string, () => void][] = [
    ['an empty file', () => truncateSync(file, 0)],
    ['a file cut short', () => truncateSync(file, 5_000)],
    [
      'a header of noise',
      () => writeFileSync(file, Buffer.concat([Buffer.alloc(100, 0x5a), readFileSync(file).subarray(100)])),
    ],
    [
      'pages of noise',
      () => writeFileSync(file, Buffer.concat([readFileSync(file).subarray(0, 4_096), Buffer.alloc(60_000, 0x5a)])),
    ],
  ];
  test.each(damages)('%s is noticed, set aside and kept, and an empty ledger begins', (_name, damage) => {
    const ledger = open();
    ledger.append(Array.from({ length: 200 }, (_, view) => vote('notarize', view)));
    ledger.close();
    damage();
    const damaged = readFileSync(file);
    expect(codeOf(open)).toBe('corrupt');
    expect(readFileSync(file)).toEqual(damaged); // looking at it has changed nothing

    const aside = setLedgerAside(file, unixMillis(Date.UTC(2026, 0, 2, 3, 4, 5)));
    expect(aside).toBe(`${file}.corrupt-2026-01-02T030405.000Z`);
    expect(readFileSync(aside)).toEqual(damaged);
    expect(existsSync(file)).toBe(false);
    const fresh = open();
    expect(fresh.load()).toMatchObject({ checkpoint: null, blocks: [], votes: [], statements: [], whole: false });
    fresh.close();
    expect(readdirSync(folder)).toContain('ledger.sqlite');
  });
});
