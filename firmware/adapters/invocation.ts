/** How the person at the keyboard starts this program, for hints that can be typed as they stand. */

/** In a checkout no `p2pebt` is on the PATH: whoever came by npm goes on by npm. */
export const commandFor = ({ npm_lifecycle_event: script }: NodeJS.ProcessEnv): string =>
  script === undefined || script === 'npx' ? 'p2pebt' : 'npm run p2pebt --';

export const COMMAND = commandFor(process.env);

/** A path as a shell takes it. */
export const typed = (path: string): string =>
  /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
