/**
 * A controller of the bench that ends, hangs or comes back, and one whose meter does: nobody follows its last words, and
 * everybody is told.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bench, type Controller, startBench } from '../../sim-hardware/bench.ts';
import { eventually } from './eventually.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench({ nodes: 5, seed: 3, scale: 30 });
});
afterAll(() => bench?.stop());

const cp = (name: string): Controller => bench.controllers.find((each) => each.name === name) as Controller;
const node = (name: string) => bench.view()?.nodes.find((each) => each.name === name);
const gone = (name: string): string | undefined => node(name)?.gone?.why;
const tell = { within_ms: 20_000, tell: () => JSON.stringify(bench.view()?.nodes.map(({ gone }) => gone)) };

test('ended by itself: it is gone at once, its contacts are what the board shows, the others are followed', async () => {
  await eventually('all are seen', () => bench.view()?.nodes.length === 5, tell);
  const before = cp('cp-1').page;
  cp('cp-1').process?.kill('SIGKILL');
  await eventually('it is gone', () => gone('cp-1') === 'controller ended (SIGKILL)', tell);
  const { contacts } = node('cp-1')?.chargePoint ?? {};
  expect([contacts?.charge.observed, contacts?.discharge.observed]).toEqual([...bench.world.contacts('cp-1')]);
  expect(bench.view()?.chain.seenBy).not.toBe('cp-1');
  expect(
    bench
      .view()
      ?.nodes.filter(({ gone }) => gone)
      .map(({ name }) => name),
  ).toEqual(['cp-1']);

  await bench.start('cp-1');
  await eventually('it is found again', () => node('cp-1') !== undefined && gone('cp-1') === undefined, tell);
  expect(cp('cp-1').page).not.toBe(before);
});

test('hung: its page does not answer, and it is said so', async () => {
  cp('cp-2').process?.kill('SIGSTOP');
  try {
    await eventually('it is gone', () => gone('cp-2') === 'its page does not answer', tell);
  } finally {
    cp('cp-2').process?.kill('SIGCONT');
  }
  await eventually('it answers again', () => gone('cp-2') === undefined, tell);
});

test('a meter that falls silent and comes back is two lines in the log, the first with its address and the cause', async () => {
  const said = () =>
    readFileSync(join(cp('cp-3').directory, 'log'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('meter at'))
      .map((line) => JSON.parse(line) as { level: string; msg: string })
      .map(({ level, msg }) => `${level} ${msg.replace(/:\d+/, ':PORT')}`);
  const heard = { within_ms: 20_000, tell: () => JSON.stringify(said()) };
  bench.wires.setFault('cp-3 meter', 'silence');
  await eventually('it is told', () => said().length === 1, heard);
  expect(node('cp-3')?.chargePoint?.faults).toContainEqual(
    expect.stringMatching(/^meter at 127\.0\.0\.1:\d+: timeout$/),
  );
  bench.wires.setFault('cp-3 meter', null);
  await eventually('it is back', () => said().length === 2, heard);
  expect(said()).toEqual([
    'warn meter at 127.0.0.1:PORT: timeout; it is asked again until it answers',
    'info meter at 127.0.0.1:PORT answers again',
  ]);
});
