/**
 * What a malicious node says. It runs the real core, so that it knows all that a node can know, and twists what the
 * core would send: other messages, to other receivers, at other times. It signs for itself alone.
 */
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import type { Instance } from '../../firmware/protocol/benefit/instance.ts';
import { checkpointOf } from '../../firmware/protocol/checkpoint.ts';
import type { Block, Body, Header, Order, Signed, Unsigned, Vote } from '../../firmware/protocol/messages.ts';
import { leaderOf, roundOfView } from '../../firmware/protocol/round.ts';
import { headerOf } from '../../firmware/protocol/schedule.ts';
import { sealable, sealBlock } from '../../firmware/protocol/seal.ts';
import { offset_ms, type ProtocolState } from '../../firmware/protocol/state.ts';
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

export function makeLiar(
  nodes: number,
  random: Random,
  sign: <B extends Body>(message: Unsigned<B>) => Signed<B>,
): Liar {
  let lie: Lie | null = 'silent';
  let posed: { seal: string; instance: Instance } | null = null;
  let kept: Utterance[] = [];
  const split = (): [number[], number[]] => {
    const halves: [number[], number[]] = [[], []];
    for (let node = 0; node < nodes; node++) halves[random.chance(0.5) ? 0 : 1].push(node);
    return halves;
  };
  const vote = (state: ProtocolState, view: number, kind: Vote['kind'], block: string): Unsigned<Vote> => ({
    epoch: 0,
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
    return { epoch: 0, round: state.deciding, view: 0, sender: state.self, body };
  };
  const block = (message: Unsigned<Block>, carried: Block['carried']): Unsigned<Block> => ({
    ...message,
    body: { ...message.body, carried },
  });

  return {
    turn(next) {
      lie = next;
      kept = [];
    },
    poses(seal, instance) {
      posed = { seal, instance };
    },
    hears(message, state) {
      if (lie !== 'double-vote' || message.body.type !== 'PROPOSE' || message.sender === state.self) return [];
      if (leaderOf(state.registry, message.view) !== message.sender) return [];
      const [some, others] = split();
      return [
        { message: vote(state, message.view, 'notarize', message.id), to: some },
        { message: vote(state, message.view, 'skip', ''), to: others },
        { message: vote(state, message.view, 'final', message.id), to: some },
      ];
    },
    ticks(state) {
      const { hours } = state;
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
          const proposal = message as Unsigned<Block>;
          let rival: Unsigned<Block> | null = null;
          if (body.kind === 'SEAL' && body.carried.length > 0) {
            const victim = random.whole(0, body.carried.length - 1);
            rival = block(
              proposal,
              body.carried.filter((_, i) => i !== victim),
            );
          } else if (body.kind === 'SCHEDULE') {
            const header = worse(state);
            if (header) rival = block(proposal, [sign(header)]);
          }
          if (rival === null) return [{ message, to: some }];
          if (lie === 'omit-order') return [{ message: rival }];
          return [
            { message, to: some },
            { message: rival }, // so that some see both
          ];
        }
        case 'stale-parent': {
          const { state: chain } = state.finalNode;
          if (body.type !== 'PROPOSE' || body.kind === 'SCHEDULE' || chain.sealRound === message.round)
            return [{ message }];
          const carried = sealable(state.pool, chain, message.round, state.registry);
          const checkpoint = checkpointOf(chain, 'SEAL', message.round, state.registry, state.hash);
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
