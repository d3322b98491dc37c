/** Which votes a node need not check (consensus/surplus.ts): each condition with a mutant that lacks it. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Admission } from '../../firmware/adapters/gate.ts';
import { isSurplus } from '../../firmware/protocol/consensus/surplus.ts';
import type { Signed, Vote } from '../../firmware/protocol/messages.ts';
import type { ProtocolState } from '../../firmware/protocol/state.ts';
import { withPatched } from '../mutate.ts';
import { Neighbours } from './protocol-driver.ts';

type Rule = typeof isSurplus;
const [SELF, LIAR, LATE] = [0, 2, 3];
const SURPLUS = 'firmware/protocol/consensus/surplus.ts';
const OTHER = 'ab'.repeat(32);

const isVote = (message: Signed, ...kinds: Vote['kind'][]): message is Signed<Vote> =>
  message.body.type === 'VOTE' && kinds.includes(message.body.kind);
const vote = (
  play: Neighbours,
  sender: number,
  kind: Vote['kind'],
  view: number,
  block = '',
  to = view,
): Signed<Vote> => play.sign({ epoch: 0, round: play.deciding, view, sender, body: { type: 'VOTE', kind, to, block } });
const hear = (play: Neighbours, message: Signed): void =>
  play.hear(SELF, 'p2pebt/1/street/VOTE/cp4', play.wire(message));

/** The votes that the rule calls surplus. */
const surplus = (rule: Rule, state: ProtocolState, votes: Record<string, Signed<Vote>>): string[] =>
  Object.keys(votes).filter((name) => rule(state, votes[name]));
const without = (mutant: string, find: string, replace: string, run: (rule: Rule) => void): Promise<void> =>
  withPatched(
    mutant,
    { folders: ['firmware'], entry: SURPLUS, patches: [{ file: SURPLUS, find, replace }] },
    (module) => run((module as { isSurplus: Rule }).isSurplus),
  );

describe('NOTARIZE', () => {
  let votes: Record<string, Signed<Vote>>;
  let state: ProtocolState;

  /** Three of four notarise a SEAL, one of them having said something else to this node before; no FINAL comes through. */
  beforeAll(() => {
    const isNotarize = (message: Signed, from: number): boolean =>
      isVote(message, 'notarize') && message.sender === from;
    const play = new Neighbours({
      chargePoints: 5,
      lost: (message, to) => isVote(message, 'final') || (to === SELF && isNotarize(message, LIAR)),
    }).until(93);
    state = play.state(SELF);
    hear(play, vote(play, LIAR, 'notarize', state.view, OTHER));
    play.until(96);
    const node = [...state.nodes.values()].find(({ notarized, final }) => notarized && !final);
    const [id, view] = [node?.block?.id, node?.view ?? 0];
    votes = {
      'for the block': vote(play, LATE, 'notarize', view, id),
      'for another block': vote(play, LATE, 'notarize', view, OTHER),
      'for the block in another view': vote(play, LATE, 'notarize', view + 1, id),
      'for the block, of one who has voted for another': vote(play, LIAR, 'notarize', view, id),
      'for the block, of this node': vote(play, SELF, 'notarize', view, id),
      'FINAL for the block': vote(play, LATE, 'final', view, id),
    };
  });

  test('for a block that is notarised here changes nothing; what proves a lie, or may be forgotten, does', () => {
    expect(surplus(isSurplus, state, votes)).toEqual(['for the block']);
  });

  test.each([
    [
      'views are not compared',
      'node?.view === view && node.notarized',
      'node?.notarized ?? false',
      'for the block in another view',
    ],
    [
      'lies are not looked for',
      'rivalsOf(state.votes, vote).every(',
      '[].every(',
      'for the block, of one who has voted for another',
    ],
    ['this node is one of the others', 'vote.sender === state.self || ', '', 'for the block, of this node'],
  ])('that is missed where %s', async (mutant, find, replace, wrong) => {
    await without(mutant, find, replace, (rule) =>
      expect(surplus(rule, state, votes)).toEqual(['for the block', wrong]),
    );
  });

  test('before a quorum no vote is surplus; a rule that asks for the block alone would call it so', async () => {
    const play = new Neighbours({ lost: (message, to) => to === SELF && isVote(message, 'notarize', 'final') }).until(
      95,
    );
    const { nodes } = play.state(SELF);
    const [{ block, view }] = [...nodes.values()].filter(({ final }) => !final);
    const first = { first: vote(play, LATE, 'notarize', view, block?.id) };
    expect(surplus(isSurplus, play.state(SELF), first)).toEqual([]);
    await without('known is certified', '&& node.notarized', '', (rule) =>
      expect(surplus(rule, play.state(SELF), first)).toEqual(['first']),
    );
  });
});

describe('SKIP', () => {
  /** Proposals are lost, so all skip the first view; one had said FINAL for it. */
  const timedOut = (): { play: Neighbours; state: ProtocolState; view: number } => {
    let view = Number.POSITIVE_INFINITY;
    const play: Neighbours = new Neighbours({
      chargePoints: 5,
      lost: (message, to) =>
        (message.body.type === 'PROPOSE' && message.view >= view) ||
        (to === SELF && isVote(message, 'skip') && message.sender === LIAR && message.body.to >= view),
    }).until(93);
    const state = play.state(SELF);
    view = state.view;
    hear(play, vote(play, LIAR, 'final', view, OTHER));
    play.until(100.5);
    return { play, state, view };
  };

  test('of views that a quorum has skipped changes nothing; of one more, of a liar, or in a hand-over it does', async () => {
    const { play, state, view } = timedOut();
    expect(state.view).toBe(view + 1);
    const votes = {
      'of the view': vote(play, LATE, 'skip', view),
      'of the next one too': vote(play, LATE, 'skip', view, '', view + 1),
      'of one who has said FINAL': vote(play, LIAR, 'skip', view),
      'of this node': vote(play, SELF, 'skip', view),
    };
    expect(surplus(isSurplus, state, votes)).toEqual(['of the view']);
    await without(
      'the first view is enough',
      'votes, from, to + 1, setsOf(finalNode.state)) > to',
      'votes, from, to + 1, setsOf(finalNode.state)) > from',
      (rule) => expect(surplus(rule, state, votes)).toEqual(['of the view', 'of the next one too']),
    );

    const { registry } = state.finalNode.state;
    const handover = { registry, stage: 'agreed' as const };
    const between = { ...state, finalNode: { ...state.finalNode, state: { ...state.finalNode.state, handover } } };
    expect(surplus(isSurplus, between, votes)).toEqual([]);
    await without('hand-overs are forgotten', 'finalNode.state.handover === null && ', '', (rule) =>
      expect(surplus(rule, between, votes)).toEqual(['of the view']),
    );
  });
});

test('in a calm round of four the vote of the last one is not checked, of each kind and decision', () => {
  const told: Record<string, number> = {};
  const play = new Neighbours().rounds(2);
  const { gate } = play.player(SELF);
  const { admitting } = gate;
  gate.admitting = function* (wire, reader): Generator<undefined, Admission, undefined> {
    const admission = yield* admitting(wire, reader);
    const { body, sender } = gate.reopen(wire);
    if (body.type === 'VOTE' && sender !== SELF) {
      const what = `${body.kind} ${admission.verdict === 'accept' ? 'heard' : admission.code}`;
      told[what] = (told[what] ?? 0) + 1;
    }
    return admission;
  };
  play.rounds(1);
  expect(told).toEqual({
    'notarize heard': 4,
    'notarize settled': 2,
    'final heard': 4,
    'final settled': 2,
    'skip heard': 4,
    'skip settled': 2,
  });
  expect(play.state(SELF).finalNode.state.scheduleRound).toBe(play.deciding - 1);
});
