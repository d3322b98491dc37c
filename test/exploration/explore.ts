/**
 * Every run of the real core, for four voters of which one is malicious, over the first views of one SCHEDULE decision:
 * any message may reach any node at any time, in any order, or never, and any node may time out at any time.
 *
 * What the malicious node M may do: in a view that it leads, send each node either, both or neither of two conflicting
 * proposals and CARRYs on any block; at any time, to any node, NOTARIZE and FINAL for any block and SKIP any view. It
 * never runs out of words, so its messages need no state: they are always on the way.
 *
 * A message once sent is on the way for good, and one that a node has already changes nothing there. So the network
 * has no state beyond what the nodes have sent, and a state of the whole is one local state (local.ts) of each of the
 * three honest nodes. Breadth first; the first violation comes with a shortest run that leads to it.
 *
 * Reductions. Every run of the whole system has the same votes, proposals and finals as one that is explored:
 * 1. Votes come a certificate at a time: to a node, all that the others have sent, with M's where they need it. A vote
 *    that completes no certificate at its receiver changes neither what that node sends nor its view, so it may as
 *    well be on the way until the one that does complete it; and whose votes make the quorum makes no difference.
 * 2. A proposal comes when its receiver is in its view and can still vote for it, or else together with a certificate
 *    or a child that speaks of it: until then nothing that the node does depends on it.
 * 3. A node beyond the last view explored sends nothing about those views any more but what FINAL votes bring about,
 *    so what else it knows is forgotten.
 * They rest on the rules of an honest node (a mutant may break them, and with them the reductions: then a catch is a
 * catch, but silence proves nothing). A test walks runs without any of the three (`exact`) and compares what is seen.
 */
import type { Block, Signed, Unsigned, Vote } from '../../firmware/protocol/messages.ts';
import { firstView, leaderOf, roundOfView } from '../../firmware/protocol/round.ts';
import { scheduleBlock } from '../../firmware/protocol/schedule.ts';
import { type ProtocolState, registryOf } from '../../firmware/protocol/state.ts';
import { type Invariant, Violation } from '../simulation/checkers.ts';
import { type Core, device } from '../simulation/core.ts';
import { type Random, randomStream } from '../simulation/random.ts';
import { type Action, covers, type Local, LocalStates, leads, Messages, skips, waited_ms } from './local.ts';
import { type Prelude, prelude, sign } from './prelude.ts';

export interface Options {
  readonly core?: Core;
  /** Views of the decision that are explored; what is sent in later ones never arrives. */
  readonly views: number;
  /** Which of these views M leads: 0 is the first. */
  readonly leads: number;
  /** Nodes may reach T_act at any time: then they give the round up. */
  readonly deadline?: boolean;
  readonly exact?: boolean;
  /** Gives up after so many states. */
  readonly most?: number;
}

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  /** Longest of the shortest runs: actions from the start to the farthest state. */
  readonly depth: number;
  /** All reachable states were visited. */
  readonly complete: boolean;
  /** States of single nodes, and steps of the real core that were taken to know all of them. */
  readonly localStates: number;
  readonly steps: number;
  /** Distinct blocks that were final somewhere: several in different runs, never in one. */
  readonly finalBlocks: number;
  readonly violation: { readonly invariant: Invariant; readonly text: string; readonly run: readonly string[] } | null;
  /** What each reached state looks like from outside: the messages sent and the blocks final, node by node. */
  readonly visible: () => ReadonlySet<string>;
}

const HONEST = 3;
/** A state of the whole is one number: those of the local states to the base LOCALS, with the weights A, B and 1. */
const LOCALS = 2 ** 17;
const A = LOCALS * LOCALS;
const B = LOCALS;
/** More different lists of what a node has sent than there can be. */
const SENTS = 2 ** 16;

export const explore = (options: Options): Exploration => new System(options).run();

/** What is seen from outside in so many runs without any reduction, drawn from a seed. */
export function strolls(options: Options, runs: number, seed: number): ReadonlySet<string> {
  const system = new System({ ...options, exact: true });
  const random = randomStream(seed, 'strolls');
  const seen = new Set<string>();
  for (let run = 0; run < runs; run++) for (const look of system.stroll(random)) seen.add(look);
  return seen;
}

class System {
  private readonly options: Options;
  private readonly start: Prelude;
  private readonly first: number;
  private readonly last: number;
  private readonly liar: number;
  /** Indices of the honest nodes, and the local states of each. */
  private readonly honest: readonly number[];
  private readonly messages = new Messages();
  private readonly locals: readonly LocalStates[];
  /** What a node has sent, numbered: few different ones. */
  private readonly sentLists = new Map<string, number>();
  private readonly sentOf: number[][] = [[], [], []];
  private readonly finalLists = new Map<string, number>();
  private readonly finalsOf: number[][] = [[], [], []];
  private transitions = 0;
  private readonly nextOf = [0, 1, 2].map(() => new Map<number, Int32Array>());

  constructor(options: Options) {
    const core = options.core ?? device;
    this.options = options;
    // Any index will do to learn who leads; then the story is told with the right liar.
    const { registry, round } = prelude(core, 0);
    this.first = firstView(round, 'SCHEDULE');
    this.last = this.first + options.views - 1;
    this.liar = leaderOf(registry, this.first + options.leads);
    this.start = prelude(core, this.liar);
    this.honest = registry.leaders.filter((node) => node !== this.liar);
    const views = { first: this.first, last: this.last };
    const { messages, liar } = this;
    this.locals = this.honest.map(
      () => new LocalStates({ core, messages, liar, views, exact: options.exact ?? false }),
    );
  }

  run(): Exploration {
    const { most = 2 ** 24 } = this.options;
    const visited = new Visited();
    visited.add(pack(this.begin()), -1);
    let depth = 0;
    let violation: Exploration['violation'] = null;
    let levelEnd = visited.size;
    let at = 0;
    try {
      for (; at < visited.size && visited.size < most; at++) {
        if (at === levelEnd) {
          depth += 1;
          levelEnd = visited.size;
        }
        const key = visited.key(at);
        const a = Math.floor(key / A);
        const b = Math.floor(key / B) % LOCALS;
        const c = key % LOCALS;
        const [finalA, finalB, finalC] = [this.finals(0, a), this.finals(1, b), this.finals(2, c)];
        if (finalA !== finalB || finalB !== finalC) this.agree(finalA, finalB, finalC);
        const [sentA, sentB, sentC] = [this.sent(0, a), this.sent(1, b), this.sent(2, c)];
        for (const next of this.next(0, a, sentB, sentC, key)) visited.add(key + (next - a) * A, at);
        for (const next of this.next(1, b, sentA, sentC, key)) visited.add(key + (next - b) * B, at);
        for (const next of this.next(2, c, sentA, sentB, key)) visited.add(key + (next - c), at);
      }
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      violation = { invariant: error.invariant, text: error.message, run: this.tell(visited, at) };
    }
    return {
      states: visited.size,
      transitions: this.transitions,
      depth,
      complete: violation === null && at === visited.size,
      localStates: this.locals.reduce((sum, { list }) => sum + list.length, 0),
      steps: this.locals.reduce((sum, { steps }) => sum + steps, 0),
      finalBlocks: new Set(this.locals.flatMap(({ list }) => list.flatMap(({ finals }) => finals))).size,
      violation,
      visible: () => this.visible(visited),
    };
  }

  /** The local states that node i can come to. They depend on its own and on what the others have sent. */
  private next(i: number, own: number, sentJ: number, sentK: number, key: number): Int32Array {
    const index = (own * SENTS + sentJ) * SENTS + sentK;
    let next = this.nextOf[i].get(index);
    if (next === undefined) {
      const results = this.actionsOf(i, unpack(key)).map((action) => this.locals[i].act(own, action));
      next = Int32Array.from(new Set(results.filter((result) => result !== own)));
      this.nextOf[i].set(index, next);
    }
    this.transitions += next.length;
    return next;
  }

  private sent(i: number, local: number): number {
    this.sentOf[i][local] ??= numberOf(this.sentLists, this.locals[i].list[local].sent.join());
    return this.sentOf[i][local];
  }

  private finals(i: number, local: number): number {
    this.finalsOf[i][local] ??= numberOf(this.finalLists, this.locals[i].list[local].finals.join());
    return this.finalsOf[i][local];
  }

  /** Everything that may happen to node i. */
  private actionsOf(i: number, state: readonly number[]): Action[] {
    const { state: own, sent } = this.locals[i].list[state[i]];
    const others = state.flatMap((local, other) => (other === i ? [] : [...this.locals[other].list[local].sent]));
    const heard = others.map((number) => this.messages.list[number]);
    const said = sent.map((number) => this.messages.list[number]);
    const honest = [...heard, ...said].filter(isBlock);
    const blocks = [...honest, ...this.lies(honest)];
    const votes = { heard: heard.filter(isVote), own: said.filter(isVote) };
    const messages = this.options.exact
      ? this.oneByOne(own, blocks, votes.heard)
      : [...this.proposals(own, blocks), ...this.certificates(own, blocks, votes)];
    return [...messages, ...this.time(own)];
  }

  private time(own: ProtocolState): Action[] {
    if (own.acted) return [];
    const { delta_ms } = own.hours;
    const actions: Action[] = this.options.deadline ? [{ kind: 'deadline' }] : [];
    if (own.view < this.first || own.view > this.last) return actions;
    if (waited_ms(own) < delta_ms && leads(own, leaderOf)) actions.push({ kind: 'wait', deltas: 1 });
    if (waited_ms(own) < 3 * delta_ms) actions.push({ kind: 'wait', deltas: 3 });
    return actions;
  }

  /** Without any reduction. */
  private oneByOne(own: ProtocolState, blocks: readonly Signed<Block>[], votes: readonly Signed<Vote>[]): Action[] {
    const kinds = ['notarize', 'final'] as const;
    const lies = blocks.flatMap(({ id, view }) => kinds.map((kind) => this.lie(kind, view, id)));
    for (let view = this.first; view <= this.last; view++) lies.push(this.lie('skip', view, ''));
    const foreign = blocks.filter(({ sender }) => sender !== own.self);
    return [...foreign, ...votes, ...lies].map((message) => deliver([message]));
  }

  /** Reduction 2: of the view that the node is in and may still vote in, the first one. */
  private proposals(own: ProtocolState, blocks: readonly Signed<Block>[]): Action[] {
    const { view } = own;
    const gone = own.own.skipped.some(({ from, to }) => from <= view && view <= to) || own.own.notarized.has(view);
    if (gone || [...own.nodes.values()].some((node) => node.view === view)) return [];
    return blocks
      .filter((block) => block.view === view && block.sender !== own.self)
      .map((block) => deliver(lineage(own, block, blocks)));
  }

  /** Reduction 1: the votes of a quorum, with what they are about; none that the node has already. */
  private certificates(
    own: ProtocolState,
    blocks: readonly Signed<Block>[],
    votes: { readonly heard: readonly Signed<Vote>[]; readonly own: readonly Signed<Vote>[] },
  ): Action[] {
    const actions: Action[] = [];
    const { q } = registryOf(own);
    const offer = (says: (vote: Signed<Vote>) => boolean, lie: Signed<Vote>, about: readonly Signed[]): void => {
      const heard = votes.heard.filter(says);
      const voters = new Set([...heard, ...votes.own.filter(says)].map(({ sender }) => sender)).size;
      if (voters > 0 && voters + 1 >= q) actions.push(deliver([...heard, ...(voters >= q ? [] : [lie]), ...about]));
    };
    const beyond = own.view > this.last;
    for (const block of blocks) {
      const { id, view } = block;
      if (view <= own.finalNode.view) continue;
      for (const kind of ['notarize', 'final'] as const) {
        if (kind === 'notarize' && (beyond || own.nodes.get(id)?.notarized)) continue;
        const says = ({ body }: Signed<Vote>): boolean => body.kind === kind && body.block === id;
        offer(says, this.lie(kind, view, id), lineage(own, block, blocks));
      }
    }
    for (let view = this.first; view <= this.last && !beyond; view++) {
      if (skips(own, view) >= q) continue;
      offer((vote) => vote.body.kind === 'skip' && covers(vote, view), this.lie('skip', view, ''), []);
    }
    return actions;
  }

  /** The liar's proposals, given the blocks that there are. */
  private lies(blocks: readonly Signed<Block>[]): Signed<Block>[] {
    const { registry, known, secret, states } = this.start;
    const seal = states[this.liar].finalNode.state.tip;
    const mine: Signed<Block>[] = [];
    for (let view = this.first; view <= this.last; view++) {
      if (leaderOf(registry, view) !== this.liar) continue;
      const bodies: Block[] = [scheduleBlock(seal, known), scheduleBlock(seal, secret)];
      for (const { id, view: below } of [...blocks, ...mine])
        if (below < view) bodies.push({ type: 'PROPOSE', kind: 'CARRY', parent: id, carried: [], checkpoint: '' });
      for (const body of bodies) mine.push(this.sign(view, body));
    }
    return mine;
  }

  private lie(kind: Vote['kind'], view: number, block: string): Signed<Vote> {
    return this.sign(view, { type: 'VOTE', kind, to: view, block });
  }

  private readonly signedLies = new Map<string, Signed>();

  private sign<B extends Block | Vote>(view: number, body: B): Signed<B> {
    const unsigned: Unsigned<B> = { epoch: 0, round: roundOfView(view), view, sender: this.liar, body };
    const [what, which] = body.type === 'VOTE' ? [body.kind, body.block] : [body.kind, body.parent];
    const key = `${view} ${what} ${which} ${body.type === 'PROPOSE' ? body.carried[0]?.id : ''}`;
    const message = this.signedLies.get(key) ?? sign(unsigned, this.start.registry);
    this.signedLies.set(key, message);
    return message as Signed<B>;
  }

  /** I1: what is final at different nodes lies on one chain. A block's id stands for all below it. */
  private agree(...finals: readonly number[]): void {
    const texts = [...this.finalLists.keys()];
    const [longest, ...others] = finals.map((number) => texts[number]).sort((x, y) => y.length - x.length);
    if (!others.every((text) => longest.startsWith(text)))
      throw new Violation('I1', this.start.round, 'two nodes have conflicting final blocks');
  }

  private visible(visited: Visited): ReadonlySet<string> {
    const seen = new Set<string>();
    for (let at = 0; at < visited.size; at++) seen.add(this.look(unpack(visited.key(at))));
    return seen;
  }

  private look(state: readonly number[]): string {
    const nodes = state.map((local, i) => {
      const { sent, finals } = this.locals[i].list[local];
      return `${sent.map((number) => this.messages.list[number].id).sort()} ${finals}`;
    });
    return nodes.join('|');
  }

  /** One run at random, as long as anything can still happen; what is seen at each step. */
  stroll(random: Random): string[] {
    let state = this.begin();
    const seen = [this.look(state)];
    for (;;) {
      const nexts = [0, 1, 2].flatMap((i) =>
        this.actionsOf(i, state).map((action) => state.with(i, this.locals[i].act(state[i], action))),
      );
      const changes = nexts.filter((next) => next.some((local, i) => local !== state[i]));
      if (changes.length === 0) return seen;
      state = changes[random.whole(0, changes.length - 1)];
      seen.push(this.look(state));
    }
  }

  private begin(): number[] {
    return this.honest.map((node, i) => this.locals[i].start(this.start.states[node], this.start.sent[node]));
  }

  /** The actions that led to a state, and what broke there, as a person would tell it. */
  private tell(visited: Visited, at: number): string[] {
    const path: number[] = [];
    for (let each = at; each >= 0; each = visited.from(each)) path.unshift(each);
    const run: string[] = [];
    path.forEach((each, step) => {
      const before = unpack(visited.key(each));
      const after = step + 1 < path.length ? unpack(visited.key(path[step + 1])) : null;
      if (after !== null) run.push(...this.tellStep(before, after));
    });
    return [...run, ...this.tellBreach(unpack(visited.key(at)))];
  }

  private tellStep(before: readonly number[], after: readonly number[]): string[] {
    const i = before.findIndex((local, node) => local !== after[node]);
    const action = this.actionsOf(i, before).find((each) => this.locals[i].act(before[i], each) === after[i]) as Action;
    return this.tellAction(i, action, this.locals[i].list[before[i]], this.locals[i].list[after[i]]);
  }

  /** The action at this state that breaks an invariant within one node; nothing when it is the state that is broken. */
  private tellBreach(state: readonly number[]): string[] {
    for (let i = 0; i < HONEST; i++) {
      for (const action of this.actionsOf(i, state)) {
        try {
          this.locals[i].act(state[i], action);
        } catch (error) {
          if (!(error instanceof Violation)) throw error;
          return [...this.tellAction(i, action, null, null), error.message];
        }
      }
    }
    return [];
  }

  private tellAction(i: number, action: Action, before: Local | null, after: Local | null): string[] {
    const name = this.name(this.honest[i]);
    const what =
      action.kind === 'deliver'
        ? `hears ${action.messages.map((message) => this.tellMessage(message)).join('; ')}`
        : action.kind === 'wait'
          ? `waits for ${action.deltas} delta in its view`
          : 'reaches T_act';
    const said = after?.sent.filter((number) => !before?.sent.includes(number)) ?? [];
    const finals = after?.finals.slice(before?.finals.length ?? 0) ?? [];
    return [
      `${name} ${what}`,
      ...said.map((number) => `    and sends ${this.tellMessage(this.messages.list[number])}`),
      ...finals.map((id) => `    and holds block ${id.slice(0, 6)} for final`),
    ];
  }

  private tellMessage({ id, sender, view, body }: Signed): string {
    const of = `of ${this.name(sender)} in view ${view - this.first}`;
    if (body.type === 'PROPOSE') return `${body.kind} ${id.slice(0, 6)} on ${body.parent.slice(0, 6)} ${of}`;
    if (body.type !== 'VOTE') return `${body.type} ${of}`;
    const to = body.to > view ? ` to ${body.to - this.first}` : '';
    return `${body.kind.toUpperCase()} ${body.block.slice(0, 6)} ${of}${to}`;
  }

  private name(node: number): string {
    return node === this.liar ? 'M' : this.start.registry.neighbourhood.nodes[node].name;
  }
}

const isBlock = (message: Signed): message is Signed<Block> => message.body.type === 'PROPOSE';
const isVote = (message: Signed): message is Signed<Vote> => message.body.type === 'VOTE';
const deliver = (messages: readonly Signed[]): Action => ({ kind: 'deliver', messages });

/** A block and those of its ancestors that the node lacks, eldest first. */
function lineage(own: ProtocolState, block: Signed<Block>, blocks: readonly Signed<Block>[]): Signed<Block>[] {
  if (own.nodes.has(block.id)) return [];
  const parent = blocks.find(({ id }) => id === block.body.parent);
  return [...(parent === undefined ? [] : lineage(own, parent, blocks)), block];
}

const pack = ([a, b, c]: readonly number[]): number => a * A + b * B + c;
const numberOf = (numbers: Map<string, number>, text: string): number => {
  const number = numbers.get(text) ?? numbers.size;
  numbers.set(text, number);
  return number;
};
const unpack = (key: number): number[] => [Math.floor(key / A), Math.floor(key / B) % LOCALS, key % LOCALS];

/** The states seen, in the order in which they were found, each with the one it was found from. 16 bytes a state. */
class Visited {
  size = 0;
  private keys = new Float64Array(2 ** 16);
  private parents = new Int32Array(2 ** 16);
  /** Open addressing; position + 1, 0 for empty. At most half full. */
  private slots = new Int32Array(2 ** 17);

  add(key: number, parent: number): void {
    let slot = this.slotOf(key);
    if (this.slots[slot] !== 0) return;
    if (this.size === this.keys.length) {
      this.grow();
      slot = this.slotOf(key);
    }
    this.keys[this.size] = key;
    this.parents[this.size] = parent;
    this.slots[slot] = ++this.size;
  }

  key(at: number): number {
    return this.keys[at];
  }

  from(at: number): number {
    return this.parents[at];
  }

  private slotOf(key: number): number {
    const mask = this.slots.length - 1;
    let slot = (Math.imul(key | 0, 0x9e3779b1) ^ Math.imul((key / 2 ** 32) | 0, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & mask;
    while (this.slots[slot] !== 0 && this.keys[this.slots[slot] - 1] !== key) slot = (slot + 1) & mask;
    return slot;
  }

  private grow(): void {
    const { keys, parents } = this;
    this.keys = new Float64Array(2 * keys.length);
    this.keys.set(keys);
    this.parents = new Int32Array(2 * keys.length);
    this.parents.set(parents);
    this.slots = new Int32Array(4 * keys.length);
    for (let at = 0; at < this.size; at++) this.slots[this.slotOf(keys[at])] = at + 1;
  }
}
