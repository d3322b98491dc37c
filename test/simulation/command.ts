/** The command that runs a simulation again: with everything in it that is not as it comes by itself. */
import { FAULTS } from './faults.ts';
import type { RunOptions } from './simulate.ts';

export function commandOf(options: RunOptions): string {
  const { nodes, rounds, seed, faults = [], steady, sizing, lies, twins, fragile, firstRound, rule } = options;
  const all = FAULTS.length === faults.length && FAULTS.every((fault) => faults.includes(fault));
  const flags = [
    steady ? ' --steady' : '',
    sizing === 'tight' ? ' --tight' : '',
    lies ? ` --lies ${lies}` : '',
    twins ? ` --twins ${twins}` : '',
    fragile === undefined ? '' : ` --fragile ${fragile}`,
    firstRound === undefined ? '' : ` --first-round ${firstRound}`,
    rule === undefined ? '' : ` --rule ${rule}`,
  ];
  const kinds = all ? 'all' : faults.join() || 'none';
  return `npm run simulate -- --nodes ${nodes} --rounds ${rounds} --seed ${seed} --faults ${kinds}${flags.join('')}`;
}
