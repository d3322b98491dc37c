/**
 * Mutants: a copy of the sources in which one rule is changed, loaded beside the real ones; never a flag in production.
 * A patch that no longer fits its source is an error, so that no mutant dies unnoticed.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A text that the file holds exactly once, and what replaces it. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Source {
  /** What is copied: folders, from the root of the project. */
  readonly folders: readonly string[];
  /** The module to load, and the files of the patches, from there too. */
  readonly entry: string;
  readonly patches: readonly Patch[];
}

const root = new URL('..', import.meta.url).pathname;

/**
 * Runs with the patched module M. The copy is removed afterwards.
 * @throws Error naming the mutant when a text is not found once
 */
export async function withPatched<M, T>(
  mutant: string,
  { folders, entry, patches }: Source,
  run: (module: M) => T | Promise<T>,
): Promise<T> {
  const copy = mkdtempSync(join(tmpdir(), 'p2pebt-mutant-'));
  try {
    for (const folder of folders) cpSync(join(root, folder), join(copy, folder), { recursive: true });
    cpSync(join(root, 'package.json'), join(copy, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    for (const { file, find, replace } of patches) {
      const path = join(copy, file);
      const source = readFileSync(path, 'utf8');
      if (source.split(find).length !== 2) throw new Error(`mutant ${mutant}: its text is not found once in ${file}`);
      writeFileSync(
        path,
        source.replace(find, () => replace),
      );
    }
    return await run((await import(pathToFileURL(join(copy, entry)).href)) as M);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
