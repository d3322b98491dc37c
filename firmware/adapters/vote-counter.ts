/**
 * The monotonic counter (Algorithms 1 and 2 of the paper): how many votes and statements were ever signed with this key, and about
 * which round the latest of them was. It lies beside the key, not beside the ledger, so that a ledger that was lost, restored from
 * a backup or torn is noticed. A text file of two lines, written in turn and synced before what it counts is: a power cut tears
 * the line of what was not signed yet.
 */
import { closeSync, constants, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

/** How many, and the latest round about which anything was signed, 0 before. */
interface Count {
  readonly value: number;
  readonly round: number;
}

export interface VoteCounter {
  /** Null when there is no counter: nobody knows how much was signed. */
  readonly value: number | null;
  /** Null like that. */
  readonly round: number | null;
  /** By so many, about rounds up to this one. Durable when it returns. */
  raise(by: number, round: number): number;
}

/** The counter's file of a key. */
export const counterFile = (keyFile: string): string => `${keyFile}.votes`;

const DIGITS = 16;
const digits = (value: number): string => String(value).padStart(DIGITS, '0');
const line = ({ value, round }: Count): string => `${digits(value)} ${digits(round)}\n`;
const NOTHING: Count = { value: 0, round: 0 };

/** For a new key, which has signed nothing yet; a counter that another key has left there is none of its own. */
export function createVoteCounter(path: string): void {
  const file = openSync(path, 'w', 0o600);
  writeSync(file, line(NOTHING) + line(NOTHING));
  fsyncSync(file);
  closeSync(file);
}

/** @throws file system errors but ENOENT. */
export function openVoteCounter(path: string): VoteCounter {
  const lines = read(path);
  const counted = lines.filter((count) => count !== null);
  let last: Count | null = counted.length === 0 ? null : counted.reduce((a, b) => (b.value > a.value ? b : a));
  let at = lines.indexOf(last);
  return {
    get value() {
      return last?.value ?? null;
    },
    get round() {
      return last?.round ?? null;
    },
    raise(by, round) {
      const next = { value: (last?.value ?? 0) + by, round: Math.max(last?.round ?? 0, round) };
      at = at === 0 ? 1 : 0; // never over the last one
      const file = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
      try {
        writeSync(file, line(next), at * line(next).length);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      last = next;
      return next.value;
    },
  };
}

/** The two lines, null for one that is not whole. */
function read(path: string): (Count | null)[] {
  try {
    const text = readFileSync(path, 'latin1');
    return text.split('\n').map((each) => {
      const found = /^(\d{16}) (\d{16})$/.exec(each);
      return found === null ? null : { value: Number(found[1]), round: Number(found[2]) };
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
