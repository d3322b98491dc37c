/**
 * The ledger: one SQLite file per node, WAL with synchronous=FULL, so that what `append` returned from survives a
 * power cut (protocol README, 2.8). It refuses to hold what an honest node never signs, belongs to one node of one
 * neighbourhood, and is used by one process at a time. A file that will not open is set aside, never deleted. Blocks
 * below the last checkpoint but one are pruned; what proves each checkpoint stays.
 */
import assert from 'node:assert/strict';
import { existsSync, renameSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { UnixMillis } from '../../hal/units.ts';
import type {
  Checkpoint,
  FinalBlock,
  Ledger,
  LedgerContent,
  LedgerEntry,
  OwnStatement,
  OwnVote,
  Past,
} from '../ports.ts';
import { signedAbout } from '../protocol/round.ts';
import type { VoteCounter } from './vote-counter.ts';

export interface LedgerIdentity {
  /** The node's ed25519 key, and the hash of the neighbourhood that it takes part in. */
  readonly publicKey: Uint8Array;
  readonly genesisHash: Uint8Array;
}

export type LedgerFault =
  | 'missing'
  | 'corrupt'
  | 'not-a-ledger'
  | 'older'
  | 'newer'
  | 'other-node'
  | 'other-neighbourhood'
  | 'in-use'
  | 'unwritable';

/** The message says what is wrong, with which file, and what to do. */
export class LedgerError extends Error {
  readonly code: LedgerFault;

  constructor(code: LedgerFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LedgerError';
    this.code = code;
  }
}

/** A ledger as `ledger verify`, `ledger show` and the bench see it, also while its node is running. */
export interface LedgerReader extends LedgerIdentity {
  load(): Omit<LedgerContent, 'whole' | 'signedTo_round'>;
  /** Everything that is kept of the chain, for whoever wants to verify it. */
  chain(): KeptChain;
  past: Ledger['past'];
  recall(key: string): string | undefined;
  close(): void;
}

export interface KeptChain {
  /** Oldest first, each with the blocks that prove it once another follows; those of the newest are among `blocks`. */
  readonly checkpoints: readonly (Checkpoint & { readonly proof: readonly FinalBlock[] })[];
  readonly blocks: readonly FinalBlock[];
}

/** What SQLite says of this connection: 'wal', and 2 for FULL. */
export interface Durability {
  readonly journal: string;
  readonly synchronous: number;
}

export interface SqliteLedger extends Ledger {
  durability(): Durability;
}

/**
 * The last statements are kept: hundreds of rounds. They are counted, not dated, so that no jump of the clock can make the
 * ledger forget what was just signed. Votes are kept until a final block or a wider SKIP of this node makes them history.
 */
const STATEMENTS_KEPT = 1_000;
/** Facts of the ledger's own: how many votes and statements it has seen (the counter's twin), and the view of the last final block. */
const SIGNED = 'votes-signed';
const FINAL_VIEW = 'final-view';
/** Blocks pruned with each append of new ones: a day's takes a few hours, and no round waits for it. */
const PRUNED_AT_ONCE = 16;
/** Accounts of this node's own charge point that are told again after a start. */
const OWN_TOLD = 288;
const VERSION = 6;
/** 'PEBT', so that no other program's database is taken for a ledger. */
const APPLICATION_ID = 0x50454254;

const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE block (
    height INTEGER PRIMARY KEY, round INTEGER NOT NULL, hash BLOB NOT NULL, message BLOB NOT NULL, certificate BLOB
  ) STRICT;
  CREATE TABLE checkpoint (height INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, state BLOB NOT NULL) STRICT;
  CREATE TABLE proof (
    height INTEGER PRIMARY KEY, round INTEGER NOT NULL, hash BLOB NOT NULL, message BLOB NOT NULL, certificate BLOB
  ) STRICT;
  CREATE TABLE account (
    height INTEGER PRIMARY KEY, round INTEGER NOT NULL, rounds INTEGER NOT NULL, committed INTEGER NOT NULL,
    ordered_J INTEGER NOT NULL, allocated_J INTEGER NOT NULL, metered_J INTEGER NOT NULL,
    unordered_J INTEGER NOT NULL, own BLOB NOT NULL
  ) STRICT;
  CREATE TABLE vote (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('notarize', 'final', 'skip')),
    first_view INTEGER NOT NULL, last_view INTEGER NOT NULL CHECK (last_view >= first_view),
    payload BLOB NOT NULL, basis BLOB, UNIQUE (kind, first_view, last_view)
  ) STRICT;
  CREATE INDEX vote_by_last_view ON vote (last_view);
  CREATE TABLE statement (id INTEGER PRIMARY KEY, round INTEGER NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL) STRICT;
`;

/**
 * Opens the ledger of this node, or begins one where no file is. The counter of its key tells whether votes are missing.
 * @throws LedgerError of any code but `missing`.
 */
export function openLedger(path: string, identity: LedgerIdentity, counter: VoteCounter): SqliteLedger {
  const lock = lockLedger(path);
  try {
    const db = open(path, {});
    try {
      const fresh = isFresh(db);
      if (!fresh) {
        checkFormat(db, path); // before anything is written: it may be somebody else's
        checkIdentity(db, path, identity);
      }
      db.pragma('journal_mode = WAL');
      db.pragma('synchronous = FULL'); // the build's default in WAL mode is NORMAL, which may lose the last commits
      if (fresh) begin(db, identity);
      return writer(db, lock, counter);
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    lock.close();
    throw asLedgerError(error, path);
  }
}

/** @throws LedgerError `missing`, `corrupt`, `not-a-ledger`, `older`, `newer`. */
export function readLedger(path: string): LedgerReader {
  if (!existsSync(path)) throw new LedgerError('missing', `${path}: no such file; a ledger begins with: p2pebt run`);
  try {
    const db = open(path, { readonly: true, fileMustExist: true });
    try {
      checkFormat(db, path);
      return { ...reader(db), ...identityOf(db), close: () => void db.close() };
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    throw asLedgerError(error, path);
  }
}

/**
 * Renames a ledger that will not open, with what belongs to it, and returns its new name. The node then begins
 * an empty one and must abstain from voting until it is safe: it no longer knows what it has signed.
 */
export function setLedgerAside(path: string, now: UnixMillis): string {
  const aside = `${path}.corrupt-${new Date(now).toISOString().replaceAll(':', '')}`;
  for (const part of ['', '-wal', '-shm']) if (existsSync(path + part)) renameSync(path + part, aside + part);
  return aside;
}

/** A lock that no crash leaves behind: an exclusive transaction on an empty database beside the ledger. */
function lockLedger(path: string): Database.Database {
  try {
    const lock = new Database(`${path}.lock`, { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    if ((error as { code?: string }).code === 'SQLITE_BUSY')
      throw new LedgerError(
        'in-use',
        `${path}: another process uses this ledger; stop it first, since two would vote twice`,
      );
    throw new LedgerError(
      'unwritable',
      `${path}: cannot be written (${(error as Error).message}); check the folder and its owner`,
    );
  }
}

function open(path: string, options: Database.Options): Database.Database {
  // SQLite takes an empty file for a new database; to us it is a ledger that lost everything.
  if (existsSync(path) && statSync(path).size === 0)
    throw new LedgerError('corrupt', corrupt(path, 'the file is empty'));
  const db = new Database(path, options);
  try {
    const verdict = db.pragma('quick_check(1)', { simple: true });
    if (verdict !== 'ok') throw new LedgerError('corrupt', corrupt(path, String(verdict)));
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

const isFresh = (db: Database.Database) => db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;

function begin(db: Database.Database, { publicKey, genesisHash }: LedgerIdentity): void {
  db.transaction(() => {
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${VERSION}`);
    db.exec(SCHEMA);
    const put = db.prepare('INSERT INTO meta VALUES (?, ?)');
    put.run('publicKey', publicKey);
    put.run('genesisHash', genesisHash);
  })();
}

function checkFormat(db: Database.Database, path: string): void {
  if (db.pragma('application_id', { simple: true }) !== APPLICATION_ID)
    throw new LedgerError('not-a-ledger', `${path}: a database of another program; check the path of the ledger`);
  const version = db.pragma('user_version', { simple: true }) as number;
  if (version < VERSION)
    throw new LedgerError(
      'older',
      `${path}: written by an older p2pebt (ledger version ${version}, this p2pebt writes ${VERSION}); its blocks cannot be read any more: ` +
        'name a new ledger in the configuration',
    );
  if (version > VERSION)
    throw new LedgerError(
      'newer',
      `${path}: written by a newer p2pebt (ledger version ${version}, this one knows ${VERSION}); update p2pebt`,
    );
}

function identityOf(db: Database.Database): LedgerIdentity {
  const get = db.prepare<[string], Buffer>('SELECT value FROM meta WHERE key = ?').pluck();
  return { publicKey: bytes(get.get('publicKey') as Buffer), genesisHash: bytes(get.get('genesisHash') as Buffer) };
}

function checkIdentity(db: Database.Database, path: string, wanted: LedgerIdentity): void {
  const found = identityOf(db);
  const hex = (value: Uint8Array) => `${Buffer.from(value).toString('hex').slice(0, 16)}…`;
  if (!Buffer.from(found.publicKey).equals(wanted.publicKey))
    throw new LedgerError(
      'other-node',
      `${path}: the ledger of another node (key ${hex(found.publicKey)}, ours is ${hex(wanted.publicKey)}); check the paths of ledger and key`,
    );
  if (!Buffer.from(found.genesisHash).equals(wanted.genesisHash))
    throw new LedgerError(
      'other-neighbourhood',
      `${path}: belongs to another neighbourhood or to other rules (${hex(found.genesisHash)}, ours is ${hex(wanted.genesisHash)}); ` +
        'check the neighbourhood file, or name a new ledger in the configuration',
    );
}

function writer(db: Database.Database, lock: Database.Database, counter: VoteCounter): SqliteLedger {
  const content = reader(db);
  const insertVote = db.prepare(
    'INSERT INTO vote (kind, first_view, last_view, payload, basis) VALUES (?, ?, ?, ?, ?)',
  );
  const sameVote = db.prepare('SELECT 1 FROM vote WHERE kind = ? AND first_view = ? AND last_view = ? AND payload = ?');
  // 2.5: one NOTARIZE and one FINAL a view, no FINAL where it has skipped or the other way round, no NOTARIZE after a SKIP.
  const contradiction = db.prepare(`
    SELECT kind, first_view, last_view FROM vote WHERE first_view <= @to AND last_view >= @from
    AND (kind = @kind AND kind <> 'skip' OR kind = 'skip' AND @kind <> 'skip' OR kind = 'final' AND @kind = 'skip')`);
  const insertStatement = db.prepare('INSERT INTO statement (round, kind, payload) VALUES (?, ?, ?)');
  const blockAt = db.prepare<[number], { hash: Buffer }>('SELECT hash FROM block WHERE height = ?');
  const gapsBeside = db
    .prepare<[{ height: number }], number>(`
      SELECT count(*) FROM (SELECT (SELECT min(height) FROM block) AS low, (SELECT max(height) FROM block) AS high)
      WHERE (low < @height AND NOT EXISTS (SELECT 1 FROM block WHERE height = @height - 1)
        AND NOT EXISTS (SELECT 1 FROM checkpoint WHERE height = @height - 1))
      OR (high > @height AND NOT EXISTS (SELECT 1 FROM block WHERE height = @height + 1))`)
    .pluck();
  const insertBlock = db.prepare('INSERT INTO block VALUES (?, ?, ?, ?, ?)');
  const certify = db.prepare('UPDATE block SET certificate = ? WHERE height = ? AND certificate IS NULL');
  const insertCheckpoint = db.prepare('INSERT OR IGNORE INTO checkpoint VALUES (?, ?, ?)');
  const checkpointBelow = db
    .prepare<[number], number | null>('SELECT max(height) FROM checkpoint WHERE height < ?')
    .pluck();
  const keepProof = db.prepare(`
    INSERT OR IGNORE INTO proof SELECT * FROM block WHERE height > @height
    AND height <= (SELECT min(height) FROM block WHERE height > @height AND certificate IS NOT NULL)`);
  const pruneBlocks = db.prepare(`
    DELETE FROM block WHERE height IN (SELECT height FROM block
    WHERE height <= (SELECT height FROM checkpoint ORDER BY height DESC LIMIT 1 OFFSET 1) ORDER BY height LIMIT ?)`);
  const insertAccount = db.prepare(
    'INSERT OR IGNORE INTO account VALUES (@height, @round, @rounds, @committed, @ordered_J, @allocated_J, @metered_J, @unordered_J, @own)',
  );
  const pruneVotes = db.prepare('DELETE FROM vote WHERE last_view <= ?');
  // Where it has skipped, this node signs nothing else any more; the same SKIP in a new epoch takes the place of the old one.
  const supersede = db.prepare("DELETE FROM vote WHERE kind <> 'final' AND first_view >= ? AND last_view <= ?");
  const pruneStatements = db.prepare('DELETE FROM statement WHERE id <= ?');
  const remember = db.prepare('INSERT INTO fact VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value');

  const appendVote = ({ kind, from, to, payload, basis }: OwnVote) => {
    if (sameVote.get(kind, from, to, payload)) return;
    const settled = Number(content.recall(FINAL_VIEW) ?? -1);
    assert(from > settled, `a ${kind} for views ${from}..${to}, but the block of view ${settled} is final`);
    const other = contradiction.get({ kind, from, to }) as
      | { kind: string; first_view: number; last_view: number }
      | undefined;
    if (other)
      assert.fail(
        `a ${kind} for views ${from}..${to} contradicts our ${other.kind} for ${other.first_view}..${other.last_view}`,
      );
    if (kind === 'skip') supersede.run(from, to);
    insertVote.run(kind, from, to, payload, basis);
  };

  const settleVotes = (view: number) => {
    if (view <= Number(content.recall(FINAL_VIEW) ?? -1)) return;
    remember.run(FINAL_VIEW, String(view));
    pruneVotes.run(view);
  };

  const appendBlock = ({ height, round, hash, message, certificate }: FinalBlock) => {
    const known = blockAt.get(height);
    if (known) {
      assert(known.hash.equals(hash), `two final blocks at height ${height}`);
      if (certificate) certify.run(certificate, height);
    } else insertBlock.run(height, round, hash, message, certificate);
  };

  const appendCheckpoint = ({ height, epoch, state }: Checkpoint) => {
    insertCheckpoint.run(height, epoch, state);
    const before = checkpointBelow.get(height);
    if (before != null) keepProof.run({ height: before });
  };

  const appendStatement = ({ round, kind, payload }: OwnStatement) => {
    const { lastInsertRowid } = insertStatement.run(round, kind, payload);
    pruneStatements.run(Number(lastInsertRowid) - STATEMENTS_KEPT);
  };

  const append = db.transaction((entries: readonly LedgerEntry[]) => {
    const signed = entries.flatMap(signedAbout);
    if (signed.length > 0) remember.run(SIGNED, String(counter.raise(signed.length, Math.max(...signed))));
    for (const entry of entries) {
      if (entry.kind === 'vote') appendVote(entry.vote);
      else if (entry.kind === 'checkpoint') appendCheckpoint(entry.checkpoint);
      else if (entry.kind === 'account') insertAccount.run(entry.account);
      else if (entry.kind === 'final') {
        appendBlock(entry.block);
        settleVotes(entry.view);
      } else appendStatement(entry.statement);
    }
    for (const entry of entries) {
      if (entry.kind !== 'final') continue;
      const { height } = entry.block;
      assert.equal(gapsBeside.get({ height }), 0, `the chain would have a gap beside height ${height}`);
    }
    if (entries.some(({ kind }) => kind === 'final')) pruneBlocks.run(PRUNED_AT_ONCE);
  });

  const whole = counter.value === Number(content.recall(SIGNED) ?? 0);
  const signedTo_round = counter.round;
  return {
    ...content,
    load: () => ({ ...content.load(), whole, signedTo_round }),
    append: (entries) => append(entries),
    remember: (key, value) => void remember.run(key, value),
    durability: () => ({
      journal: db.pragma('journal_mode', { simple: true }) as string,
      synchronous: db.pragma('synchronous', { simple: true }) as number,
    }),
    close() {
      db.close();
      lock.close();
    },
  };
}

type Reading = Pick<LedgerReader, 'load' | 'chain' | 'past' | 'recall'> &
  Pick<Ledger, 'checkpointAbove' | 'blocksAbove'>;

function reader(db: Database.Database): Reading {
  const checkpoints = db.prepare<[], Checkpoint>('SELECT * FROM checkpoint ORDER BY height');
  const newest = db.prepare<[], Checkpoint>('SELECT * FROM checkpoint ORDER BY height DESC LIMIT 1');
  const newestOf = db.prepare<[number, number], Checkpoint>(
    'SELECT * FROM checkpoint WHERE height > ? AND epoch <= ? ORDER BY height DESC LIMIT 1',
  );
  const proof = db.prepare<[number, number], FinalBlock>(
    'SELECT * FROM proof WHERE height > ? AND height <= ? ORDER BY height',
  );
  const sums = db.prepare<[number], Omit<Past, 'own'>>(`
    SELECT ifnull(sum(rounds), 0) AS rounds, ifnull(sum(committed), 0) AS committed, ifnull(sum(ordered_J), 0) AS ordered_J,
    ifnull(sum(allocated_J), 0) AS allocated_J, ifnull(sum(metered_J), 0) AS metered_J,
    ifnull(sum(unordered_J), 0) AS unordered_J FROM account WHERE height <= ?`);
  const own = db
    .prepare<[number, number], Buffer>(`
      SELECT own FROM (SELECT height, own FROM account WHERE height <= ? AND own <> x'80' ORDER BY height DESC LIMIT ?)
      ORDER BY height`)
    .pluck();
  const above = db.prepare<[number], FinalBlock>('SELECT * FROM block WHERE height > ? ORDER BY height');
  const provers = db.prepare<[number], FinalBlock>('SELECT * FROM proof WHERE height > ? ORDER BY height');
  const isKept = db.prepare<[number], number>('SELECT 1 FROM block WHERE height = ?').pluck();
  const votes = db.prepare<[], OwnVote>(
    'SELECT first_view AS "from", last_view AS "to", kind, payload, basis FROM vote ORDER BY id',
  );
  const statements = db.prepare<[], OwnStatement>('SELECT round, kind, payload FROM statement ORDER BY id');
  const fact = db.prepare<[string], string>('SELECT value FROM fact WHERE key = ?').pluck();
  const checkpoint = (): Checkpoint | null => plainCheckpoint(newest.get());
  return {
    checkpointAbove: (height, epoch) => plainCheckpoint(newestOf.get(height, epoch) ?? newestOf.get(height, epoch + 1)),
    past: (height) => ({
      ...(sums.get(height) as Omit<Past, 'own'>),
      own: own.all(height, OWN_TOLD).map(bytes),
    }),
    chain: db.transaction(() => {
      const all = checkpoints.all();
      return {
        checkpoints: all.map(({ height, epoch, state }, i) => ({
          height,
          epoch,
          state: bytes(state),
          proof: proof.all(height, all[i + 1]?.height ?? height).map(plainBlock),
        })),
        blocks: above.all(-1).map(plainBlock),
      };
    }),
    load: db.transaction(() => ({
      checkpoint: checkpoint(),
      blocks: above.all(checkpoint()?.height ?? -1).map(plainBlock),
      votes: votes.all().map((vote) => ({
        ...vote,
        payload: bytes(vote.payload),
        basis: vote.basis && bytes(vote.basis),
      })),
      statements: statements.all().map((statement) => ({ ...statement, payload: bytes(statement.payload) })),
    })),
    blocksAbove(height, maxBytes) {
      const page: FinalBlock[] = [];
      let left = maxBytes;
      // Where the blocks are pruned, those that prove a checkpoint are still there.
      for (const block of (isKept.get(height + 1) ? above : provers).iterate(height)) {
        if (block.height !== height + 1 + page.length) break;
        left -= block.message.length + (block.certificate?.length ?? 0);
        if (left < 0 && page.length > 0) break;
        page.push(plainBlock(block));
      }
      return page;
    },
    recall: (key) => fact.get(key) as string | undefined,
  };
}

const plainBlock = (block: FinalBlock): FinalBlock => ({
  ...block,
  hash: bytes(block.hash),
  message: bytes(block.message),
  certificate: block.certificate && bytes(block.certificate),
});

const plainCheckpoint = (kept: Checkpoint | undefined): Checkpoint | null =>
  kept === undefined ? null : { height: kept.height, epoch: kept.epoch, state: bytes(kept.state) };

/** Plain bytes, as they went in: a Buffer compares and prints differently. */
const bytes = (buffer: Uint8Array) => new Uint8Array(buffer);

const corrupt = (path: string, detail: string) =>
  `${path}: damaged (${detail}); it is kept, and the node can begin anew from its neighbours once it is set aside`;

function asLedgerError(error: unknown, path: string): unknown {
  const { code = '', message } = error as { code?: string; message: string };
  if (error instanceof LedgerError || !code.startsWith('SQLITE_')) return error;
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB')
    return new LedgerError('corrupt', corrupt(path, message));
  if (code === 'SQLITE_BUSY')
    return new LedgerError('in-use', `${path}: another program keeps it locked; close that first`);
  return new LedgerError(
    'unwritable',
    `${path}: cannot be opened for writing (${message}); check the folder, its owner and free space`,
  );
}
