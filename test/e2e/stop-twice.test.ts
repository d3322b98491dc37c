/**
 * Ctrl-C at a controller that a person runs: the terminal sends SIGINT to the whole group, and the launcher passes its
 * own on, so the controller gets it twice. The second must not cut the opening of the contacts short.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startBench } from '../../sim-hardware/bench.ts';

const root = new URL('../..', import.meta.url).pathname;

test('a signal that comes twice: every contact is open, the ledger is closed, exit 0', async () => {
  const bench = await startBench({ nodes: 5, seed: 2, scale: 30 });
  try {
    await bench.kill('cp-1', 'SIGTERM');
    const config = join(bench.directory, 'cp-1', 'config.yaml');
    const child = spawn(process.execPath, ['firmware/launch.cjs', 'firmware/p2pebt.cjs', 'run', '--config', config], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const hear = (bytes: Buffer): void => {
      const before = said;
      said += bytes;
      // Sent at once they may count as one: so the second comes when the first is being followed.
      const stopping = '"stopping: opening the contacts"';
      if (said.includes(stopping) && !before.includes(stopping)) process.kill(-(child.pid as number), 'SIGINT');
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
    await expect.poll(() => said, { timeout: 60_000 }).toContain('the page is at');
    process.kill(-(child.pid as number), 'SIGINT');
    expect(await exit, said).toBe(0);
    expect(said).toContain('"msg":"stopped"');
    expect(bench.world.contacts('cp-1')).toEqual(['open', 'open']);
  } finally {
    await bench.stop();
  }
});
