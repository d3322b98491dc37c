/** Makes the folder that a person named, with those above it that are missing. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from './errors.ts';

/**
 * One by one: Node's own recursive mkdir never returns where the system says ENOENT for a child of what is there, as
 * /proc does. A folder that is there already is left as it is. @throws UsageError in words that name it.
 */
export function makeFolder(folder: string, mode = 0o777): void {
  const missing: string[] = [];
  let there = folder;
  while (statSync(there, { throwIfNoEntry: false }) === undefined) {
    missing.unshift(there);
    there = dirname(there);
  }
  if (!statSync(there).isDirectory()) {
    throw new UsageError(`${folder}: cannot be made (${there} is not a folder); name another folder`);
  }
  try {
    for (const each of missing) mkdirSync(each, { mode });
  } catch (error) {
    throw new UsageError(`${folder}: cannot be made (${(error as Error).message}); name another folder`);
  }
}
