/**
 * A chain taken up at a checkpoint: from the own ledger it is the chain replayed, bit for bit, and goes on alike; from a
 * peer it counts only with a quorum behind it. The forgeries that the checks refuse are let in when a check is taken out.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import type { ChainState } from '../../firmware/protocol/chain.ts';
import { checkpointOf, encodeState } from '../../firmware/protocol/checkpoint.ts';
import { SYNC_PAGE_BYTES } from '../../firmware/protocol/limits.ts';
import type { Body } from '../../firmware/protocol/messages.ts';
import { decisionStart, firstView } from '../../firmware/protocol/round.ts';
import { makeState, type Outcome, type ProtocolState } from '../../firmware/protocol/state.ts';
import { type Core, device } from '../simulation/core.ts';
import { type Mutant, withMutant } from '../simulation/mutants.ts';
import { type Grown, GrownChain, SHORT_DAYS } from '../unit/grown-chain.ts';

const ROUND_ms = 7_200_000;
const named = (blocks: readonly Grown[]): number[] =>
  blocks.flatMap(({ block }, at) => (block.body.checkpoint === '' ? [] : [at]));

/** A node that starts with these blocks, on a checkpoint or without. */
function started(chain: GrownChain, blocks: readonly Grown[], checkpoint: Uint8Array | null): ProtocolState {
  const state = makeState(chain.registry, 1, sha256);
  device.restore(
    state,
    checkpoint,
    blocks.map(({ block }) => block),
    [],
  );
  return state;
}

/** What a node owes in the next rounds, given the blocks of others. Its own messages come back to it. */
function future(chain: GrownChain, state: ProtocolState, more: readonly Grown[]): Outcome[] {
  const outcomes: Outcome[] = [];
  const feed = (input: Parameters<typeof device.step>[1]): void => {
    const outcome = device.step(state, input);
    outcomes.push(outcome);
    for (const { sender, body, ...place } of outcome.send)
      feed({ kind: 'message', message: chain.sign(sender, body, place) });
  };
  for (const { block, votes } of more) {
    const start_ms = (block.round - 1) * ROUND_ms;
    for (const part of [0.2, 0.42, 0.55, 0.66]) feed({ kind: 'tick', now_ms: start_ms + part * ROUND_ms });
    feed({ kind: 'message', message: block });
    for (const message of votes) feed({ kind: 'message', message });
  }
  return outcomes;
}

test('property: from a checkpoint or from the first block, the same state and the same future', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(20), (seed, more) => {
      const chain = new GrownChain(4, seed, SHORT_DAYS);
      const past = chain.rounds(30 + more);
      const after = chain.rounds(4);
      const whole = started(chain, past, null);
      const futures = [future(chain, whole, after)];
      for (const at of named(past)) {
        const bytes = encodeState(past[at].before, sha256);
        const taken = started(chain, past.slice(at), bytes);
        expect(taken.finalNode.state).toEqual(started(chain, past, null).finalNode.state);
        futures.push(future(chain, taken, after));
        expect(taken.finalNode.state).toEqual(whole.finalNode.state);
      }
      expect(futures.length).toBeGreaterThan(2);
      const certified = chain.blocks.findLast(({ votes }) => votes.length > 0)!;
      expect(whole.finalNode.state).toEqual(certified.state); // the future is not an empty one
      for (const other of futures) expect(other).toEqual(futures[0]);
    }),
    { numRuns: 10 },
  );
}, 60_000);

/** What a newcomer is answered: the bytes of a state at a height, and the blocks that follow. */
interface Answer {
  readonly bytes: Uint8Array;
  readonly height: number;
  readonly page: readonly Pick<Grown, 'block' | 'votes'>[];
  readonly partBytes?: number;
  /** True: parts come from another node than the one asked. */
  readonly uninvited?: boolean;
}

describe('a newcomer, far behind', () => {
  const chain = new GrownChain(4, 7, SHORT_DAYS, { troubled: false });
  const { registry } = chain;
  const blocks = chain.rounds(40);
  const at = named(blocks).at(-1)!;
  const { before, block: dawn } = blocks[at];
  const bytesOf = (state: ChainState): Uint8Array => Uint8Array.from(encodeState(state, sha256));
  /** Somebody's registers a little higher. */
  const bent = (state: ChainState): ChainState => ({
    ...state,
    registers: state.registers.map((each) => each && { ...each, imported_Wh: each.imported_Wh + 1 }),
  });
  const honest: Answer = { bytes: bytesOf(before), height: before.height, page: blocks.slice(at, at + 6) };

  /** Starts with nothing, learns of a block whose parent it lacks, and asks; the peers answer as told. */
  function catchUp(core: Core, { bytes, height, page, partBytes = SYNC_PAGE_BYTES, uninvited = false }: Answer) {
    const node = core.makeState(registry, 1, sha256);
    let now_ms = (chain.blocks.at(-1)!.block.round - 1) * ROUND_ms;
    /** Ticks until it asks; a node that has nothing to ask for does not within so many Δ. */
    const ask = () => {
      for (let i = 0; i < 20; i++) {
        const { send } = core.step(node, { kind: 'tick', now_ms });
        now_ms += node.hours.delta_ms / 2;
        for (const { body } of send) if (body.type === 'SYNC_REQ') return body;
      }
      return null;
    };
    core.step(node, { kind: 'tick', now_ms });
    core.step(node, { kind: 'message', message: chain.blocks.at(-1)!.block });
    for (let turn = 0; turn < 60; turn++) {
      const asked = ask();
      if (asked === null || asked.height > height) break;
      const { to, height: above, offset, asked_ms } = asked;
      const done = above === height && offset === 0;
      const part = bytes.slice(offset, offset + partBytes);
      const body: Body = done
        ? { type: 'SYNC_RES', to: 1, height, asked_ms, blocks: page, pending: [] }
        : { type: 'STATE', to: 1, height, asked_ms, offset, total: bytes.length, part };
      const sender = uninvited && !done ? (to + 2) % 4 : to;
      core.step(node, { kind: 'message', message: chain.sign(sender, body, { round: node.deciding }) });
      if (done) break;
    }
    return node;
  }

  test('takes the checkpoint of a peer, and stands where everybody stands', () => {
    const node = catchUp(device, honest);
    expect(node.finalNode.state).toEqual(blocks[at + 5].state);
    expect(node.incoming).toBeNull();
  });

  /** A day's first SEAL of a liar's own, with its own vote, which names a state as it should. */
  const bred = (state: ChainState): Answer => {
    const checkpoint = checkpointOf(state, 'SEAL', dawn.round, sha256);
    const block = chain.sign(dawn.sender, { ...dawn.body, checkpoint }, { round: dawn.round, view: dawn.view });
    const vote = { type: 'VOTE', kind: 'final', to: dawn.view, block: block.id } as const;
    const votes = [chain.sign(dawn.sender, vote, { round: dawn.round, view: dawn.view })];
    return { bytes: bytesOf(state), height: state.height, page: [{ block, votes }] };
  };
  /** A SEAL in the middle of the day names nothing: a state forged under it contradicts nothing in it. */
  const noon = blocks.findIndex(({ block }, i) => i > at && block.body.kind === 'SEAL');

  const HASH = {
    file: 'checkpoint.ts',
    find: 'if (block.body.checkpoint !== hashOf(state, hash))',
    replace: 'if (!hashOf)',
  };
  const AUDIT = { file: 'block.ts', find: 'if (body.checkpoint !== checkpointOf(', replace: "if ('' > checkpointOf(" };
  const KNOWN = {
    file: 'step.ts',
    find: 'if (!known || !isFinalCertificate([known], block, votes)) return false;',
    replace: '',
  };
  const QUORUM = {
    file: 'step.ts',
    find: 'return parent === null || isFinalCertificate(setsOf(parent.state), block, votes);',
    replace: 'return true;',
  };
  const ASKED = { file: 'consensus/catch-up.ts', find: 'body.asked_ms !== state.asked.get(sender) || ', replace: '' };
  const WHOLE = {
    file: 'consensus/catch-up.ts',
    find: 'part.length !== Math.min(SYNC_PAGE_BYTES, total - offset)',
    replace: 'total === 0',
  };
  const FORGERIES: [string, Answer, NonNullable<Mutant['patches']>][] = [
    ['another state than the block names', { ...honest, bytes: bytesOf(bent(before)) }, [HASH, AUDIT]],
    [
      'a state under a block that names none',
      { bytes: bytesOf(bent(blocks[noon].before)), height: blocks[noon].before.height, page: [blocks[noon]] },
      [HASH],
    ],
    ["a liar's state under its own block", bred(bent(before)), [KNOWN, QUORUM]],
    ['parts that come a few bytes at a time', { ...honest, partBytes: 300 }, [WHOLE]],
    ['parts from a node that was not asked', { ...honest, uninvited: true }, [ASKED]],
  ];

  test.each(FORGERIES)('refuses %s; without the check it does not', async (_what, answer, patches) => {
    expect(catchUp(device, answer).finalNode.state.height).toBe(0);
    const mutant = {
      name: 'unchecked',
      meaning: '',
      patches,
      caughtBy: [],
      run: { nodes: 4, rounds: 0, seed: 0, faults: [] },
    };
    const fooled = await withMutant(mutant, (core) => catchUp(core!, answer));
    expect(fooled.finalNode.state.height).toBeGreaterThan(answer.height);
  });

  test.each([
    ['cut short', honest.bytes.slice(0, -1)],
    ['that are nothing', new Uint8Array(300)],
  ])('refuses bytes %s', (_what, bytes) => {
    expect(catchUp(device, { ...honest, bytes }).finalNode.state.height).toBe(0);
  });
});

describe('a block that nobody sends', () => {
  const SIGNERS = [8, 9];
  const VOTERS = [4, 5, 6, 7];
  const chain = new GrownChain(10, 3);

  /** Whom a node asks, one after the other, once four have said NOTARIZE for a block, and two others FINAL. Nobody answers. */
  function asked(core: Core, self: number): number[] {
    const node = core.makeState(chain.registry, self, sha256);
    const place = { round: 1000, view: firstView(1000, 'SEAL') };
    let now_ms = decisionStart(1000, node.hours.round_ms);
    core.step(node, { kind: 'tick', now_ms });
    const say = (kind: 'notarize' | 'final', voter: number): void => {
      const body = { type: 'VOTE', kind, to: place.view, block: 'ab'.repeat(32) } as const;
      core.step(node, { kind: 'message', message: chain.sign(voter, body, place) });
    };
    for (const voter of VOTERS) say('notarize', voter);
    for (const signer of SIGNERS) say('final', signer);
    const peers: number[] = [];
    while (peers.length < 3) {
      now_ms += node.hours.delta_ms;
      for (const { body } of core.step(node, { kind: 'tick', now_ms }).send)
        if (body.type === 'SYNC_REQ') peers.push(body.to);
    }
    return peers;
  }
  const NODES = [0, 1, 2, 3];

  test('is asked for from those who have signed FINAL, then from the others, each node beginning with another', () => {
    for (const [first, second, third] of NODES.map((self) => asked(device, self))) {
      expect([first, second].sort()).toEqual(SIGNERS);
      expect(VOTERS).toContain(third);
    }
    expect(new Set(NODES.map((self) => asked(device, self)[0])).size).toBe(SIGNERS.length);
  });

  test('and the test notices when the others are asked first', async () => {
    const file = 'consensus/simplex.ts';
    const patches = [{ file, find: '[final, others].flatMap', replace: '[others, final].flatMap' }];
    const [first] = await withMutant({ name: 'others first', patches }, (core) => asked(core as Core, 0));
    expect(SIGNERS).not.toContain(first);
  });
});
