/** What can be wrong with what a person asks of the bench, found before anything is started. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { UsageError } from '../firmware/commands/errors.ts';
import { makeFolder } from '../firmware/commands/folder.ts';

const ANSWERS_WITHIN_ms = 3_000;

/** @throws UsageError */
export async function preflight({ directory, broker }: { directory?: string; broker?: string }): Promise<void> {
  if (directory !== undefined) {
    makeFolder(resolve(directory));
    if (readdirSync(directory).length > 0)
      throw new UsageError(`--dir ${directory}: holds something already; choose a new folder`);
  }
  if (broker !== undefined) await listens(broker);
}

/** Only that somebody is there: whether it is a broker that lets them in, the controllers find out. */
async function listens(broker: string): Promise<void> {
  const { hostname, port, protocol } = new URL(broker);
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (protocol === 'mqtts:' ? 8883 : 1883),
  });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(ANSWERS_WITHIN_ms) });
  } catch (error) {
    const why = (error as Error).name === 'AbortError' ? 'no answer' : (error as Error).message;
    throw new UsageError(`--broker ${broker}: no broker there (${why}): is it running?`);
  } finally {
    socket.destroy();
  }
}
