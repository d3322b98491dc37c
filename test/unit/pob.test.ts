/** Proof of benefit under the paper's names: who may mine, and on which of two rival tips a leader builds. */
import { expect, test } from 'vitest';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { type ChainState, genesisState } from '../../firmware/protocol/chain.ts';
import { PoBMine, PoBRound, type PoBState } from '../../firmware/protocol/consensus/pob.ts';
import { addVote } from '../../firmware/protocol/consensus/votes.ts';
import type { Header, Signed } from '../../firmware/protocol/messages.ts';
import { decisionStart, firstView, leaderOf } from '../../firmware/protocol/round.ts';
import { type AuditedHeader, scheduleBlock } from '../../firmware/protocol/schedule.ts';
import { type BlockNode, makeState, rootOf } from '../../firmware/protocol/state.ts';
import { step } from '../../firmware/protocol/step.ts';
import { registry, sign } from '../vectors/messages.ts';

const R = 1000;
const SEAL = '5e'.repeat(32);
const [SEAL_VIEW, SCHEDULE_VIEW] = [firstView(R, 'SEAL'), firstView(R, 'SCHEDULE')];
const sealed: ChainState = { ...genesisState(registry), sealRound: R, seal: SEAL, tip: SEAL, height: 1 };
const base: BlockNode = { ...rootOf(sealed), view: SEAL_VIEW };

const worth = (lambda: number): Signed<Header> => {
  const plan = { orders: [], shares: [] };
  return sign<Header>(
    0,
    { type: 'HEADER', seal: SEAL, lambda, pfInt: 1n, net_W: 0, operations: 0, plan },
    { round: R },
  );
};

test('who has mined mines no more in this round, whether the header was good enough to be said or not', () => {
  const pob: PoBState = { roundBlock: null, roundTime_ms: null };
  const header = worth(5);
  const rank = (pfInt: bigint) => ({ pfInt, slopes: 0, welfare: 0n, operations: 0, tie: '' });
  const audited = (pfInt: bigint): AuditedHeader =>
    ({ header, benefit: {}, candidate: rank(pfInt) }) as unknown as AuditedHeader;
  const mines = (best: AuditedHeader | null, now_ms = 200): boolean =>
    PoBMine(pob, audited(5n), base, best, 100, now_ms);

  expect(mines(null)).toBe(false); // no round has begun
  PoBRound(pob, sealed, 0);
  expect(mines(null, 99)).toBe(false); // too early, which costs nothing
  expect(mines(null)).toBe(true);
  expect(mines(null)).toBe(false);
  PoBRound(pob, sealed, 0);
  expect(mines(audited(4n))).toBe(false); // another is better
  expect(mines(null)).toBe(false);
});

test('a leader carries on the rival schedule that is worth more, not the one that came further', () => {
  const view = SCHEDULE_VIEW + 2;
  const state = makeState(registry, leaderOf(registry, view), sha256);
  const rival = (at: number, lambda: number): BlockNode => {
    const block = sign(0, scheduleBlock(SEAL, worth(lambda)), { round: R, view: at });
    const after = { ...sealed, scheduleRound: R, tip: block.id, height: 2 };
    return { block, view: at, parent: base, state: after, notarized: true, final: false };
  };
  const [earlier, later] = [rival(SCHEDULE_VIEW, 9), rival(SCHEDULE_VIEW + 1, 5)];
  state.finalNode = base;
  state.nodes = new Map([base, earlier, later].map((node) => [node.state.tip, node]));
  state.view = view;
  for (const voter of registry.leaders)
    addVote(
      state.votes,
      sign(voter, { type: 'VOTE', kind: 'skip', to: view - 1, block: '' }, { round: R, view: SEAL_VIEW + 1 }),
    );

  const { hours } = state;
  const now_ms = decisionStart(R, hours.round_ms) + hours.schedule_ms + hours.delta_ms;
  const carried = step(state, { kind: 'tick', now_ms }).send.flatMap(({ body }) =>
    body.type === 'PROPOSE'
      ? [`${body.kind} on ${body.parent === earlier.state.tip ? 'the earlier' : 'the later'}`]
      : [],
  );
  expect(carried).toEqual(['CARRY on the earlier']);
});
