/** The bench as `npm start` runs it, for two rounds: broker, world, five controllers, and a summary of their ledgers. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { Summary } from '../../sim-hardware/bench.ts';

const program = fileURLToPath(new URL('../../sim-hardware/main.ts', import.meta.url));

test('two rounds are committed, and nothing that must never happen did', async () => {
  const flags = ['--rounds', '2', '--scale', '60', '--port', '0', '--json', '--quiet'];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, ...flags], { timeout: 60_000 });
  expect(stderr).toBe('');
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0])).toEqual({
    nodes: 5,
    seed: 1,
    scale: 60,
    wall_s: expect.any(Number),
    rounds: { committed: expect.any(Number), terminated: expect.any(Number) },
    cbrtPf: null, // two rounds have one slope
    energy_Wh: {
      ordered: expect.any(Number),
      allocated: expect.any(Number),
      metered: expect.any(Number),
      unordered: expect.any(Number),
    },
    unsettledRounds: expect.any(Number),
    contactOperations: expect.any(Number),
    peak_W: expect.any(Number),
    violations: [],
  } satisfies Summary);
  const { rounds } = JSON.parse(lines[0]) as Summary;
  expect(rounds.committed).toBeGreaterThanOrEqual(1);
  expect(rounds.committed + rounds.terminated).toBeGreaterThanOrEqual(2);
});
