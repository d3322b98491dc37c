/**
 * Attacks on the agreement, each by one liar (D) or one crash, told on a stage. `strikes` false leaves out the one thing
 * that makes it an attack: the control. `without` takes away the rule that stops it (the change to the sources that does
 * so), and says what the attack then comes to.
 */
import { sha256 } from '../../firmware/adapters/sha256.ts';
import type { ChainState } from '../../firmware/protocol/chain.ts';
import { bytesOf } from '../../firmware/protocol/consensus/answer.ts';
import { ORPHANS_MAX, REGISTER_MAX_WH, RUN_MAX_BYTES, SEAL_VIEWS } from '../../firmware/protocol/limits.ts';
import { type Block, payloadOf, type Signed, type Site, signed } from '../../firmware/protocol/messages.ts';
import { decisionStart, firstView, lastView, roundOfView } from '../../firmware/protocol/round.ts';
import type { Patch } from '../mutate.ts';
import type { Lie } from './byzantine.ts';
import type { Invariant } from './checkers.ts';
import type { Core } from './core.ts';
import type { Mutant } from './mutants.ts';
import { neighbourhoodOf } from './neighbourhood.ts';
import { A, B, C, D, HEAD, Stage, type Verdict } from './stage.ts';

/** Beside what becomes of the chain: what a liar can make of a node. */
type End =
  | Verdict
  | 'fills the memory'
  | 'talks without end'
  | 'is not heard'
  | 'comes too late'
  | 'few lead'
  | 'takes any load for true';

export interface Attack {
  readonly name: string;
  readonly play: (core: Core, strikes: boolean) => End;
  readonly without: readonly Weakness[];
}

interface Weakness extends Required<Pick<Mutant, 'name' | 'patches'>> {
  readonly comesTo: End;
  /** The lie with which the simulator's liars find it too, within a few seeds, and what they then break. */
  readonly lie?: Lie;
  readonly breaks?: Invariant;
}

const isFinal = ({ body }: Signed): boolean => body.type === 'VOTE' && body.kind === 'final';
const isSkip = ({ body }: Signed): boolean => body.type === 'VOTE' && body.kind === 'skip';
const isNotarize = ({ body }: Signed): boolean => body.type === 'VOTE' && body.kind === 'notarize';

const ENTERED_AS_READ = {
  file: 'step.ts',
  find: 'run.push(next);',
  replace: 'next.notarized = state.news = true; state.nodes.set(block.id, next); run.push(next);',
};
const ALL_KEPT = {
  file: 'consensus/votes.ts',
  find: '  forgetEarliest(views, sender);',
  replace: '  void forgetEarliest;',
};
const ANY_AUTHOR = {
  file: 'consensus/catch-up.ts',
  find: 'if (leaderOf(parent.state.registry, block.view) !== block.sender) return null;',
  replace: 'void leaderOf;',
};
const ANY_PAGE = {
  file: 'step.ts',
  find: 'if (page.asked_ms !== state.asked.get(from)) return;',
  replace: 'void from;',
};
const MISSING_FROM = (voters: string): Patch => ({
  file: 'consensus/electorate.ts',
  find: 'backed(state.votes, mostLiars(state) + 1, electorateOf(state), known)',
  replace: `backed(state.votes, ${voters}, electorateOf(state), known)`,
});

/**
 * A, B and C notarise a block, and their FINALs reach A only. D gives B and C a page with another block for the next view,
 * without one vote, before an old block with a true certificate: the run breaks behind the first.
 */
function brokenPage(core: Core, strikes: boolean, asked: boolean, author = D): End {
  const stage = new Stage(core, 1);
  const next = stage.view + 1;
  stage.until(1);
  if (asked) stage.untilAsked(B, C);
  stage.until(81);
  const forged = stage.seal(next, 1, author);
  stage.lost = (message, to) => isFinal(message) && to !== A;
  stage.until(94);
  if (strikes)
    for (const to of [B, C])
      stage.give(to, stage.page(to, { blocks: [{ block: forged, votes: [] }, stage.oldBlock()] }));
  stage.lost = (_, to) => to === A;
  stage.give([B, C], stage.vote('final', next, forged.id));
  stage.deliver();
  return stage.verdict();
}

/** D leads, and the stage is at the moment of its SEAL, of which D has several. */
function atSeal(core: Core): { stage: Stage; view: number; seals: Signed<Block>[] } {
  const stage = new Stage(core);
  stage.until(94);
  return { stage, view: stage.view, seals: [0, 1, 2].map((orders) => stage.seal(stage.view, orders)) };
}

/** D gives A and C a block and B another, and says NOTARIZE for the first to A. The strike: NOTARIZE for the other to B and C. */
function twoFaces(core: Core, strikes: boolean): End {
  const { stage, view, seals } = atSeal(core);
  const [X, Y] = seals;
  if (strikes) stage.give([B, C], stage.vote('notarize', view, Y.id));
  stage.give(B, Y);
  stage.give([A, C], X);
  stage.give(A, stage.vote('notarize', view, X.id));
  stage.deliver();
  return stage.verdict();
}

/** A and C get one block of D's and B another. The strike: B gets a third. */
function threeProposals(core: Core, strikes: boolean): End {
  const { stage, view, seals } = atSeal(core);
  const [X, Y, Z] = seals;
  stage.give(B, Y, ...(strikes ? [Z] : []));
  stage.give([A, C], X);
  stage.give([A, B, C], stage.vote('notarize', view, X.id));
  stage.deliver();
  return stage.verdict();
}

/** Only A sees D's NOTARIZE, so only A signs FINAL, which nobody hears; then D is silent. */
function finalOfOne(core: Core): Stage {
  const { stage, view, seals } = atSeal(core);
  stage.lost = (_message, _to, from) => from === A;
  stage.give([A, B], seals[0]);
  stage.give(A, stage.vote('notarize', view, seals[0].id));
  stage.deliver();
  stage.until(99);
  return stage;
}

/** One alone has signed FINAL (`finalOfOne`). The strike: its power goes. */
function lostCertificate(core: Core, strikes: boolean): End {
  const stage = finalOfOne(core);
  stage.lost = () => false;
  if (strikes) stage.restart(A);
  stage.wait([B, C, A]); // at 100 s the view times out, and A repeats what it knows a moment too late
  return stage.verdict();
}

/** A leaves D's view by the SKIPs of the others and alone signs FINAL for the next. The strike: the street goes dark. */
function powerCut(core: Core, strikes: boolean): End {
  const stage = new Stage(core);
  stage.until(99);
  stage.give([A, B, C], stage.skip(stage.view));
  stage.lost = (message, to) => isNotarize(message) && to !== A;
  stage.wait([B, C, A]);
  stage.wait([B, C, A]);
  stage.wait([B, C, A]);
  stage.lost = () => false;
  if (strikes) stage.restart(A, B, C);
  return stage.verdict();
}

/** D tells A of one order and B of another, in each round. The strike: before, it fills all pools with some that cannot be sealed. */
function poolFill(core: Core, strikes: boolean, filler: (stage: Stage, ref: number) => Signed): End {
  const stage = new Stage(core);
  return stage.verdict(() => {
    stage.until(70);
    stage.give(A, stage.order(1));
    stage.give(B, stage.order(2));
    if (strikes) for (let ref = 10; ref < 14; ref++) stage.give([A, B, C], filler(stage, ref));
  }, 3);
}
const FIRST_HEARD_STAY = [
  {
    file: 'pool.ts',
    find: 'if (last !== undefined && last.id < order.id) return',
    replace: 'if (last !== undefined) return',
  },
];

/** Without these a METER may say anything. */
export const ANY_METER: readonly Patch[] = [
  { file: 'settlement.ts', find: 'Math.abs(net_J) <= most_W * roundTime_s * rounds', replace: 'rounds > 0' },
  { file: 'load.ts', find: 'rounds === 1 && isPossible', replace: 'rounds === 1' },
];

/** D has a meter, as all have, of which one register goes back, so that the statement's own beginning counts. The strike: the other shows all it can. */
function absurdMeter(core: Core, strikes: boolean): End {
  const stage = new Stage(core);
  const rounds = 4;
  const before = { importedBefore_Wh: 0, exportedBefore_Wh: 0 };
  let exported_Wh = rounds;
  const verdict = stage.verdict(() => {
    stage.until(70);
    exported_Wh -= 1;
    const imported_Wh = strikes ? REGISTER_MAX_WH : 100;
    const meter = { type: 'METER', ...before, imported_Wh, exported_Wh, mode: 'lease' } as const;
    stage.give([A, B, C], stage.say(D, meter, 0, stage.deciding - 2));
  }, rounds);
  const { capacity_W } = stage.registry.neighbourhood;
  const isBelieved = stage.tip.rounds.some(({ load_W = 0 }) => Math.abs(load_W) > capacity_W);
  return isBelieved ? 'takes any load for true' : verdict;
}

/** D's header is the best by the tie, so all others are silent. The strike: at the last moment it sends a second. */
function secondHeader(core: Core, strikes: boolean): End {
  const stage = new Stage(core);
  for (let tries = 0; tries < 40; tries++) {
    stage.until(156);
    const round = stage.deciding;
    const { best, other, wins } = stage.headers();
    stage.give([A, B, C], best);
    stage.until(193);
    if (strikes) stage.give([A, B, C], other);
    stage.until(300);
    if (wins) return stage.tip.scheduleRound === round ? 'goes on' : 'falls behind';
  }
  throw new Error('D never won the tie');
}

/** D is asked for a page. The strike: what is open on it are votes of far views. */
function farFuture(core: Core, strikes: boolean): End {
  const stage = new Stage(core);
  stage.until(1);
  stage.untilAsked(A);
  const far = Array.from({ length: 1000 }, (_, k) =>
    stage.vote('notarize', stage.view + 1000 * (k + 1), 'cd'.repeat(32)),
  );
  stage.give(A, stage.page(A, { pending: strikes ? far : far.slice(0, 1) }));
  const verdict = stage.verdict();
  return stage.players[A].state.votes.notarize.size > 100 ? 'fills the memory' : verdict;
}

/** A night in which nobody hears anybody. The strike: D votes, to A, about each view of it. */
function pastFlood(core: Core, strikes: boolean): End {
  const stage = new Stage(core);
  const first = firstView(stage.deciding, 'SEAL');
  stage.lost = () => true;
  for (let round = 0; round < 6; round++) stage.until(300);
  stage.until(1);
  stage.lost = () => false;
  const views = Array.from({ length: strikes ? firstView(stage.deciding, 'SEAL') - first : 1 }, (_, k) => first + k);
  for (const kind of ['notarize', 'final'] as const)
    stage.give(A, ...views.map((view) => stage.vote(kind, view, 'cd'.repeat(32))));
  const { notarize, final } = stage.players[A].state.votes;
  const kept = [notarize, final].flatMap((of) => [...of.values()].filter((voters) => voters.has(D)));
  return kept.length > 100 ? 'fills the memory' : stage.verdict();
}

/**
 * A street without a broker, where D still reaches A: it leads a view of every fourth, and proposes two blocks there, which hold.
 * The strike: it does so for four hours, and A keeps two rounds of it.
 */
function openFlood(core: Core, strikes: boolean): End {
  const stage = new Stage(core);
  const { state } = stage.players[A];
  stage.lost = () => true;
  let most = 0;
  for (let round = 0; round < (strikes ? 48 : 1); round++) {
    stage.until(61);
    const first = firstView(stage.deciding, 'SEAL');
    for (let view = first; view < first + SEAL_VIEWS; view++)
      if (core.leaderOf(stage.registry, view) === D) stage.give(A, stage.seal(view, 0), stage.seal(view, 1));
    stage.until(300);
    most = Math.max(most, state.nodes.size);
  }
  return most > 100 ? 'fills the memory' : stage.verdict();
}

/**
 * P is voted for too late: all have skipped its view. Once it is notarised all the same, N is proposed on it, and all say FINAL for
 * N, which nobody hears. The strike: the power goes everywhere, and comes back in a later round.
 */
function lostParent(core: Core, strikes: boolean): End {
  const stage = new Stage(core, 3);
  const late = holdBack(stage);
  stage.lost = isFinal;
  for (const [to, vote] of late) stage.give(to, vote);
  stage.until(104);
  goDark(stage, 1);
  if (strikes) stage.restart(A, B, C);
  return stage.verdict();
}

/** Nothing reaches anybody for the rest of the round, and for so many rounds in all. */
function goDark(stage: Stage, rounds: number): void {
  stage.lost = () => true;
  for (let round = 0; round < rounds; round++) stage.until(300);
}

/** All NOTARIZE votes for the first proposal of the story come after the timeout of its view: these, and for whom. */
function holdBack(stage: Stage): (readonly [number, Signed])[] {
  const late: [number, Signed][] = [];
  stage.lost = (message, to) => {
    if (isNotarize(message) && message.view === stage.view) late.push([to, message]);
    return isNotarize(message) || isSkip(message);
  };
  stage.until(100);
  return late;
}

/** One of the three that does not lead the view, and the other two. */
function oneAndOthers(stage: Stage, core: Core, view: number): { one: number; leader: number; others: number[] } {
  const leader = core.leaderOf(stage.registry, view);
  const [one] = [A, B, C].filter((node) => node !== leader);
  return { one, leader, others: [A, B, C].filter((node) => node !== one) };
}

/**
 * As `lostParent`, but one alone knows that N is notarised (and has said FINAL), and does not know that P is. Then the street is dark
 * for some rounds, and the others' power goes. The strike: for more rounds than a proposal without a certificate is kept.
 */
function darkParent(core: Core, strikes: boolean): End {
  const stage = new Stage(core, 3);
  const next = stage.view + 1;
  const { one, leader, others } = oneAndOthers(stage, core, next);
  const late = holdBack(stage);
  stage.lost = (message, to) =>
    (isNotarize(message) && !(message.view === next && to === one)) ||
    isSkip(message) ||
    isFinal(message) ||
    message.body.type === 'SYNC_RES';
  for (const [to, vote] of late) if (to !== one) stage.give(to, vote);
  stage.until(103);
  stage.give(one, stage.vote('notarize', next, stage.proposed(leader, next)));
  goDark(stage, strikes ? 14 : 1);
  stage.restart(...others);
  return stage.verdict();
}

/**
 * P of one round, N on it of the next: one alone knows that N is notarised, and does not know that P is. The strike: then the
 * street is dark until P is forgotten, and N is not long past yet.
 */
function agedParent(core: Core, strikes: boolean): End {
  const stage = new Stage(core, 3);
  const next = firstView(stage.deciding + 1, 'SEAL');
  const { one, leader } = oneAndOthers(stage, core, next);
  stage.lost = (message, to) =>
    isFinal(message) ||
    (to === one && (message.body.type === 'SYNC_RES' || (isNotarize(message) && message.view < next)));
  stage.until(300);
  stage.until(94);
  stage.give(one, stage.vote('notarize', next, stage.proposed(leader, next)));
  goDark(stage, strikes ? 14 : 1);
  return stage.verdict();
}

/**
 * After four hours without a broker D gives A two old proposals of each view that it led, which hold. The strike: each behind a
 * worthless one that waits for it.
 */
function anchoredFlood(core: Core, strikes: boolean): End {
  const stage = new Stage(core);
  const { state } = stage.players[A];
  const sites: Signed<Site>[] = [];
  stage.lost = () => true;
  for (let round = 0; round < 48; round++) {
    stage.until(61);
    sites.push(state.pool.sites.get(stage.deciding) as Signed<Site>);
    stage.until(300);
  }
  stage.until(1);
  const leads = (view: number): boolean => core.leaderOf(stage.registry, view) === D;
  let recent = firstView(stage.deciding, 'SEAL');
  while (!leads(recent)) recent += 1;
  const parent = stage.tip.tip;
  for (const site of sites)
    for (let view = firstView(site.round, 'SEAL'); view <= lastView(site.round, 'SEAL'); view++)
      for (const orders of leads(view) ? [[], [stage.order(0, {}, site.round)]] : []) {
        const old = stage.propose(view, parent, [...orders, site]);
        stage.give(A, ...(strikes ? [stage.propose(recent, old.id, [])] : []), old);
      }
  return state.nodes.size > 100 ? 'fills the memory' : stage.verdict();
}

/** As `lostCertificate`, then nothing reaches anybody for a round, and A's power goes. The strike: for fourteen rounds. */
function longDark(core: Core, strikes: boolean): End {
  const stage = finalOfOne(core);
  goDark(stage, strikes ? 14 : 1);
  stage.restart(A);
  return stage.verdict();
}

/**
 * What finds room at a voter: a voter's header, its own, and a light node's that is the best of all. The strike: before, 128 light nodes have
 * sent theirs, poor ones or false ones, when the SEAL is there or (only those of voters then) before it. Only how good a header is, is invented.
 */
function headerFlood(core: Core, strikes: boolean, kind: 'poor' | 'false' | 'early'): End {
  const registry = core.makeRegistry(neighbourhoodOf(240), sha256);
  const [light, voters] = [false, true].map((votes) =>
    [...registry.isValidator.keys()].filter((node) => node < 240 && registry.isValidator[node] === votes),
  );
  const [self, voter] = voters;
  const auditHeader: Core['auditHeader'] = (_chain, header) =>
    header.body.net_W < 0
      ? { code: 'infeasible', detail: 'false' }
      : ({
          header,
          candidate: { pfInt: 0n, slopes: 1, welfare: BigInt(header.body.lambda), operations: 0, tie: '' },
        } as never);
  const state = core.makeState(registry, self, sha256, { ...core, auditHeader });
  core.step(state, { kind: 'tick', now_ms: decisionStart(1000, 300_000) });
  const seal = 'ab'.repeat(32);
  if (kind !== 'early') state.posed.set(seal, state.finalNode.state);
  const say = (sender: number, lambda: number, net_W = 0): void => {
    const body = {
      type: 'HEADER',
      seal,
      lambda,
      pfInt: 0n,
      net_W,
      operations: 0,
      plan: { orders: [], shares: [] },
    } as const;
    const unsigned = { epoch: 0, round: 1000, view: 0, sender, body };
    const message = signed(unsigned, payloadOf(unsigned, registry.tag), new Uint8Array(64), sha256);
    core.step(state, { kind: 'message', message });
  };
  for (const sender of light.slice(0, strikes ? 128 : 1))
    say(sender, kind === 'false' ? 9 : 1, kind === 'false' ? -1 : 0);
  const heard = [self, voter, ...(kind === 'early' ? [] : light.slice(-1))];
  for (const [better, sender] of heard.entries()) say(sender, 2 + better);
  const held = [...state.authors.keys(), ...state.orphanHeaders.map(({ sender }) => sender)];
  if (held.length > 128 + 2) return 'fills the memory';
  return heard.every((sender) => held.includes(sender)) ? 'goes on' : 'is not heard';
}

/** D proposes on what nobody has. The strike: again and again. */
function orphanFlood(core: Core, strikes: boolean): End {
  const stage = new Stage(core);
  stage.until(1);
  for (let k = 1; k <= (strikes ? 300 : 1); k++) stage.give(A, stage.lure(k));
  return stage.players[A].state.orphans.length >= ORPHANS_MAX ? 'fills the memory' : stage.verdict();
}

/**
 * What A asks in a round because of D. The strike: a proposal on a block that nobody has or, with a `backing`, votes for one,
 * as many as D has.
 */
function lured(core: Core, strikes: boolean, backing: boolean): End {
  const stage = new Stage(core);
  stage.until(1);
  const before = stage.said[A];
  const lure = stage.lure();
  const votes = (['notarize', 'final'] as const).map((kind) => stage.vote(kind, lure.view, lure.id));
  if (strikes) stage.give(A, ...(backing ? votes : [lure]));
  stage.until(81);
  return stage.said[A] - before > 10 ? 'talks without end' : stage.verdict();
}

/** D helps A and B to a SEAL and is silent from then on. The strike: C hears nothing until the votes for the SCHEDULE. */
function missedSeal(core: Core, strikes: boolean): End {
  const { stage, view, seals } = atSeal(core);
  const [X] = seals;
  if (strikes) stage.lost = (_, to) => to === C;
  const votes = (['notarize', 'final'] as const).map((kind) => stage.vote(kind, view, X.id));
  stage.give(strikes ? [A, B] : [A, B, C], X, ...votes, stage.skip(view + 1, lastView(roundOfView(view), 'SEAL')));
  stage.deliver();
  stage.until(195);
  stage.lost = () => false;
  stage.until(201);
  const { finalNode } = stage.players[C].state;
  return finalNode.state.sealRound === stage.deciding ? stage.verdict() : 'comes too late';
}

/**
 * For three rounds D helps B and C to notarise blocks, and nobody hears a FINAL; or, if they `end`, in the last one only, so that the
 * blocks below become final with that one and have no votes of their own. Then D is silent. The strike: A has heard nothing
 * of it, and a page holds few blocks.
 */
function longRun(core: Core, strikes: boolean, end: boolean): End {
  const stage = new Stage(core);
  if (strikes) stage.room = { blocks: 700, page: 2000 };
  const last = stage.deciding + 2;
  const hasEnd = (): boolean => end && stage.deciding === last;
  stage.lost = (message, to) => (strikes && to === A) || (isFinal(message) && !hasEnd());
  while (stage.deciding <= last) {
    stage.until(stage.second + 1);
    stage.echo([B, C], 'notarize', ...(hasEnd() ? (['final'] as const) : []));
  }
  return stage.verdict();
}

/**
 * D is asked for a page. The strike: it holds blocks of D's own, one on the other without a certificate, and so does the next.
 * V would refuse what lacks the head meter's readings; here it lets all pass, so that only the bound is left.
 */
function endlessRun(core: Core, strikes: boolean): End {
  const stage = new Stage(core);
  stage.until(1);
  stage.untilAsked(A);
  const { state } = stage.players[A];
  const { audit } = state;
  const applyBlock = (chain: ChainState, { id }: Signed): ChainState => ({
    ...chain,
    tip: id,
    height: chain.height + 1,
  });
  Object.assign(state, { audit: { ...audit, applyBlock } });
  let [parent, view] = [stage.tip.tip, state.finalNode.view];
  const next = (): Signed<Block> => {
    do view += 1;
    while (core.leaderOf(stage.registry, view) !== D);
    const block = stage.say(D, { type: 'PROPOSE', kind: 'CARRY', parent, carried: [], checkpoint: '' }, view);
    parent = block.id;
    return block;
  };
  for (let page = 0; page < (strikes ? 19 : 1); page++) {
    stage.give(A, stage.page(A, { blocks: Array.from({ length: 1800 }, () => ({ block: next(), votes: [] })) }));
    if (bytesOf(state.incoming?.run.map(({ block }) => block as Signed<Block>) ?? []) > RUN_MAX_BYTES)
      return 'fills the memory';
    stage.until(stage.second + 4);
  }
  Object.assign(state, { audit });
  return stage.verdict();
}

/** What A says while D gives it fifty messages, or one, within a second. */
function chatter(core: Core, strikes: boolean, message: (stage: Stage, k: number) => Signed): End {
  const stage = new Stage(core);
  stage.until(200);
  const before = stage.said[A];
  for (let k = 1; k <= (strikes ? 50 : 1); k++) stage.give(A, message(stage, k));
  return stage.said[A] - before > 10 ? 'talks without end' : stage.verdict();
}

/** A comes back, and nobody's page reaches it (the strike): it asks B again after all others. */
function askAgain(core: Core, strikes: boolean): End {
  const stage = new Stage(core);
  stage.until(1);
  if (!strikes) return stage.verdict();
  let pages = 0;
  stage.lost = ({ body, sender }) => {
    if (body.type === 'SYNC_RES' && sender === B) pages += 1;
    return body.type === 'SYNC_RES';
  };
  stage.restart(A);
  stage.until(110);
  return pages > 1 ? stage.verdict() : 'is not heard';
}

/** Which nodes ever lead a SEAL. The strike: a neighbourhood whose size has a factor in common with the step of a simple rotation. */
function leaders(core: Core, strikes: boolean): End {
  for (const n of strikes ? [31, 62, 93] : [30, 60, 90]) {
    const registry = core.makeRegistry(neighbourhoodOf(n), sha256);
    const seen = new Set<number>();
    for (let round = 1000; round < 3000; round++)
      for (let view = 0; view < SEAL_VIEWS; view++) seen.add(core.leaderOf(registry, firstView(round, 'SEAL') + view));
    if (seen.size < n) return 'few lead';
  }
  return 'goes on';
}

export const ATTACKS: readonly Attack[] = [
  {
    name: 'a page of catch-up, asked for, that breaks behind a block without votes',
    play: (core, strikes) => brokenPage(core, strikes, true),
    without: [
      {
        name: 'a run is entered as it is read',
        patches: [ENTERED_AS_READ],
        comesTo: 'forks',
        lie: 'broken-page',
        breaks: 'I7',
      },
    ],
  },
  {
    name: 'the same with a block that the head meter signed, which leads nothing',
    play: (core, strikes) => brokenPage(core, strikes, true, HEAD),
    without: [{ name: 'nor asks a run who leads', patches: [ENTERED_AS_READ, ANY_AUTHOR], comesTo: 'forks' }],
  },
  {
    name: 'the same page, which nobody asked for',
    play: (core, strikes) => brokenPage(core, strikes, false),
    without: [{ name: 'nor need a page be asked for', patches: [ENTERED_AS_READ, ANY_PAGE], comesTo: 'forks' }],
  },
  {
    name: 'NOTARIZE for another block, heard first',
    play: twoFaces,
    without: [
      {
        name: 'votes count one by one only',
        patches: [
          {
            file: 'step.ts',
            find: 'addCertificates(state.votes, near, electorateOf(state));',
            replace: '',
          },
        ],
        comesTo: 'halts',
        lie: 'two-faces',
        breaks: 'I13',
      },
    ],
  },
  {
    name: 'two other proposals of the view, heard first',
    play: threeProposals,
    without: [
      {
        name: 'a certified block may find no room',
        patches: [
          {
            file: 'consensus/simplex.ts',
            find: 'rivals.length >= PROPOSALS_PER_VIEW && !isBacked(state, block.id)',
            replace: 'rivals.length >= PROPOSALS_PER_VIEW',
          },
        ],
        comesTo: 'halts',
        lie: 'three-proposals',
        breaks: 'I13',
      },
    ],
  },
  {
    name: 'one silent liar and one crash after a FINAL',
    play: lostCertificate,
    without: [
      {
        name: 'a FINAL is kept without what it rests on',
        patches: [
          {
            file: 'consensus/simplex.ts',
            find: 'certificateOf(unkept(state, node))',
            replace: 'null',
          },
        ],
        comesTo: 'halts',
      },
    ],
  },
  {
    name: 'a power cut of the whole street while one board is dead',
    play: powerCut,
    without: [
      {
        name: 'one view after the other, and no SKIP below an own FINAL (either rule is enough)',
        patches: [
          {
            file: 'consensus/simplex.ts',
            find: 'other.view >= (node?.view ?? before)',
            replace: 'other.view === before',
          },
          {
            file: 'consensus/simplex.ts',
            find: "finalNode.view + 1, firstView(memoryFrom_round, 'SEAL'));",
            replace: "finalNode.view + 1, firstView(memoryFrom_round, 'SEAL'), Math.max(-1, ...state.own.final) + 1);",
          },
        ],
        comesTo: 'halts',
      },
    ],
  },
  {
    name: 'four orders over the rating in every pool',
    play: (core, strikes) =>
      poolFill(core, strikes, (stage, ref) => stage.order(ref, { power_W: 999_999, minimum_W: 999_999 })),
    without: [
      {
        name: 'a pool takes what no chain accepts, and keeps what it heard first (either rule is enough)',
        patches: [
          {
            file: 'pool.ts',
            find: "if (refuseForever(order, registry) !== null) return 'refused';",
            replace: 'void [registry, refuseForever];',
          },
          ...FIRST_HEARD_STAY,
        ],
        comesTo: 'halts',
        lie: 'over-rated',
        breaks: 'I13',
      },
    ],
  },
  {
    name: 'four orders of the next round in every pool',
    play: (core, strikes) => poolFill(core, strikes, (stage, ref) => stage.order(ref, {}, stage.deciding + 1)),
    without: [
      {
        name: 'a pool counts all rounds together, and keeps what it heard first (either rule is enough)',
        patches: [
          {
            file: 'pool.ts',
            find: '=> sender === order.sender && round === order.round)',
            replace: '=> sender === order.sender || round < 0)',
          },
          ...FIRST_HEARD_STAY,
        ],
        comesTo: 'falls behind',
      },
    ],
  },
  {
    name: 'a second header when all others have been silent',
    play: secondHeader,
    without: [
      {
        name: 'two headers void each other',
        patches: [
          {
            file: 'consensus/simplex.ts',
            find: 'bestOf(state, chain.seal, heldHeaders(state), false)',
            replace: 'bestOf(state, chain.seal, heldHeaders(state))',
          },
        ],
        comesTo: 'falls behind',
        lie: 'last-header',
        breaks: 'I13',
      },
    ],
  },
  {
    name: 'a page full of votes about far views',
    play: farFuture,
    without: [
      {
        name: 'any view is everybody’s business, and all of a voter is kept (either bound is enough)',
        patches: [
          ALL_KEPT,
          {
            file: 'consensus/simplex.ts',
            find: "state.deciding >= 0 && view > lastView(state.deciding + 1, 'SCHEDULE')",
            replace: 'state.deciding < 0 && view < 0',
          },
        ],
        comesTo: 'fills the memory',
      },
    ],
  },
  {
    name: 'votes about every view of a long outage',
    play: pastFlood,
    without: [
      {
        name: 'each of them is kept until something is final',
        patches: [ALL_KEPT],
        comesTo: 'fills the memory',
      },
    ],
  },
  {
    name: 'two proposals for every view that a liar leads in a long outage',
    play: openFlood,
    without: [
      {
        name: 'each of them is kept until something is final',
        patches: [{ file: 'step.ts', find: '  forgetOpen(state);', replace: '  void forgetOpen;' }],
        comesTo: 'fills the memory',
      },
    ],
  },
  {
    name: 'old proposals behind worthless ones that wait for them',
    play: anchoredFlood,
    without: [
      {
        name: 'whatever waits is a reason to let in what it waits for',
        patches: [
          {
            file: 'consensus/forget.ts',
            find: 'wanted.has(id) && !wanted.has(body.parent)',
            replace: '!wanted.has(body.parent) && id !== body.parent',
          },
        ],
        comesTo: 'fills the memory',
      },
    ],
  },
  {
    name: 'a block of before a long outage, for which one has said FINAL',
    play: longDark,
    without: [
      {
        name: 'that too is forgotten',
        patches: [
          {
            file: 'consensus/forget.ts',
            find: 'if (block !== undefined) certified.add(block);',
            replace: 'void block;',
          },
        ],
        comesTo: 'halts',
      },
    ],
  },
  {
    name: 'a blackout, when a block with FINAL votes stands on one whose view all have skipped',
    play: lostParent,
    without: [
      {
        name: 'a FINAL is kept with its own block alone',
        patches: [
          {
            file: 'consensus/simplex.ts',
            find: '.slice(path.findLastIndex(({ view }) => state.own.kept.has(view)) + 1)',
            replace: '.slice(-1)',
          },
        ],
        comesTo: 'halts',
      },
    ],
  },
  {
    name: 'a METER of more than a connector can do',
    play: absurdMeter,
    without: [
      {
        name: 'a METER may say anything',
        patches: ANY_METER,
        comesTo: 'takes any load for true',
      },
    ],
  },
  {
    name: 'a long outage, before which one alone has said FINAL for a block on one that it takes for open',
    play: darkParent,
    without: [
      {
        name: 'no proposal is let in because another waits for it',
        patches: [
          {
            file: 'consensus/forget.ts',
            find: 'wanted.add(next.body.parent);',
            replace: 'return wanted;',
          },
        ],
        comesTo: 'halts',
      },
    ],
  },
  {
    name: 'a long outage, in which a block with a certificate outlives the one under it',
    play: agedParent,
    without: [
      {
        name: 'certificates of long past views alone are looked at',
        patches: [
          {
            file: 'consensus/forget.ts',
            find: 'for (const view of viewsOf(votes, kind))',
            replace: 'for (const view of [...viewsOf(votes, kind)].filter((each) => isLongPast(state, each)))',
          },
        ],
        comesTo: 'halts',
      },
    ],
  },
  ...(['poor', 'false', 'early'] as const).map((kind) => ({
    name: `${kind} headers of 128 light nodes`,
    play: (core: Core, strikes: boolean) => headerFlood(core, strikes, kind),
    without: [
      {
        name: 'the first that come have all the room',
        patches: [
          {
            file: 'step.ts',
            find: '(node: number): boolean => node !== state.self && !isVoter(state, node);',
            replace: '(node: number): boolean => node >= 0 || isVoter(state, node);',
          },
          { file: 'step.ts', find: '  else if (!refused && (best', replace: '  else if (refused && (best' },
        ],
        comesTo: 'is not heard' as const,
      },
    ],
  })),
  {
    name: 'proposals on parents that do not exist',
    play: orphanFlood,
    without: [
      {
        name: 'a leader may leave as many as there is room for (either bound is enough)',
        patches: [
          {
            file: 'consensus/simplex.ts',
            find: 'orphans.filter(({ sender }) => sender === block.sender).length < ORPHANS_PER_LEADER &&',
            replace: 'ORPHANS_PER_LEADER > 0 &&',
          },
          {
            file: 'consensus/simplex.ts',
            find: 'orphans.filter(({ view }) => view === block.view).length < PROPOSALS_PER_VIEW',
            replace: 'true',
          },
        ],
        comesTo: 'fills the memory',
      },
    ],
  },
  {
    name: 'a proposal on a parent that does not exist, as a reason to ask',
    play: (core, strikes) => lured(core, strikes, false),
    without: [
      {
        name: 'any parent that a proposal names is missing',
        patches: [
          {
            file: 'consensus/simplex.ts',
            find: 'const [missing] = backedBlocks(state, state.nodes);',
            replace: `const [{ body }] = [...state.orphans, { body: null }];
              const [missing] = body === null ? backedBlocks(state, state.nodes) : [[body.parent, { final: registryOf(state).publicKeys.keys(), others: [] }]];`,
          },
        ],
        comesTo: 'talks without end',
      },
    ],
  },
  {
    name: 'votes for a block that does not exist, as a reason to ask',
    play: (core, strikes) => lured(core, strikes, true),
    without: [
      {
        name: 'whatever f voters want is missing',
        patches: [MISSING_FROM('mostLiars(state)')],
        comesTo: 'talks without end',
      },
    ],
  },
  {
    name: 'a SEAL that one node missed, whose vote is needed',
    play: missedSeal,
    without: [
      {
        name: 'only what a quorum wants is missing',
        patches: [MISSING_FROM('leastQuorum(state)')],
        comesTo: 'comes too late',
      },
    ],
  },
  {
    name: 'more open blocks than a page holds',
    play: (core, strikes) => longRun(core, strikes, false),
    without: [
      {
        name: 'a question does not say what is there already',
        patches: [
          {
            file: 'consensus/answer.ts',
            find: 'const held = new Set(tips.flatMap((tip) => openPath(nodes.get(tip)).map(({ block }) => block.id)));',
            replace: 'const held = new Set(tips.slice(0, 0));',
          },
        ],
        comesTo: 'halts',
      },
    ],
  },
  {
    name: 'more blocks that became final at once than a page holds',
    play: (core, strikes) => longRun(core, strikes, true),
    without: [
      {
        name: 'a page without a certificate is not kept',
        patches: [
          {
            file: 'step.ts',
            find: 'if (run.length > 0 && page.blocks.length > 0) return keepRun(state, from, run);',
            replace: 'void keepRun;',
          },
        ],
        comesTo: 'halts',
      },
    ],
  },
  {
    name: 'a run of blocks without a certificate and without end',
    play: endlessRun,
    without: [
      {
        name: 'a run may be of any length',
        patches: [
          {
            file: 'consensus/catch-up.ts',
            find: 'state.incoming = isLong ? null :',
            replace: 'void isLong;\n  state.incoming =',
          },
        ],
        comesTo: 'fills the memory',
      },
    ],
  },
  {
    name: 'the same question, over and over',
    play: (core, strikes) =>
      chatter(core, strikes, (stage, asked_ms) =>
        stage.say(D, { type: 'SYNC_REQ', to: A, height: 0, asked_ms, offset: 0, tips: [] }),
      ),
    without: [
      {
        name: 'each question is answered',
        patches: [
          {
            file: 'step.ts',
            find: 'if (state.now_ms < (state.served.get(to) ?? Number.NEGATIVE_INFINITY) + state.hours.delta_ms) return;',
            replace: '',
          },
        ],
        comesTo: 'talks without end',
      },
    ],
  },
  {
    name: 'old pages, over and over',
    play: (core, strikes) =>
      chatter(core, strikes, (stage, asked_ms) => {
        const page = { blocks: [stage.oldBlock()], pending: [] };
        return stage.say(D, { type: 'SYNC_RES', to: A, height: 0, asked_ms, ...page });
      }),
    without: [{ name: 'a page need not be asked for', patches: [ANY_PAGE], comesTo: 'talks without end' }],
  },
  {
    name: 'a question that is asked again',
    play: askAgain,
    without: [
      {
        name: 'it has the same bytes, which doors drop',
        patches: [
          {
            file: 'consensus/catch-up.ts',
            find: 'state.asked.set(to, state.now_ms);',
            replace: 'state.asked.set(to, 0);',
          },
          { file: 'consensus/catch-up.ts', find: 'asked_ms: state.now_ms, offset', replace: 'asked_ms: 0, offset' },
        ],
        comesTo: 'is not heard',
      },
    ],
  },
  {
    name: 'a neighbourhood of 31, 62 or 93 nodes',
    play: leaders,
    without: [
      {
        name: 'the first leader moves by 31 a round',
        patches: [
          {
            file: 'round.ts',
            find: "const decision = Math.imul(2 * round + (kind === 'SEAL' ? 0 : 1), 0x9e3779b1) >>> 8;",
            replace: "const decision = 31 * round + (kind === 'SEAL' ? 0 : 17);",
          },
        ],
        comesTo: 'few lead',
      },
    ],
  },
];
