/** Files that only their owner may read: the node's key, a broker's password. Checked on every load. */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { COMMAND } from './invocation.ts';

export type SecretFileFault = 'exists' | 'missing' | 'unreadable' | 'exposed' | 'not-a-key';

/** The message says what is wrong, with which file, and what to do; it never contains the secret. */
export class SecretFileError extends Error {
  readonly code: SecretFileFault;

  constructor(code: SecretFileFault, message: string) {
    super(message);
    this.name = 'SecretFileError';
    this.code = code;
  }
}

/** @throws SecretFileError `exists`: it never overwrites; other file system errors as they come. */
export function writeSecretFile(path: string, text: string): void {
  let file: number;
  try {
    file = openSync(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new SecretFileError(
      'exists',
      `${path}: already there, and a secret is never overwritten; move it away first`,
    );
  }
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** @throws SecretFileError `missing`, `unreadable`, or `exposed` when group or others have any right to it. */
export function readSecretFile(path: string): string {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new SecretFileError('missing', `${path}: no such file; check the path (${COMMAND} init makes a key)`);
    throw new SecretFileError('unreadable', `${path}: cannot be read (${(error as Error).message}); check its owner`);
  }
  try {
    // Asked of the open file, not of the path, so that nobody can swap it in between.
    const mode = fstatSync(file).mode & 0o777;
    if ((mode & 0o077) !== 0)
      throw new SecretFileError(
        'exposed',
        `${path}: others than its owner may use it (mode ${mode.toString(8).padStart(4, '0')}); run: chmod 600 ${path}`,
      );
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof SecretFileError) throw error;
    throw new SecretFileError('unreadable', `${path}: cannot be read (${(error as Error).message})`);
  } finally {
    closeSync(file);
  }
}
