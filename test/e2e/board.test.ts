/** The proof that the lease test can fail: on boards that hold their contacts for ever, a dead controller's stay closed. */
import { expect, test } from 'vitest';
import { startBench } from '../../sim-hardware/bench.ts';
import { eventually } from './eventually.ts';

test('without the lease of the boards, a killed controller leaves its contact closed, and the bench says so', async ({
  onTestFailed,
}) => {
  const never = () => () => undefined;
  const bench = await startBench({ nodes: 5, seed: 1, scale: 60, boards: { after: never } });
  onTestFailed(() => void bench.stop());
  const closed = (id: string) => bench.world.contacts(id).includes('closed');
  const { value: victim } = await eventually('a closed contact', () => bench.world.ids.find(closed));
  await bench.kill(victim, 'SIGKILL');
  const opens = eventually('its contacts open', () => !closed(victim), { within_ms: 1_500 });
  await expect(opens).rejects.toThrow('not within');
  const { violations } = await bench.stop();
  expect(violations).toContain(`${victim}: a contact is closed after the stop`);
});
