/** The simulator's door against a plain one that keeps a set of what was delivered. */
import { expect, it } from 'vitest';
import type { Signed } from '../../firmware/protocol/messages.ts';
import { Door } from './door.ts';
import { randomStream } from './random.ts';

/** What the device does with ids (adapters/gate.ts). */
class PlainDoor {
  private readonly delivered = new Set<number>();
  private readonly most: number;
  constructor(most: number) {
    this.most = most;
  }
  admits(serial: number): boolean {
    const known = this.delivered.has(serial);
    this.delivered.add(serial);
    if (this.delivered.size > this.most) this.delivered.delete(this.delivered.values().next().value as number);
    return !known;
  }
}

const inTime = { round: 1, body: { type: 'VOTE' } } as Signed;

/** How often the two differ over numbers drawn from the first `span` ones. */
function differences(seed: number, span: number, plain: PlainDoor): number {
  const door = new Door();
  const random = randomStream(seed, 'door');
  let differ = 0;
  for (let i = 0; i < 30_000; i++) {
    const serial = random.whole(0, span);
    if (door.admits({ message: inTime, serial, bytes: 0 }, 1) !== plain.admits(serial)) differ += 1;
  }
  return differ;
}

const seeds = Array.from({ length: 20 }, (_, seed) => seed);

it('admits what a plain door admits', () => {
  for (const seed of seeds) expect(differences(seed, 4000 + 1000 * seed, new PlainDoor(8192))).toBe(0);
});

it('such numbers tell a door that forgets one message earlier', () => {
  expect(differences(1, 9000, new PlainDoor(8191))).toBeGreaterThan(0);
});
