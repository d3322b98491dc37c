/** The simulator's door against a plain one that keeps a set of what was delivered; and whose keys it knows. */
import { expect, it } from 'vitest';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import type { Members } from '../../firmware/protocol/members.ts';
import { amend } from '../../firmware/protocol/membership.ts';
import type { RegistryChange, Signed } from '../../firmware/protocol/messages.ts';
import { makeRegistry, type Registry, registryWith } from '../../firmware/protocol/registry.ts';
import { Door } from './door.ts';
import { neighbourhoodOf, rotate } from './neighbourhood.ts';
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

const registry = makeRegistry(neighbourhoodOf(4, 'wide', true), sha256);
const first = { registry, handover: null };
const saying = (type: string, sender = 0, epoch = 0) => ({ round: 1, sender, epoch, body: { type } }) as Signed;
const inTime = saying('VOTE');

/** How often the two differ over numbers drawn from the first `span` ones. */
function differences(seed: number, span: number, plain: PlainDoor): number {
  const door = new Door();
  const random = randomStream(seed, 'door');
  let differ = 0;
  for (let i = 0; i < 30_000; i++) {
    const serial = random.whole(0, span);
    if (door.admits({ message: inTime, serial, bytes: 0 }, 1, first) !== plain.admits(serial)) differ += 1;
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

it('hears a replaced key no more, and not before its epoch whoever has the new one', () => {
  const change = { sender: registry.registrar, body: { type: 'REGISTRY', number: 1, amendments: [rotate(2)] } };
  const { members, changes } = amend(registry, change as unknown as Signed<RegistryChange>, sha256) as Registry;
  const next = registryWith(registry, { epoch: 1, changes, members }, sha256);
  const heard = (members: Members, ...said: Parameters<typeof saying>): boolean =>
    new Door().admits({ message: saying(...said), serial: 0, bytes: 0 }, 1, members);
  const [joint, second] = [
    { registry, handover: { registry: next, stage: 'joint' as const } },
    { registry: next, handover: null },
  ];
  expect([first, joint, second].map((members) => heard(members, 'VOTE', 2, 0))).toEqual([true, true, false]);
  expect([first, joint, second].map((members) => heard(members, 'VOTE', 2, 1))).toEqual([false, true, true]);
  expect([first, joint, second].map((members) => heard(members, 'VOTE', 1, 0))).toEqual([true, true, true]);
  expect(heard(second, 'VOTE', 9, 1)).toBe(false); // nobody
  expect(heard(second, 'SYNC_REQ', 2, 0)).toBe(true); // who was away asks with what it knows
});
