/**
 * The members change on the chain: real nodes with real keys, a registrar's word, and what the neighbours make of it. Each
 * story is told by what the nodes say.
 */
import { describe, expect, test } from 'vitest';
import type { Amendment, RegistryChange } from '../../firmware/protocol/messages.ts';
import { registryOf } from '../../firmware/protocol/state.ts';
import { hex, Neighbours, neighbourhoodOf, signerOf } from './protocol-driver.ts';

const REGISTRAR = 5;
const connector = { kind: 'fast', charge_W: 11_000, discharge_W: 11_000 } as const;

/** Four charge points, a head meter and a registrar. */
function street(): Neighbours {
  const { nodes } = neighbourhoodOf(4);
  const registrar = {
    name: 'registrar',
    publicKey: hex(signerOf(REGISTRAR).publicKey),
    role: 'registrar' as const,
    safeShare_W: 0,
  };
  return new Neighbours({ changes: { nodes: [...nodes, registrar] } });
}
const change = (number: number, ...amendments: Amendment[]): RegistryChange => ({
  type: 'REGISTRY',
  number,
  amendments,
});
const newcomer = (index: number): Amendment => ({
  op: 'add',
  name: `cp${index}`,
  publicKey: hex(signerOf(index).publicKey),
  connector,
  safeShare_W: 1380,
});
const TOLD = ['committed', 'members', 'terminated', 'evidence'] as const;
const votersOf = (play: Neighbours, node = 0): string => {
  const { epoch, leaders, members, q } = registryOf(play.state(node));
  return `epoch ${epoch}: ${leaders
    .map((at) => members[at].name)
    .sort()
    .join(', ')} (quorum ${q})`;
};
const tips = (play: Neighbours): Set<string> =>
  new Set(play.players.filter(({ alive }) => alive).map(({ index }) => play.state(index).finalNode.state.tip));

describe('a charge point joins', () => {
  test('it votes two rounds after the registrar has said so, without anybody restarting', () => {
    const play = street();
    play.rounds(2);
    expect(votersOf(play)).toBe('epoch 0: cp1, cp2, cp3, cp4 (quorum 3)');
    play.say(REGISTRAR, change(1, newcomer(6)));
    play.join('cp6', [signerOf(6)]);
    play.rounds(4);
    expect(votersOf(play)).toBe('epoch 1: cp1, cp2, cp3, cp4, cp6 (quorum 4)');
    expect(votersOf(play, 6)).toBe(votersOf(play));
    play.buy(6, 7000);
    play.rounds(2);
    console.log(play.transcript(TOLD));
    expect(tips(play).size).toBe(1);
    expect(play.player(6).plans.map(({ power }) => power)).toContain(7000);
  });
});
