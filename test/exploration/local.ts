/**
 * One honest node, as the exploration sees it. Its states are numbered; what an input makes of a state is asked of the
 * real `step` once and remembered, since `step` is a function of state and input. I2 and I8 are matters of one node
 * and checked here, at every new state.
 *
 * Time. Each node has a clock of its own that moves only when the exploration lets it time out (or, as a leader, wait
 * for Delta before a CARRY, or reach T_act), so any order of time-outs and deliveries at different nodes is explored.
 * A state remembers how long the node has been in its view, not when it came there: nothing else is asked of the time
 * before T_act, which is one of the inputs.
 */
import type { Signed, Vote } from '../../firmware/protocol/messages.ts';
import type { Registry } from '../../firmware/protocol/registry.ts';
import { decisionStart, kindOfView, roundOfView } from '../../firmware/protocol/round.ts';
import { offset_ms, type ProtocolState, registryOf } from '../../firmware/protocol/state.ts';
import type { Input } from '../../firmware/protocol/step.ts';
import { Violation } from '../simulation/checkers.ts';
import type { Core } from '../simulation/core.ts';
import { clone, describe } from './clone.ts';
import { sign } from './prelude.ts';

export interface Local {
  readonly state: ProtocolState;
  /** Every proposal and vote that it has sent about the views explored, by number, sorted. */
  readonly sent: readonly number[];
  /** Ids of the blocks that have become final, in order of height. */
  readonly finals: readonly string[];
}

export type Action =
  | { readonly kind: 'deliver'; readonly messages: readonly Signed[] }
  | { readonly kind: 'wait'; readonly deltas: number }
  | { readonly kind: 'deadline' };

/** All messages of an exploration, by number. */
export class Messages {
  readonly list: Signed[] = [];
  private readonly numbers = new Map<string, number>();

  number(message: Signed): number {
    let number = this.numbers.get(message.id);
    if (number === undefined) {
      number = this.list.push(message) - 1;
      this.numbers.set(message.id, number);
    }
    return number;
  }
}

export class LocalStates {
  readonly list: Local[] = [];
  /** Real steps taken: the rest of the exploration is looking up. */
  steps = 0;
  private readonly numbers = new Map<string, number>();
  private readonly after = new Map<string, number>();
  private readonly core: Core;
  private readonly messages: Messages;
  private readonly liar: number;
  private readonly views: { readonly first: number; readonly last: number };
  private readonly exact: boolean;

  constructor(options: {
    readonly core: Core;
    readonly messages: Messages;
    readonly liar: number;
    readonly views: { readonly first: number; readonly last: number };
    /** Compare vote books vote by vote, not certificate by certificate (explore.ts). */
    readonly exact: boolean;
  }) {
    const { core, messages, liar, views, exact } = options;
    this.core = core;
    this.messages = messages;
    this.liar = liar;
    this.views = views;
    this.exact = exact;
  }

  start(state: ProtocolState, sent: readonly Signed[]): number {
    let local: Local = { state: clone(state), sent: [], finals: [] };
    for (const message of sent) local = this.sends(local, message);
    for (const message of sent) local = this.feed(local, { kind: 'message', message });
    return this.number(local);
  }

  /** The number of the state after an action; the same number when nothing has changed. */
  act(number: number, action: Action): number {
    const key = `${number} ${this.nameOf(action)}`;
    let next = this.after.get(key);
    if (next === undefined) {
      const before = this.list[number];
      let local: Local = { ...before, state: clone(before.state) };
      for (const input of inputs(before.state, action)) local = this.feed(local, input);
      next = this.number(local);
      this.after.set(key, next);
    }
    return next;
  }

  private nameOf(action: Action): string {
    if (action.kind === 'deliver') return action.messages.map((message) => this.messages.number(message)).join();
    return action.kind === 'wait' ? `${action.deltas} delta` : action.kind;
  }

  /** The runtime's loop: what it sends comes back to it. */
  private feed(local: Local, input: Input): Local {
    const queue: Input[] = [input];
    let { finals } = local;
    let now = local;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      this.steps += 1;
      const outcome = this.core.step(now.state, next);
      for (const unsigned of outcome.send) {
        const message = sign(unsigned, registryOf(now.state));
        if (message.body.type !== 'PROPOSE' && message.body.type !== 'VOTE') continue; // SYNC: lost on the way
        queue.push({ kind: 'message', message });
        now = this.sends(now, message);
      }
      finals = [...finals, ...outcome.finals.map(({ block }) => block.id)];
    }
    return { ...now, finals };
  }

  private sends(local: Local, message: Signed): Local {
    if (message.view > this.views.last) return local; // the exploration ends there: it never arrives
    const number = this.messages.number(message);
    return local.sent.includes(number) ? local : { ...local, sent: [...local.sent, number].sort((a, b) => a - b) };
  }

  private number(local: Local): number {
    const { state, sent, finals } = local;
    const beyond = !this.exact && state.view > this.views.last;
    const inside = beyond ? state.acted : `${describe(state)}|${waited_ms(state)}|${this.votes(state)}`;
    const key = `${inside}|${sent}|${finals}`;
    let number = this.numbers.get(key);
    if (number === undefined) {
      oneSchedule(state);
      noContradiction(
        state,
        sent.map((each) => this.messages.list[each]),
      );
      number = this.list.push(local) - 1;
      this.numbers.set(key, number);
    }
    return number;
  }

  /** The vote book: certificates, what the liar has said here (its first word counts), and how many skipped a view. */
  private votes(state: ProtocolState): string {
    const { votes } = state;
    const { q } = registryOf(state);
    const parts: string[] = [];
    for (const kind of ['notarize', 'final'] as const) {
      for (const [view, voters] of votes[kind]) {
        const counts = new Map<string, number>();
        for (const { sender, body } of voters.values()) {
          if (this.exact) parts.push(`${kind} ${view} ${sender} ${body.block}`);
          counts.set(body.block, (counts.get(body.block) ?? 0) + 1);
        }
        parts.push(`${kind} ${view} ${voters.get(this.liar)?.body.block}`);
        for (const [block, count] of counts) if (count >= q) parts.push(`${kind} ${view} ${block}`);
      }
    }
    for (const [voter, ranges] of votes.skip)
      if (this.exact) for (const { view, body } of ranges) parts.push(`skip ${voter} ${view} ${body.to}`);
    for (let view = this.views.first; view <= this.views.last; view++)
      parts.push(`skip ${view} ${Math.min(skips(state, view), q)}`);
    return parts.sort().join();
  }
}

export const covers = ({ view: from, body }: Signed<Vote>, view: number): boolean => from <= view && view <= body.to;

/** Voters that have skipped a view, as far as a node has heard. */
export const skips = ({ votes }: ProtocolState, view: number): number =>
  [...votes.skip.values()].filter((ranges) => ranges.some((range) => covers(range, view))).length;

/** Since the view's clock started; infinite when the round is over for this node. */
export function waited_ms(state: ProtocolState): number {
  const { hours, view, viewSince_ms, now_ms, acted } = state;
  if (acted) return Number.POSITIVE_INFINITY;
  const opens_ms = kindOfView(view) === 'SEAL' ? hours.seal_ms : hours.schedule_ms;
  return now_ms - Math.max(viewSince_ms, decisionStart(roundOfView(view), hours.round_ms) + opens_ms);
}

function inputs(state: ProtocolState, action: Action): Input[] {
  const { hours, now_ms } = state;
  if (action.kind === 'deliver') return action.messages.map((message) => ({ kind: 'message', message }));
  if (action.kind === 'deadline') return [{ kind: 'tick', now_ms: now_ms - offset_ms(state) + hours.act_ms }];
  return [{ kind: 'tick', now_ms: now_ms - waited_ms(state) + action.deltas * hours.delta_ms }];
}

/** I2: at most one SCHEDULE of a round on any notarised chain. */
function oneSchedule(state: ProtocolState): void {
  for (const node of state.nodes.values()) {
    if (!node.notarized) continue;
    const rounds = new Set<number>();
    for (let at: typeof node | null = node; at !== null; at = at.parent) {
      if (at.block?.body.kind !== 'SCHEDULE') continue;
      if (rounds.has(at.block.round)) throw new Violation('I2', at.block.round, 'two SCHEDULEs on a notarised chain');
      rounds.add(at.block.round);
    }
  }
}

/** I8: no honest node contradicts itself. */
function noContradiction({ self }: ProtocolState, sent: readonly Signed[]): void {
  const once = new Set<string>();
  const votes = sent.filter((message): message is Signed<Vote> => message.body.type === 'VOTE');
  for (const { body, view, round } of sent) {
    if (body.type === 'VOTE' && body.kind === 'skip') {
      const both = votes.some((vote) => vote.body.kind === 'final' && view <= vote.view && vote.view <= body.to);
      if (both) throw new Violation('I8', round, `node ${self} signed SKIP and FINAL for one view`);
      continue;
    }
    const what = body.type === 'VOTE' ? body.kind.toUpperCase() : 'proposal';
    const key = `${what} ${view}`;
    if (once.has(key)) throw new Violation('I8', round, `node ${self} signed a second ${what} in one view`);
    once.add(key);
  }
}

export const leads = (state: ProtocolState, leaderOf: (registry: Registry, view: number) => number): boolean =>
  leaderOf(registryOf(state), state.view) === state.self;
