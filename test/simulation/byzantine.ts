/**
 * What a malicious node says. It runs the real core, so that it knows all that a node can know, and twists what the
 * core would send: other messages, to other receivers, at other times. It signs for itself alone.
 */
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import type { Instance } from '../../firmware/protocol/benefit/instance.ts';
import { checkpointOf } from '../../firmware/protocol/checkpoint.ts';
import { POWER_MAX_W } from '../../firmware/protocol/limits.ts';
import type {
  Block,
  Body,
  Header,
  Order,
  Signed,
  SyncRequest,
  SyncResponse,
  Unsigned,
  Vote,
} from '../../firmware/protocol/messages.ts';
import { kindOfView, lastView, leaderOf, roundOfView } from '../../firmware/protocol/round.ts';
import { headerOf } from '../../firmware/protocol/schedule.ts';
import { sealable, sealBlock } from '../../firmware/protocol/seal.ts';
import { offset_ms, type ProtocolState, registryOf } from '../../firmware/protocol/state.ts';
import { solve } from '../../firmware/solver/solve.ts';
import type { Random } from './random.ts';

export const LIES = [
  'silent', // says nothing
  'equivocate', // two proposals in one view: some see one, some both
  'double-vote', // NOTARIZE for all, SKIP and FINAL for the same views
  'low-lambda', // proposes a worse schedule than it knows
  'late-header', // its header reaches a few just before T_lock
  'double-header', // two headers, to one half each
  'stale-parent', // proposes on a block that it should have built upon
  'omit-order', // a SEAL without one of the orders
  'wrong-lambda', // a header that claims one more than it is worth
  'double-statement', // other orders and METERs to each half
  'wrong-checkpoint', // a day's first SEAL that names another state
  'two-faces', // two proposals, and to each half NOTARIZE for what the other half has
  'three-proposals', // in one view: most see two others first
  'broken-page', // lures with a block on nothing, and answers with a page that breaks behind a block without votes
  'over-rated', // one order to each half, and four that no chain accepts
  'last-header', // a second header just before T_lock, when all others have been silent
] as const;
export type Lie = (typeof LIES)[number];

export interface Utterance {
  readonly message: Unsigned;
  /** Receivers; all when absent. */
  readonly to?: readonly number[];
}

export interface Liar {
  /** The lie of the next round; null for none. */
  turn(lie: Lie | null): void;
  /** What it sends in place of a message of its core. */
  twist(message: Unsigned, state: ProtocolState): Utterance[];
  /** What it says of its own accord when it hears a message; called before its core. */
  hears(message: Signed, state: ProtocolState): Utterance[];
  /** What it says as time passes. */
  ticks(state: ProtocolState): Utterance[];
  /** Its core asks for a solution: an instance to make worse headers of. */
  poses(seal: string, instance: Instance): void;
}

/** What a page may end with: the FINAL votes heard last. */
const FINALS_KEPT = 256;

export function makeLiar(
  nodes: number,
  random: Random,
  sign: <B extends Body>(message: Unsigned<B>) => Signed<B>,
): Liar {
  let lie: Lie | null = 'silent';
  let posed: { seal: string; instance: Instance } | null = null;
  let kept: Utterance[] = [];
  let finals: Signed<Vote>[] = [];
  let lured = false;
  const split = (): [number[], number[]] => {
    const halves: [number[], number[]] = [[], []];
    for (let node = 0; node < nodes; node++) halves[random.chance(0.5) ? 0 : 1].push(node);
    return halves;
  };
  const vote = (state: ProtocolState, view: number, kind: Vote['kind'], block: string): Unsigned<Vote> => ({
    epoch: registryOf(state).epoch,
    round: roundOfView(view),
    view,
    sender: state.self,
    body: { type: 'VOTE', kind, to: view, block },
  });
  /** A valid header that everybody can beat: all orders at once. */
  const worse = (state: ProtocolState): Unsigned<Header> | null => {
    if (posed === null) return null;
    const plan = solve(posed.instance, 'once', {});
    const body = headerOf(posed.seal, plan, evaluate(posed.instance, plan));
    return { epoch: registryOf(state).epoch, round: state.deciding, view: 0, sender: state.self, body };
  };
  const block = (message: Unsigned<Block>, carried: Block['carried']): Unsigned<Block> => ({
    ...message,
    body: { ...message.body, carried },
  });
  /** Another valid block for the same view: a SEAL without one of its statements, a SCHEDULE with a worse header. */
  const rivalOf = (proposal: Unsigned<Block>, state: ProtocolState, victim?: number): Unsigned<Block> | null => {
    const { kind, carried } = proposal.body;
    if (kind === 'SEAL' && carried.length > 0) {
      const left = victim ?? random.whole(0, carried.length - 1);
      return block(
        proposal,
        carried.filter((_, i) => i !== left),
      );
    }
    const header = kind === 'SCHEDULE' ? worse(state) : null;
    return header && block(proposal, [sign(header)]);
  };
  /** A block of its own on its last final block, in the next view of the round that it leads. */
  const forged = (state: ProtocolState, parent: string): Unsigned<Block> | null => {
    const round = state.deciding;
    for (let view = state.view; view <= lastView(round, 'SCHEDULE'); view++) {
      if (roundOfView(view) !== round || leaderOf(registryOf(state), view) !== state.self) continue;
      const header = kindOfView(view) === 'SCHEDULE' ? worse(state) : null;
      const carried = sealable(state.pool, state.finalNode.state, round, state.hash);
      const body: Block = header
        ? { type: 'PROPOSE', kind: 'SCHEDULE', parent, carried: [sign(header)], checkpoint: '' }
        : sealBlock(parent, carried, checkpointOf(state.finalNode.state, 'SEAL', round, state.hash));
      return { epoch: registryOf(state).epoch, round, view, sender: state.self, body };
    }
    return null;
  };
  const brokenPage = (state: ProtocolState, to: number, { height, asked_ms }: SyncRequest): Utterance[] => {
    const { block: old, state: chain } = state.finalNode;
    const first = forged(state, chain.tip);
    const votes = finals.filter(({ body }) => body.block === old?.id);
    if (old === null || first === null || height !== chain.height) return [];
    const blocks = [
      { block: sign(first), votes: [] },
      { block: old, votes },
    ];
    const body: SyncResponse = { type: 'SYNC_RES', to, height, asked_ms, blocks, pending: [] };
    return [
      {
        message: { epoch: registryOf(state).epoch, round: state.deciding, view: 0, sender: state.self, body },
        to: [to],
      },
    ];
  };

  return {
    turn(next) {
      lie = next;
      kept = [];
      lured = false;
    },
    poses(seal, instance) {
      posed = { seal, instance };
    },
    hears(message, state) {
      const { body } = message;
      if (body.type === 'VOTE' && body.kind === 'final')
        finals = [...finals.slice(1 - FINALS_KEPT), message as Signed<Vote>];
      if (lie === 'broken-page' && body.type === 'SYNC_REQ' && body.to === state.self)
        return brokenPage(state, message.sender, body);
      if (lie !== 'double-vote' || message.body.type !== 'PROPOSE' || message.sender === state.self) return [];
      if (leaderOf(registryOf(state), message.view) !== message.sender) return [];
      const [some, others] = split();
      return [
        { message: vote(state, message.view, 'notarize', message.id), to: some },
        { message: vote(state, message.view, 'skip', ''), to: others },
        { message: vote(state, message.view, 'final', message.id), to: some },
      ];
    },
    ticks(state) {
      const { hours } = state;
      if (lie === 'broken-page' && !lured && offset_ms(state) < hours.orders_ms) {
        lured = true;
        const nobodys = random
          .whole(1, 2 ** 32)
          .toString(16)
          .padStart(64, '0');
        const lure = forged(state, nobodys);
        return lure ? [{ message: lure }] : [];
      }
      if (kept.length === 0 || offset_ms(state) < hours.lock_ms - hours.delta_ms) return [];
      const due = kept;
      kept = [];
      return due;
    },
    twist(message, state) {
      const { body } = message;
      const [some, others] = split();
      switch (lie) {
        case null:
          return [{ message }];
        case 'silent':
          return [];
        case 'equivocate':
        case 'omit-order': {
          if (body.type !== 'PROPOSE') return [{ message }];
          const rival = rivalOf(message as Unsigned<Block>, state);
          if (rival === null) return [{ message, to: some }];
          if (lie === 'omit-order') return [{ message: rival }];
          return [
            { message, to: some },
            { message: rival }, // so that some see both
          ];
        }
        case 'two-faces': {
          if (body.type !== 'PROPOSE') return [{ message }];
          const rival = rivalOf(message as Unsigned<Block>, state);
          if (rival === null) return [{ message }];
          const [own, other] = [message as Unsigned<Block>, rival].map((each) => sign(each).id);
          return [
            { message: vote(state, message.view, 'notarize', other), to: others },
            { message: vote(state, message.view, 'notarize', own), to: some },
            { message, to: others },
            { message: rival, to: some },
          ];
        }
        case 'three-proposals': {
          if (body.type === 'VOTE' && body.kind !== 'notarize') return []; // so that nobody can do without those it confused
          if (body.type !== 'PROPOSE') return [{ message }];
          const rivals = [0, 1].map((victim) => rivalOf(message as Unsigned<Block>, state, victim));
          return [...rivals.flatMap((rival) => (rival ? [{ message: rival, to: some }] : [])), { message }];
        }
        case 'stale-parent': {
          const { state: chain } = state.finalNode;
          if (body.type !== 'PROPOSE' || body.kind === 'SCHEDULE' || chain.sealRound === message.round)
            return [{ message }];
          const carried = sealable(state.pool, chain, message.round, state.hash);
          const checkpoint = checkpointOf(chain, 'SEAL', message.round, state.hash);
          return [{ message: { ...message, body: sealBlock(chain.tip, carried, checkpoint) } }];
        }
        case 'double-vote': {
          if (body.type !== 'VOTE' || body.kind === 'skip') return [{ message }];
          return [
            { message, to: some },
            { message: vote(state, message.view, 'skip', ''), to: others },
            { message: vote(state, message.view, 'final', body.block) },
          ];
        }
        case 'low-lambda': {
          const header = worse(state);
          if (header === null || body.type !== 'PROPOSE' || body.kind !== 'SCHEDULE') return [{ message }];
          return [{ message: block(message as Unsigned<Block>, [sign(header)]) }];
        }
        case 'late-header': {
          if (body.type !== 'HEADER') return [{ message }];
          kept = [{ message, to: some.slice(0, Math.ceil(nodes / 3)) }];
          return [];
        }
        case 'double-header': {
          const header = worse(state);
          if (header === null || body.type !== 'HEADER') return [{ message }];
          return [
            { message, to: some },
            { message: header, to: others },
          ];
        }
        case 'last-header':
          if (body.type === 'PROPOSE' && body.kind === 'SCHEDULE') return []; // nor does it help with either
          if (body.type === 'HEADER')
            kept = [{ message: { ...message, body: { ...body, lambda: Math.max(0, body.lambda - 1) } } }];
          return [{ message }];
        case 'over-rated': {
          if (body.type !== 'ORDER') return [{ message }];
          const order = body as Order;
          const too = { ...order, divisible: false, power_W: POWER_MAX_W, minimum_W: POWER_MAX_W };
          return [
            { message, to: some },
            { message: { ...message, body: { ...order, ref: 1 } }, to: others },
            ...[2, 3, 4, 5].map((ref) => ({ message: { ...message, body: { ...too, ref } } })),
          ];
        }
        case 'broken-page':
          return [{ message }];
        case 'wrong-lambda':
          if (body.type !== 'HEADER') return [{ message }];
          return [{ message: { ...message, body: { ...body, lambda: body.lambda + 1 } } }];
        case 'wrong-checkpoint':
          if (body.type !== 'PROPOSE' || body.checkpoint === '') return [{ message }];
          return [{ message: { ...message, body: { ...body, checkpoint: body.parent } } }];
        case 'double-statement': {
          if (body.type !== 'ORDER' && body.type !== 'METER') return [{ message }];
          const others_: Unsigned[] =
            body.type === 'ORDER'
              ? [1, 2, 3, 4, 5].map((ref) => ({ ...message, body: { ...(body as Order), ref } }))
              : [{ ...message, body: { ...body, imported_Wh: body.imported_Wh + 1 } }];
          return [{ message, to: some }, ...others_.map((other) => ({ message: other, to: others }))];
        }
      }
    },
  };
}
