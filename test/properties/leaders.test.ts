/**
 * How often a round is lost because all leaders of a decision are silent: counted over rounds in which a random third of a
 * hundred nodes says nothing. The views of a decision are as many as that takes.
 */
import { expect, test } from 'vitest';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { SCHEDULE_VIEWS, SEAL_VIEWS } from '../../firmware/protocol/limits.ts';
import { makeRegistry } from '../../firmware/protocol/registry.ts';
import { firstView, type Kind, leaderOf } from '../../firmware/protocol/round.ts';
import { neighbourhoodOf } from '../simulation/neighbourhood.ts';
import { randomStream } from '../simulation/random.ts';

const ROUNDS = 1_000_000;
const registry = makeRegistry(neighbourhoodOf(100), sha256);

/** By how many leaders of a decision, from the first, are silent: in how many rounds. */
function silentLeaders(kind: Kind, views: number): number[] {
  const random = randomStream(7, `silent leaders of ${kind}`);
  const nodes = Array.from({ length: registry.n }, (_, node) => node);
  const silent = new Uint8Array(registry.n);
  const rounds = Array.from({ length: views + 1 }, () => 0);
  for (let round = 0; round < ROUNDS; round++) {
    silent.fill(0);
    for (let drawn = 0; drawn < registry.f; drawn++) {
      const at = random.whole(drawn, registry.n - 1);
      [nodes[drawn], nodes[at]] = [nodes[at], nodes[drawn]];
      silent[nodes[drawn]] = 1;
    }
    let view = 0;
    while (view < views && silent[leaderOf(registry, firstView(round, kind) + view)] === 1) view += 1;
    rounds[view] += 1;
  }
  return rounds;
}
const lostWith = (rounds: readonly number[], views: number): number =>
  rounds.slice(views).reduce((sum, count) => sum + count, 0);

/** A draw of f of n without putting back. */
const chance = (views: number): number =>
  Array.from({ length: views }, (_, i) => (registry.f - i) / (registry.n - i)).reduce((all, each) => all * each, 1);

test.each([
  { kind: 'SEAL', views: SEAL_VIEWS, lost: 5, lostOfFour: 10_368 },
  { kind: 'SCHEDULE', views: SCHEDULE_VIEWS, lost: 2, lostOfFour: 10_581 },
] as const)(
  '$lost of a million $kind decisions of $views views have silent leaders only; of four views $lostOfFour',
  ({ kind, views, lost, lostOfFour }) => {
    const rounds = silentLeaders(kind, views);
    expect(lostWith(rounds, views)).toBe(lost);
    expect(lostWith(rounds, 4)).toBe(lostOfFour);
    expect(lost / ROUNDS).toBeLessThan(1e-5);
    for (const k of [1, 2, 3, 4, 5]) expect(lostWith(rounds, k) / ROUNDS / chance(k)).toBeCloseTo(1, 1); // no node is favoured
  },
);
