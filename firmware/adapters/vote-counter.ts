/**
 * The monotonic counter (Algorithms 1 and 2 of the paper): how many votes and statements were ever signed with this key. It
 * lies beside the key, not beside the ledger, so that a ledger that was lost, restored from a backup or torn is noticed. A
 * text file of two lines, written in turn and synced before each of them is durable: a power cut can tear one line at most.
 */
import { closeSync, constants, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

export interface VoteCounter {
  /** Null when there is no counter: nobody knows how much was signed. */
  readonly value: number | null;
  /** Durable when it returns. */
  raise(by: number): number;
}

/** The counter's file of a key. */
export const counterFile = (keyFile: string): string => `${keyFile}.votes`;

const DIGITS = 16;
const line = (value: number): string => `${String(value).padStart(DIGITS, '0')}\n`;

/** For a new key, which has signed nothing yet; a counter that another key has left there is none of its own. */
export function createVoteCounter(path: string): void {
  const file = openSync(path, 'w', 0o600);
  writeSync(file, line(0) + line(0));
  fsyncSync(file);
  closeSync(file);
}

/** @throws file system errors but ENOENT. */
export function openVoteCounter(path: string): VoteCounter {
  let value = read(path);
  return {
    get value() {
      return value;
    },
    raise(by) {
      value = (value ?? 0) + by;
      const file = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
      try {
        writeSync(file, line(value), (value % 2) * (DIGITS + 1));
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      return value;
    },
  };
}

function read(path: string): number | null {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const values = text.split('\n').flatMap((each) => (/^\d{1,16}$/.test(each) ? [Number(each)] : []));
  return values.length === 0 ? null : Math.max(...values);
}
