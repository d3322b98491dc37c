/** A node that was away for a day, or for so long that no peer keeps the blocks it lacks, votes again within two rounds. */
import { expect, test } from 'vitest';
import { roundOfView } from '../../firmware/protocol/round.ts';
import { Cluster } from './cluster.ts';

const DAY = 288;

test.each([
  ['a day', DAY, false],
  ['two days, so that it has to begin at a checkpoint', 2 * DAY, true],
])(
  'away for %s',
  (_how, rounds, pruned) => {
    const voted = new Set<number>();
    const cluster: Cluster = new Cluster({
      nodes: 4,
      seed: 1,
      firstRound: 1146,
      watch: {
        said: ({ sender, view, body }) => {
          if (sender === 1 && body.type === 'VOTE' && body.kind === 'notarize') voted.add(roundOfView(view));
        },
      },
    });
    const run = (count: number): void => {
      for (let i = 0; i < count; i++) cluster.runRound();
    };
    const [stays, away] = cluster.nodes;
    run(20); // across the beginning of a day
    expect(away.disk.checkpoint).not.toBeNull();
    const { height: left } = away.state.finalNode.state;
    cluster.kill(away);
    run(rounds);
    expect(stays.disk.blocks.has(left + 1)).toBe(!pruned);

    cluster.restart(away);
    expect(away.state.finalNode.state.height).toBe(left);
    const back = stays.state.deciding;
    voted.clear();
    run(2);
    expect([...voted]).toContain(back + 2);
    expect(away.state.finalNode.state).toEqual(stays.state.finalNode.state);
    expect(away.disk.checkpoint).toEqual(stays.disk.checkpoint);
    expect(away.disk.blocks.has(left + 1)).toBe(!pruned);

    // What each keeps: at most two days of blocks.
    for (const { disk } of cluster.nodes) expect(disk.blocks.size).toBeLessThanOrEqual(2 * 2 * DAY + 4);
  },
  60_000,
);
