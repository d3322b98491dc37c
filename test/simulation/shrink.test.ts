/** What is printed of a run that breaks: a smaller one that breaks the same, and the command for it, which is true. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { commandOf } from './command.ts';
import { FAULTS } from './faults.ts';
import { shrink } from './shrink.ts';
import { type RunOptions, simulate } from './simulate.ts';

test('a run that breaks is made shorter, and still breaks the same way', () => {
  const faults = ['adversary', 'duplicate', 'lost-tail', 'replay'] as const;
  const run: RunOptions = { nodes: 7, rounds: 40, seed: 1, faults, steady: true, forgetful: true, firstRound: 1100 };
  const found = simulate(run);
  expect(found.violation?.invariant).toBe('I8');

  const { options, report, story } = shrink(run, found, 120_000);
  expect(options.nodes).toBe(4);
  expect(options.faults?.length).toBeLessThan(faults.length);
  expect(faults).toEqual(expect.arrayContaining([...(options.faults ?? [])]));
  expect(options.faults).toContain('lost-tail'); // without it nothing is forgotten
  expect(options.rounds).toBeLessThanOrEqual(found.rounds);
  expect(options).toMatchObject({ firstRound: 1100, steady: true });
  expect(simulate(options).violation).toEqual(report.violation);
  expect(report.violation?.invariant).toBe('I8');
  expect(story.join('\n')).toMatch(/from its ledger/);
});

test('the command for a run names what is not as it comes by itself', () => {
  expect(commandOf({ nodes: 4, rounds: 9, seed: 7, faults: FAULTS })).toBe(
    'npm run simulate -- --nodes 4 --rounds 9 --seed 7 --faults all',
  );
  const twins = { nodes: 7, rounds: 9, seed: 7, twins: 2, firstRound: 1146 };
  expect(commandOf(twins)).toBe(
    'npm run simulate -- --nodes 7 --rounds 9 --seed 7 --faults none --twins 2 --first-round 1146',
  );
});

test('and runs it again, to the same ledger', () => {
  const run: RunOptions = {
    nodes: 4,
    rounds: 8,
    seed: 5,
    faults: ['adversary', 'byzantine', 'lost-tail'],
    lies: ['equivocate'],
    steady: true,
    sizing: 'tight',
    fragile: 1,
    firstRound: 1146,
    rule: 'eq11',
  };
  const args = commandOf(run).split(' -- ')[1].split(' ');
  const simulator = ['firmware/launch.cjs', 'test/simulation/main.ts', ...args, '--json'];
  const { stdout } = spawnSync(process.execPath, simulator, { encoding: 'utf8' });
  const { ledger, violation } = simulate(run);
  expect(JSON.parse(stdout)).toMatchObject([{ ledger, violation }]);
});

test.each([
  ['--first-round', '0', 'not a whole number from 1'],
  ['--rule', 'best', 'no such rule'],
])('%s %s is refused in words', (flag, value, words) => {
  const simulator = ['firmware/launch.cjs', 'test/simulation/main.ts', flag, value];
  const { status, stderr } = spawnSync(process.execPath, simulator, { encoding: 'utf8' });
  expect(status).toBe(2);
  expect(stderr).toContain(words);
});
