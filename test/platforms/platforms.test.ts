/** What `npm run test:platforms` compares would show another arithmetic; the comparing notices each way to differ. */
import { describe, expect, test } from 'vitest';
import { withPatched } from '../mutate.ts';
import { FAULTS } from '../simulation/faults.ts';
import { frozen } from '../vectors/messages.ts';
import { differences, type Row, table } from './compare.ts';
import { hashOf, type Results, results } from './results.ts';

const row = (platform: string, results: Row['results']): Row => ({ platform, node: '24.0.0', results, seconds: 1.25 });

describe('platforms', () => {
  test('that came to the same differ in nothing', () => {
    expect(
      differences([row('a', { x: '1', y: '2' }), row('b', { y: '2', x: '1' }), row('c', { x: '1', y: '2' })]),
    ).toEqual([]);
  });

  test.each([
    ['another result', { x: '1', y: '3' }, 'y: 3 on c with Node 24.0.0, 2 on a with Node 24.0.0'],
    ['a result too few', { x: '1' }, 'y: undefined on c with Node 24.0.0, 2 on a with Node 24.0.0'],
    ['a result too many', { x: '1', y: '2', z: '4' }, 'z: 4 on c with Node 24.0.0, undefined on a with Node 24.0.0'],
  ])('%s is named', (_, results, line) => {
    expect(differences([row('a', { x: '1', y: '2' }), row('b', { x: '1', y: '2' }), row('c', results)])).toEqual([
      line,
    ]);
  });

  test.each([0, 1])('%d of them are no comparison', (count) => {
    expect(differences([row('a', {})].slice(0, count))).toHaveLength(1);
  });

  test('stand in a table', () => {
    expect(table([row('linux-x64', { x: '1' })])).toBe('platform   Node    x  seconds\nlinux-x64  24.0.0  1  1.3');
  });
});

describe('what is compared', () => {
  const runs = [{ nodes: 4, rounds: 6, seed: 1, faults: FAULTS }];

  // What was found: a power of three in the solver had another last digit in Node 22.
  test.each([
    {
      name: 'another last digit in the solver',
      file: 'firmware/solver/quadratic.ts',
      find: 'left * left * left * mu',
      replace: 'left * left * left * mu * 1.0000000000000002',
      in: ['plans, benefits'],
    },
    {
      name: 'divisions that round towards zero',
      file: 'firmware/protocol/benefit/instance.ts',
      find: 'return rest < 0 ? quotient - 1 : rest >= b ? quotient + 1 : quotient;',
      replace: 'return rest >= b ? quotient + 1 : quotient;',
      in: ['4 nodes, seed 1', 'their reports'],
    },
  ])('shows $name', async ({ name, in: columns, ...patch }) => {
    const there = await withPatched<typeof import('./results.ts'), Results>(
      name,
      { folders: ['firmware', 'hal', 'test'], entry: 'test/platforms/results.ts', patches: [patch] },
      (mutant) => mutant.results(runs, 5),
    );
    const here = results(runs, 5);
    expect(Object.keys(here).filter((column) => here[column] !== there[column])).toEqual(columns);
    expect(differences([row('here', here), row('there', there)])).toHaveLength(columns.length);
  });

  test('are the frozen bytes of every message', () => {
    expect(results([], 0).messages).toBe(hashOf(frozen()));
  });
});
