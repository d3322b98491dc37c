/**
 * The members change on the chain: real nodes with real keys, a registrar's word, and what the neighbours make of it. Each
 * story is told by what the nodes say.
 */
import { describe, expect, test } from 'vitest';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import type { ChainState } from '../../firmware/protocol/chain.ts';
import { decode } from '../../firmware/protocol/codec.ts';
import { publicKeyOf, statementKeyOf } from '../../firmware/protocol/members.ts';
import { amend, handOver } from '../../firmware/protocol/membership.ts';
import type { Amendment, RegistryChange, Signed, Vote } from '../../firmware/protocol/messages.ts';
import { addChange, emptyPool } from '../../firmware/protocol/pool.ts';
import type { Registry } from '../../firmware/protocol/registry.ts';
import { registryOf } from '../../firmware/protocol/state.ts';
import { type Patch, withPatched } from '../mutate.ts';
import { hex, MemoryLedger, Neighbours, neighbourhoodOf, type Options, signerOf } from './protocol-driver.ts';

const REGISTRAR = 5;
/** In a payload. */
const SENDER = 6;
const connector = { kind: 'fast', charge_W: 11_000, discharge_W: 11_000 } as const;

/** Charge points, a head meter and a registrar, who has the last number. */
function street(chargePoints = 4, options: Options = {}, Street = Neighbours): Neighbours {
  const { nodes } = neighbourhoodOf(chargePoints);
  const publicKey = hex(signerOf(chargePoints + 1).publicKey);
  const registrar = { name: 'registrar', publicKey, role: 'registrar' as const, safeShare_W: 0 };
  return new Street({ ...options, chargePoints, changes: { ...options.changes, nodes: [...nodes, registrar] } });
}
/** Tells a story in a street whose nodes lack a rule. */
const without = <T>(
  { rule, patch }: { rule: string; patch: Patch },
  story: (Street: typeof Neighbours) => T,
): Promise<T> =>
  withPatched(
    rule,
    { folders: ['firmware', 'hal', 'test/unit'], entry: 'test/unit/protocol-driver.ts', patches: [patch] },
    (driver: { Neighbours: typeof Neighbours }) => story(driver.Neighbours),
  );
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
const votersOf = (play: Neighbours, node = 0): string => {
  const { epoch, leaders, members, q } = registryOf(play.state(node));
  const names = leaders.map((at) => members[at].name).sort();
  return `epoch ${epoch}: ${names.join(', ')} (quorum ${q})`;
};
const stageOf = ({ registry, handover }: ChainState): string => handover?.stage ?? `epoch ${registry.epoch}`;
const tips = (play: Neighbours): Set<string> =>
  new Set(play.players.filter(({ alive }) => alive).map(({ index }) => play.state(index).finalNode.state.tip));
const committed = (play: Neighbours, node = 0): number =>
  play.player(node).finals.filter(({ block }) => block.body.kind === 'SCHEDULE').length;
const members = (play: Neighbours, node = 'cp1'): string =>
  play
    .transcript(['members', 'evidence'])
    .split('\n')
    .filter((line) => line.includes(` ${node} `))
    .join('\n');

describe('a charge point joins', () => {
  test('it votes and trades three rounds after the registrar has said so, without anybody restarting', () => {
    const play = street();
    play.rounds(2);
    expect(votersOf(play)).toBe('epoch 0: cp1, cp2, cp3, cp4 (quorum 3)');
    play.say(REGISTRAR, change(1, newcomer(6)));
    play.join('cp6', [signerOf(6)]);
    play.rounds(5);
    expect(votersOf(play)).toBe('epoch 1: cp1, cp2, cp3, cp4, cp6 (quorum 4)');
    expect(votersOf(play, 6)).toBe(votersOf(play));
    play.buy(6, 7000);
    play.rounds(2);
    expect(members(play)).toBe(
      '1:34 cp1 members: epoch 1 is agreed: cp6 joins\n1:34 cp1 members: epoch 1 begins with 5 voters',
    );
    expect(tips(play).size).toBe(1);
    expect(play.player(6).plans.map(({ power }) => power)).toContain(7000);
    expect(committed(play)).toBe(9);
  });

  test('one that comes long after the registrar has spoken, and after others have joined, begins at the first block', () => {
    const play = street();
    play.rounds(1).say(REGISTRAR, change(1, newcomer(6)));
    play.join('cp6', [signerOf(6)]);
    play.rounds(5).say(REGISTRAR, change(2, newcomer(7)));
    play.rounds(5);
    expect(votersOf(play)).toBe('epoch 2: cp1, cp2, cp3, cp4, cp6, cp7 (quorum 5)');
    play.join('cp7', [signerOf(7)]);
    play.rounds(2);
    expect(votersOf(play, 7)).toBe(votersOf(play));
    expect(tips(play).size).toBe(1);
  });

  // It votes from the agreement on, and whoever begins at the first block learns its key only when it has read so far.
  test('what is kept of a block rests on the votes that it needs, not on those of who is about to join', () => {
    const play = street();
    play.rounds(1).say(REGISTRAR, change(1, newcomer(6)));
    play.join('cp6', [signerOf(6)]);
    play.rounds(7);
    const { finals, ledger } = play.player(6);
    const stages = finals.map(({ before }) => stageOf(before));
    const rests = ledger.blocksAbove(0, 2 ** 30).map(({ certificate }) => {
      const votes = decode(certificate as Uint8Array) as [Uint8Array, Uint8Array][];
      return votes.some(([payload]) => (decode(payload) as number[])[SENDER] === 6);
    });
    const shown = new Set(stages.map((stage, i) => `${stage}: ${rests[i] ? 'with' : 'without'} cp6`));
    expect([...shown].sort()).toEqual([
      'agreed: without cp6',
      'epoch 0: without cp6',
      'epoch 1: with cp6',
      'joint: with cp6',
      'named: without cp6',
    ]);
  });

  test('until the time of both no block carries what who is about to join has said', () => {
    const play = street();
    play.rounds(1).say(REGISTRAR, change(1, newcomer(6)));
    play.join('cp6', [signerOf(6)]);
    for (let round = 0; round < 7; round++) {
      play.until(30);
      play.buy(6, 7000);
      play.rounds(1);
    }
    const { finals } = play.player(0);
    const carriers = finals.filter(({ block }) => block.body.carried.some(({ sender }) => sender === 6));
    expect([...new Set(carriers.map(({ before }) => stageOf(before)))]).toEqual(['joint', 'epoch 1']);
    const may = finals.map(({ before }) => {
      const key = statementKeyOf(before, { sender: 6, epoch: before.registry.epoch });
      return `${stageOf(before)}: ${key === null ? 'nothing' : 'what it says'}`;
    });
    expect([...new Set(may)].slice(1)).toEqual([
      'agreed: nothing',
      'named: nothing',
      'joint: what it says',
      'epoch 1: what it says',
    ]);
  });

  test('a node that was away over two hand-overs is back within two rounds', () => {
    const play = street();
    play.join('cp6', [signerOf(6)]);
    play.rounds(2).kill(3);
    play.say(REGISTRAR, change(1, newcomer(6)));
    play.rounds(5).say(REGISTRAR, change(2, { op: 'rate', node: 0, connector, safeShare_W: 690 }));
    play.rounds(5);
    expect(votersOf(play)).toContain('epoch 2');
    const { height } = play.state(3).finalNode.state;
    expect(play.player(0).ledger.blocksAbove(height, 1_000_000)).toEqual([]); // two checkpoints later: pruned
    play.restart(3);
    play.rounds(2);
    expect(votersOf(play, 3)).toBe(votersOf(play));
    expect(tips(play).size).toBe(1);
  });
});

test('a hand-over goes on although the round in which it becomes joint comes to no schedule', () => {
  const isSchedule = ({ body }: Signed): boolean => body.type === 'PROPOSE' && body.kind === 'SCHEDULE';
  const play = street(4, { lost: (message) => isSchedule(message) && message.round === 1004 });
  play.join('cp6', [signerOf(6)]);
  play.rounds(2).say(REGISTRAR, change(1, newcomer(6)));
  play.rounds(3);
  expect(play.state(0).finalNode.state.handover?.stage).toBe('joint');
  expect(play.state(0).finalNode.state.scheduleRound).toBe(1003);
  play.rounds(4);
  expect(votersOf(play)).toBe('epoch 1: cp1, cp2, cp3, cp4, cp6 (quorum 4)');
});

describe('a charge point leaves', () => {
  test('two of six leave together, and are heard until the others are alone: their votes are needed', () => {
    const play = street(6);
    play.rounds(1).say(7, change(1, { op: 'remove', node: 4 }, { op: 'remove', node: 5 }));
    play.rounds(5);
    expect(votersOf(play)).toBe('epoch 1: cp1, cp2, cp3, cp4 (quorum 3)');
    expect(committed(play)).toBe(6);
  });

  test('it votes no more, and its orders are void', () => {
    const play = street(5);
    play.rounds(1).say(6, change(1, { op: 'remove', node: 4 }));
    play.rounds(4);
    expect(votersOf(play)).toBe('epoch 1: cp1, cp2, cp3, cp4 (quorum 3)');
    play.buy(4, 7000);
    play.rounds(2);
    expect(play.player(4).plans.some(({ power }) => power > 0)).toBe(false);
    expect(committed(play)).toBe(7);
  });

  test('a dead one is replaced, though all four that there are would be needed for a vote on it', () => {
    const play = street();
    play.rounds(1).kill(3);
    play.say(REGISTRAR, change(1, { op: 'remove', node: 3 }, newcomer(6)));
    play.join('cp6', [signerOf(6)]);
    play.rounds(5);
    expect(votersOf(play)).toBe('epoch 1: cp1, cp2, cp3, cp6 (quorum 3)');
    expect(tips(play).size).toBe(1);
    expect(committed(play)).toBe(6);
  });
});

test('a key is rotated: from the new epoch on the old one says nothing that anybody hears', () => {
  const play = street();
  play.rounds(1).say(REGISTRAR, change(1, { op: 'rotate', node: 2, publicKey: hex(signerOf(12).publicKey) }));
  play.restart(2, play.player(2).ledger, [signerOf(2), signerOf(12)]);
  play.rounds(4);
  expect(members(play)).toBe(
    '1:34 cp1 members: epoch 1 is agreed: cp3 has a new key\n1:34 cp1 members: epoch 1 begins with 4 voters',
  );
  expect(committed(play)).toBe(5);
  play.buy(2, 7000);
  play.rounds(1);
  expect(play.player(2).plans.map(({ power }) => power)).toContain(7000);
  const state = play.state(0).finalNode.state;
  expect(publicKeyOf(state, 2, 1)).toEqual(signerOf(12).publicKey);
  expect(publicKeyOf(state, 2, 0)).toBeNull();
  // Whoever has the old key wishes in vain, under the old epoch as under the new one.
  const wish = { type: 'ORDER', ref: 9, connector: 0, side: 'buy', price: 25_000, power_W: 9000 } as const;
  play.say(2, { ...wish, maxWait_rounds: 2, divisible: false, minimum_W: 9000 }, signerOf(2));
  expect([...play.state(0).pool.orders.values()].some(({ body }) => body.power_W === 9000)).toBe(false);
  expect(play.player(0).runtime.refusals.get('bad-signature')).toBe(1);
});

describe('a node whose old key is lost, with the new one alone', () => {
  test('goes on once the chain has the new key, and says nothing that nobody could check', () => {
    const play = street();
    play.rounds(1).kill(2);
    play.say(REGISTRAR, change(1, { op: 'rotate', node: 2, publicKey: hex(signerOf(12).publicKey) }));
    play.rounds(5).restart(2, new MemoryLedger(), [signerOf(12)]);
    play.rounds(2);
    expect(votersOf(play, 2)).toBe('epoch 1: cp1, cp2, cp3, cp4 (quorum 3)');
    expect(tips(play).size).toBe(1);
    play.rounds(4).buy(2, 7000);
    play.rounds(1);
    expect(play.player(2).plans.map(({ power }) => power)).toContain(7000);
    const refused = [0, 1, 3, 4].map((index) => play.player(index).runtime.refusals.get('bad-signature'));
    expect(refused).toEqual(refused.map(() => undefined));
  });

  /** What it signs before the chain has its key, and the first round about which it would vote. */
  const early = (Street = Neighbours) => {
    const play = street(4, {}, Street);
    play.rounds(2).restart(2, new MemoryLedger(), [signerOf(12)]);
    play.rounds(6);
    const { votes, statements } = play.player(2).ledger;
    return { signed: votes.length + statements.length, votesFrom: play.state(2).memoryFrom_round };
  };
  test('signs nothing until then, nor about the round in which it has started', () =>
    expect(early()).toEqual({ signed: 0, votesFrom: 1003 }));
  test('mutant: without a look at its keys it signs what nobody can check', async () => {
    const patch = { file: 'firmware/protocol/state.ts', find: 'ownKeys === null ||', replace: 'ownKeys !== null ||' };
    expect((await without({ rule: 'own keys', patch }, early)).signed).toBeGreaterThan(0);
  });
  test('mutant: without the memory of a former life it would vote at once', async () => {
    const patch = {
      file: 'firmware/runtime.ts',
      find: 'const isAnother = !sameBytes(',
      replace: 'const isAnother = false && sameBytes(',
    };
    expect((await without({ rule: 'former life', patch }, early)).votesFrom).toBe(0);
  });
});

describe("whoever has the registrar's key as well", () => {
  const rate = (node: number, safeShare_W: number): Amendment => ({ op: 'rate', node, connector, safeShare_W });

  /** The safe shares after two changes of the registrar, the second of which somebody else has said another way beforehand. */
  const foretold = (amendment: Amendment, Street = Neighbours): number[] => {
    const play = street(4, {}, Street);
    play.rounds(1).say(REGISTRAR, change(2, amendment));
    play.say(REGISTRAR, change(1, rate(1, 690)));
    play.rounds(6);
    play.say(REGISTRAR, change(2, rate(2, 690)));
    play.rounds(5);
    const { members: all } = registryOf(play.state(0));
    return all.map(({ safeShare_W }) => safeShare_W).slice(0, 3);
  };
  test.each([
    ['nobody would refuse', rate(0, 690)],
    ['everybody refuses', rate(9, 690)],
  ])('cannot take a later number beforehand with a change that %s', (_what, amendment) =>
    expect(foretold(amendment)).toEqual([1380, 690, 690]),
  );
  test('mutant: where any number may come first, it can', async () => {
    const patch = {
      file: 'firmware/protocol/pool.ts',
      find: 'if (!fits(change)) return',
      replace: 'if (pool.change !== null) return',
    };
    expect(await without({ rule: 'no change ahead', patch }, (Street) => foretold(rate(9, 690), Street))).not.toContain(
      690,
    );
  });

  test('may say two changes with one number: in whatever order they come, all pools hold the same', () => {
    const play = street();
    const [one, other] = [rate(0, 690), rate(1, 690)].map((amendment) =>
      play.sign({ epoch: 0, round: 1000, view: 0, sender: REGISTRAR, body: change(1, amendment) }),
    );
    const held = [one, other].map((first) => {
      const pool = emptyPool();
      for (const each of [first, one, other]) addChange(pool, each, play.registry, sha256);
      return pool.change?.id;
    });
    expect(held).toEqual(held.map(() => [one.id, other.id].sort()[0]));
  });
});

test('who is caught lying loses the vote with the next epoch, and its wishes are not heard', () => {
  let lies = true;
  const play = street(5, {
    lie: (message, at) => {
      if (!lies || message.sender !== 4 || message.body.type !== 'METER') return message;
      const { imported_Wh } = message.body;
      for (const to of [0, 1]) {
        const other = at.sign({ ...message, body: { ...message.body, imported_Wh: imported_Wh + 1 } });
        at.hear(to, 'p2pebt/1/street/METER/cp5', at.wire(other));
      }
      return message;
    },
  });
  play.rounds(3);
  lies = false;
  play.rounds(4);
  expect(members(play)).toContain('epoch 1 is agreed: cp5 was caught lying and loses its vote');
  expect(votersOf(play)).toBe('epoch 1: cp1, cp2, cp3, cp4 (quorum 3)');
  play.buy(4, 7000);
  play.rounds(2);
  expect(play.player(4).plans.some(({ power }) => power > 0)).toBe(false);
  expect(committed(play)).toBe(9);
});

describe('a new key', () => {
  /** What is agreed of cp5, who lies with its first key and with its second. */
  const liesTwice = (Street = Neighbours): string[] => {
    let lies = true;
    const play = street(
      5,
      {
        lie: (message, at) => {
          if (!lies || message.sender !== 4 || message.body.type !== 'METER') return message;
          const { imported_Wh } = message.body;
          const other = { ...message, body: { ...message.body, imported_Wh: imported_Wh + 1 } };
          const key = signerOf(message.epoch === 0 ? 4 : 14);
          for (const to of [0, 1]) at.hear(to, 'p2pebt/1/street/METER/cp5', at.wire(at.sign(other, key)));
          return message;
        },
      },
      Street,
    );
    const begun = (): string[] =>
      members(play)
        .split('\n')
        .filter((line) => line.includes('cp5') && line.includes('agreed'))
        .map((line) => line.split('agreed: ')[1]);
    play.rounds(2);
    lies = false;
    play.rounds(4).say(6, change(1, { op: 'rotate', node: 4, publicKey: hex(signerOf(14).publicKey) }));
    play.restart(4, play.player(4).ledger, [signerOf(4), signerOf(14)]);
    play.rounds(5);
    play.restart(0); // what it was convicted of before is in its ledger
    lies = true;
    play.rounds(2);
    lies = false;
    play.rounds(4);
    return begun();
  };
  const caught = 'cp5 was caught lying and loses its vote';
  test('is a new start, and convicted anew when it lies', () =>
    expect(liesTwice()).toEqual([caught, 'cp5 has a new key', caught]));
  test('mutant: where the proof against the old one stands, it shields the new one', async () => {
    const patch = {
      file: 'firmware/protocol/consensus/judge.ts',
      find: 'proof !== undefined && proof.body.first.epoch >= keyFrom(finalNode.state, culprit) ? proof : undefined',
      replace: '(keyFrom(finalNode.state, culprit), proof)',
    };
    expect(await without({ rule: 'a proof for each key', patch }, liesTwice)).toEqual([caught, 'cp5 has a new key']);
  });
});

describe('what no registrar may do', () => {
  const play = street(5);
  const registry = registryOf(play.state(0));
  const refused = (amendments: Amendment[], number = 1, sender = 6): Registry | string =>
    amend(registry, { sender, body: change(number, ...amendments) } as Signed<RegistryChange>, sha256);
  const remove = (node: number): Amendment => ({ op: 'remove', node });

  test.each([
    ['fewer than four voters', refused([remove(0), remove(1)]), 'only 3 voters would be left; at least 4'],
    ['the head meter', refused([remove(5)]), 'a head-meter cannot leave'],
    ['a node that is not there', refused([remove(9)]), 'node 9 is not a member'],
    ['the same node twice', refused([remove(0), remove(0)]), 'node 0 is not a member'],
    ['the same name twice', refused([{ ...newcomer(7), name: 'cp1' } as Amendment]), 'two nodes with the same name'],
    [
      'a key that was used before',
      refused([{ ...newcomer(1), name: 'x' } as Amendment]),
      'two nodes with the same publicKey',
    ],
    [
      'more safe shares than the site has',
      refused([{ op: 'rate', node: 0, connector: { ...connector, charge_W: 500_000 }, safeShare_W: 199_000 }]),
      /^the safe shares \(204520 W\) exceed/,
    ],
    [
      'two newcomers at once where the others could not agree without them',
      refused([newcomer(7), { ...newcomer(8) }, newcomer(9)]),
      /^3 new voters or keys at once/,
    ],
    [
      'a share that goes to another before its node can know',
      refused([
        { op: 'rate', node: 0, connector, safeShare_W: 0 },
        { op: 'rate', node: 1, connector: { ...connector, charge_W: 500_000 }, safeShare_W: 195_000 },
      ]),
      /^the safe shares \(200520 W\) exceed/,
    ],
    ['a change out of order', refused([remove(0)], 2), 'change 2 after change 0'],
    ['anything, if it is not the registrar', refused([remove(0)], 1, 3), 'not of the registrar'],
  ])('%s', (_what, why, text) => {
    expect(why).toEqual(typeof text === 'string' ? text : expect.stringMatching(text));
  });
  test('but one of five may leave', () => {
    expect(refused([remove(0)])).toMatchObject({ n: 4 });
  });
});

describe('the end of a hand-over', () => {
  const play = street();
  play.rounds(1).say(REGISTRAR, change(1, newcomer(6)));
  play.rounds(1);
  const before = play.player(0).finals.at(-1)?.state as ChainState;
  const joint = { ...before, handover: before.handover && { ...before.handover, stage: 'joint' as const } };
  const votes = (voters: readonly number[], block = joint.tip, epoch = 0): Signed<Vote>[] =>
    voters.map(
      (sender) => ({ sender, epoch, body: { type: 'VOTE', kind: 'final', to: 0, block } }) as unknown as Signed<Vote>,
    );
  const ends = (closing: Signed<Vote>[], chain: ChainState = joint): boolean => {
    const after = handOver(chain, { change: null, proofs: [], closing }, sha256);
    return typeof after !== 'string' && after.registry.epoch === 1;
  };

  test('needs a quorum of the old voters and one of the new ones, for the block below, in its epoch', () => {
    expect(before.handover?.registry.leaders).toContain(6);
    expect(ends(votes([0, 1, 2, 6]))).toBe(true);
    expect(ends(votes([0, 1, 2, 3]))).toBe(true);
    expect(ends(votes([0, 1, 2]))).toBe(false); // no quorum of five
    expect(ends(votes([0, 1, 6]))).toBe(false);
    expect(ends(votes([0, 1, 2, 2]))).toBe(false);
    expect(ends(votes([0, 1, 2, 6], 'ff'.repeat(32)))).toBe(false);
    expect(ends(votes([0, 1, 2, 6], joint.tip, 1))).toBe(false);
    expect(ends(votes([0, 1, 2, 6]), before)).toBe(false); // nobody who was away could follow
  });
});

test('a new node that knows the first neighbourhood only follows the chain through checkpoints of every epoch', () => {
  const play = street(4);
  play.join('cp6', [signerOf(6)]);
  play.rounds(1).say(REGISTRAR, change(1, newcomer(6)));
  play.rounds(5).say(REGISTRAR, change(2, newcomer(7)));
  play.rounds(4);
  // Everything below the last hand-over is pruned everywhere.
  for (const { ledger } of play.players) {
    const { height } = ledger.checkpoints.at(-1)!;
    ledger.prune(height);
  }
  play.join('cp7', [signerOf(7)]);
  play.rounds(3);
  expect(votersOf(play, 7)).toBe('epoch 2: cp1, cp2, cp3, cp4, cp6, cp7 (quorum 5)');
  expect(tips(play).size).toBe(1);
  expect(play.player(7).ledger).toBeInstanceOf(MemoryLedger);
});

describe('a newcomer that first starts long after it was announced, while a charge point is dead', () => {
  const [DEAD, NEW] = [0, 6];
  /** Whether the street is on again a while after it has started, and from which round on it votes. */
  const lateStart = (Street: typeof Neighbours) => {
    const play = street(4, {}, Street).rounds(1);
    play.player(REGISTRAR).runtime.feed({ kind: 'change', change: change(1, newcomer(NEW)) });
    play.kill(DEAD);
    play.join('cp6', [signerOf(NEW)]);
    play.kill(NEW);
    play.rounds(6).restart(NEW, new MemoryLedger());
    play.rounds(6);
    const { scheduleRound } = play.state(1).finalNode.state;
    return { behind: play.deciding - scheduleRound, votesFrom: play.state(NEW).memoryFrom_round };
  };

  test('is counted on for the views of before, too: its number is new, and so is its key', () => {
    expect(lateStart(Neighbours)).toEqual({ behind: 1, votesFrom: 0 }); // the round being decided
  });
  test('mutant: as if its key might have had a former life, the street stands still', async () => {
    const rule = 'never-new';
    const patch = { file: 'firmware/runtime.ts', find: 'isNewcomer = true', replace: 'isNewcomer = false' };
    const { behind } = await without({ rule, patch }, lateStart);
    expect(behind).toBeGreaterThan(6);
  });
});

describe('a newcomer that begins again with its key alone, and a counter as it was in the beginning', () => {
  const NEW = 6;
  const again = (Street: typeof Neighbours) => {
    const play = street(4, {}, Street).rounds(1);
    play.player(REGISTRAR).runtime.feed({ kind: 'change', change: change(1, newcomer(NEW)) });
    play.join('cp6', [signerOf(NEW)]);
    play.rounds(8).until(30).kill(0); // so that the others wait for this one
    play.restart(NEW, new MemoryLedger());
    play.until(290);
    const votes = play.player(NEW).ledger.votes.length;
    return { abstains_rounds: play.state(NEW).memoryFrom_round - play.deciding, votes };
  };

  test('sees on the chain that it has had another life, and abstains', () => {
    expect(again(Neighbours)).toEqual({ abstains_rounds: 1, votes: 0 });
  });
  test('mutant: without a look at what the chain carries of it, it votes at once', async () => {
    const rule = 'no look';
    const patch = { file: 'firmware/runtime.ts', find: 'hasSpoken = true', replace: 'hasSpoken = false' };
    const { votes } = await without({ rule, patch }, again);
    expect(votes).toBeGreaterThan(0);
  });
});

describe('a charge point that comes back after a newcomer was agreed, while another is dead', () => {
  const [BACK, DEAD, NEW] = [0, 3, 6];
  /** How old the last schedule is, some rounds later. */
  const back = (Street: typeof Neighbours): number => {
    const play = street(4, {}, Street).rounds(2);
    play.kill(BACK);
    play.player(REGISTRAR).runtime.feed({ kind: 'change', change: change(1, newcomer(NEW)) });
    play.join('cp6', [signerOf(NEW)]);
    play.rounds(1);
    expect(stageOf(play.state(1).finalNode.state)).toBe('agreed');
    play.kill(DEAD);
    play.rounds(1).restart(BACK);
    play.rounds(6);
    return play.deciding - play.state(1).finalNode.state.scheduleRound;
  };

  test('learns from the blocks whose votes lie behind them', () => {
    expect(back(Neighbours)).toBe(1);
  });
  test('mutant: where blocks and votes come on one page, its door refuses it, and the street stands still', async () => {
    const rule = 'one-page';
    const patch = {
      file: 'firmware/protocol/consensus/answer.ts',
      find: 'const isAtTip = blocks.length === 0 && height >=',
      replace: 'const isAtTip = height + blocks.length >=',
    };
    expect(await without({ rule, patch }, back)).toBeGreaterThan(6);
  });
});
