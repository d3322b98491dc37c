/**
 * The protocol told as stories: real runtimes, doors and keys of four charge points and a head meter, on a clock that
 * moves when told. Each protection has a mutant: the same story without it, which the test must notice.
 */
import { expect, test } from 'vitest';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { emptyChronicle, record } from '../../firmware/chronicle.ts';
import type { LedgerEntry } from '../../firmware/ports.ts';
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import type { Instance, PlanAhead } from '../../firmware/protocol/benefit/instance.ts';
import { verdictOf } from '../../firmware/protocol/consensus/judge.ts';
import { offenceOf } from '../../firmware/protocol/evidence.ts';
import type { Block, Body, Header, Signed, Unsigned, Vote } from '../../firmware/protocol/messages.ts';
import { toWire } from '../../firmware/protocol/messages.ts';
import { firstView, kindOfView, leaderOf } from '../../firmware/protocol/round.ts';
import { auditHeader, headerOf } from '../../firmware/protocol/schedule.ts';
import { makeState, type ProtocolState } from '../../firmware/protocol/state.ts';
import { hasOpenOrder } from '../../firmware/protocol/step.ts';
import { withPatched } from '../mutate.ts';
import { atOnce, hex, later, MemoryLedger, Neighbours, type Options } from './protocol-driver.ts';

const R = 1000; // the first round that is decided
const [SEAL_VIEW, SCHEDULE_VIEW] = [firstView(R, 'SEAL'), firstView(R, 'SCHEDULE')];
const STORY = [
  'order-placed',
  'proposed',
  'sealed',
  'committed',
  'terminated',
  'refused-choice',
  'view-skipped',
] as const;

/** A play in which cp1 wants 7 kW and cp2 11 kW in round 1000. */
function twoBuyers(options: Options = {}): Neighbours {
  const play = new Neighbours(options).until(30);
  play.buy(0, 7000);
  play.buy(1, 11_000);
  return play;
}
const leader = (play: Neighbours, view: number): number => leaderOf(play.registry, view);
const isBlock = (message: Unsigned, kind: Block['kind']): message is Unsigned<Block> =>
  message.body.type === 'PROPOSE' && message.body.kind === kind;
const scheduled = (play: Neighbours, index: number): string[] =>
  play.player(index).plans.map(({ round, direction, power }) => `${round} ${direction} ${power} W`);
/** Removes a protection: whatever a node tries to keep in this field is lost at once. */
function forget(play: Neighbours, field: 'heldAtOrders' | 'heldAtLock'): void {
  for (const { runtime } of play.players)
    Object.defineProperty(runtime.state, field, { get: () => null, set: () => undefined });
}
const refused = (play: Neighbours, code: 'refused-choice' | 'refused-header' | 'refused-block'): string[] =>
  play.notes.filter(({ note }) => note.code === code).map(({ node, note }) => `${node}: ${note.text}`);

test('a round: orders, SEAL, headers, SCHEDULE, FINAL, plan', () => {
  const play = twoBuyers().until(300);
  expect(play.transcript(STORY)).toBe(
    `
0:30 cp1 order-placed: buy 7000 W for round 1000, may wait 2
0:30 cp2 order-placed: buy 11000 W for round 1000, may wait 2
1:34 cp1 proposed: SEAL in view 21000
1:34 cp1 sealed: round 1000 is sealed with 7 statements
1:34 cp2 sealed: round 1000 is sealed with 7 statements
1:34 cp3 sealed: round 1000 is sealed with 7 statements
1:34 cp4 sealed: round 1000 is sealed with 7 statements
1:34 head sealed: round 1000 is sealed with 7 statements
3:16 cp3 proposed: SCHEDULE in view 21010
3:16 cp1 committed: block 2 schedules round 1000: author cp2, lambda 46325703869
3:16 cp3 committed: block 2 schedules round 1000: author cp2, lambda 46325703869
3:16 cp2 committed: block 2 schedules round 1000: author cp2, lambda 46325703869
3:16 cp4 committed: block 2 schedules round 1000: author cp2, lambda 46325703869
3:16 head committed: block 2 schedules round 1000: author cp2, lambda 46325703869`.trim(),
  );
  expect(scheduled(play, 0)).toEqual(['1000 charge 7000 W']);
  expect(scheduled(play, 1)).toEqual(['1000 charge 11000 W']);
  expect(scheduled(play, 2)).toEqual(['1000 idle 0 W']);
  const { start, end } = play.player(0).plans[0];
  expect([start, end]).toEqual([R * 300_000, (R + 1) * 300_000]);
  for (const { runtime } of play.players) expect([...runtime.refusals]).toEqual([]);
});

test('rule 6: the rest of a decision is skipped by one vote, when those for its block have been on their way for Δ', () => {
  const play = twoBuyers();
  const votes = (second: number): string[] =>
    play
      .until(second)
      .player(0)
      .said.flatMap(({ view, body }) =>
        body.type === 'VOTE' && view >= SEAL_VIEW ? [`${body.kind} ${view}-${body.to}`] : [],
      );
  const seal = ['notarize 21000-21000', 'final 21000-21000'];
  expect(votes(95.9)).toEqual(seal);
  expect(votes(96)).toEqual([...seal, 'skip 21001-21009']);
  const schedule = ['notarize 21010-21010', 'final 21010-21010'];
  expect(votes(197.9)).toEqual([...seal, 'skip 21001-21009', ...schedule]);
  expect(votes(300)).toEqual([...seal, 'skip 21001-21009', ...schedule, 'skip 21011-21020']);
});

test('rule 6: so does one whom the SKIPs of the others have carried on before its Δ is over', () => {
  const play = twoBuyers({
    delay_ms: ({ view, body }, to) => (body.type === 'VOTE' && view === SEAL_VIEW && to === 0 ? 1050 : 50),
  });
  play.until(96.9);
  expect(play.state(0).view).toBe(SEAL_VIEW + 10);
  const skips = () => play.player(0).said.filter(({ body }) => body.type === 'VOTE' && body.kind === 'skip');
  const ofSeal = () => skips().filter(({ view }) => view > SEAL_VIEW);
  expect(ofSeal()).toEqual([]);
  play.until(99);
  expect(ofSeal().map(({ view, body }) => [view, body.type === 'VOTE' && body.to])).toEqual([
    [SEAL_VIEW + 1, SEAL_VIEW + 9],
  ]);
});

test('a leader that stays silent costs one view of 6 s', () => {
  const play = twoBuyers({
    lie: (message, { registry }) =>
      isBlock(message, 'SEAL') && message.sender === leaderOf(registry, SEAL_VIEW) ? null : message,
  }).until(300);
  const next = play.registry.neighbourhood.nodes[leader(play, SEAL_VIEW + 1)].name;
  const lines = play.transcript(STORY).split('\n');
  expect(lines).toContain(`1:40 cp1 view-skipped: view 21000 of node ${leader(play, SEAL_VIEW)} timed out`);
  expect(lines).toContain(`1:40 ${next} proposed: SEAL in view 21001`);
  expect(lines.filter((line) => line.includes('committed'))).toHaveLength(5);
});

test('with one of four silent the others go on, round after round, and it catches up when it is back', () => {
  const play = new Neighbours();
  play.kill(2);
  play.rounds(4);
  for (const index of [0, 1, 3]) expect(scheduled(play, index)).toHaveLength(4);
  const height = play.state(0).finalNode.state.height;
  play.restart(2);
  play.rounds(1);
  expect(play.state(2).finalNode.state.height).toBe(height + 2);
  expect(play.state(2).finalNode.state.tip).toBe(play.state(0).finalNode.state.tip);
  expect(scheduled(play, 2)).toEqual(['1004 idle 0 W']); // what was decided without it is history to it, not a plan
});

test('with two of four silent nothing is final, and nobody gets a plan', () => {
  const play = twoBuyers();
  play.kill(2);
  play.kill(3);
  play.rounds(2);
  expect(play.players.map(({ plans }) => plans.length)).toEqual([0, 0, 0, 0, 0]);
  expect(play.transcript(['terminated'])).toContain('4:22 cp1 terminated: round 1000 is terminated');
});

/** The leader of the first view leaves an order out of its SEAL. */
const omits: Options['lie'] = (message, { registry }) => {
  if (!isBlock(message, 'SEAL') || message.sender !== leaderOf(registry, SEAL_VIEW)) return message;
  return { ...message, body: { ...message.body, carried: message.body.carried.slice(1) } };
};

test('predicate R: a SEAL that leaves out an order which I held in time gets no vote of mine', () => {
  const play = twoBuyers({ lie: omits }).until(300);
  expect(refused(play, 'refused-choice')).toContain(
    'cp3: SEAL of view 21000 leaves out 1 better or earlier statements',
  );
  expect(scheduled(play, 0)).toEqual(['1000 charge 7000 W']);
  expect(scheduled(play, 1)).toEqual(['1000 charge 11000 W']);
});

test('mutant: without R the omitted order is really lost', () => {
  const play = twoBuyers({ lie: omits });
  forget(play, 'heldAtOrders');
  play.until(300);
  expect(refused(play, 'refused-choice')).toEqual([]);
  const powers = [...scheduled(play, 0), ...scheduled(play, 1)];
  expect(powers.filter((line) => line.includes('charge'))).toHaveLength(1);
});

const byBenefit = (instance: Instance): PlanAhead[] =>
  [atOnce(instance), later(instance)].sort((a, b) =>
    evaluate(instance, a).pfInt < evaluate(instance, b).pfInt ? -1 : 1,
  );
const best = (instance: Instance): PlanAhead => byBenefit(instance)[0];

/** The state on whose SEAL the node's round stands. */
function sealed(state: ProtocolState): ProtocolState['finalNode']['state'] {
  const node = [...state.nodes.values()].find((other) => other.state.sealRound === R && other.state.instance !== null);
  return node!.state;
}

/** The leader of the first SCHEDULE view proposes a poor plan, its own or another author's, honestly computed. */
const proposesWorse =
  (author?: number): Options['lie'] =>
  (message, play) => {
    if (!isBlock(message, 'SCHEDULE') || message.view !== SCHEDULE_VIEW) return message;
    const { instance, seal } = sealed(play.state(message.sender));
    const worst = byBenefit(instance!)[1];
    const body = headerOf(seal, worst, evaluate(instance!, worst));
    const header = play.sign<Header>({ epoch: 0, round: R, view: 0, sender: author ?? message.sender, body });
    return { ...message, body: { ...message.body, carried: [header] } };
  };

test('predicate R: a SCHEDULE worse than the header which I held at T_lock gets no vote of mine', () => {
  const play = twoBuyers({ solve: best, lie: proposesWorse() }).until(300);
  expect(refused(play, 'refused-choice')).toContain(
    'cp1: SCHEDULE of view 21010 leaves out 1 better or earlier statements',
  );
  expect(play.transcript(['committed'])).toContain('3:22 cp1 committed');
});

test('a header and another one of its author, which only a SCHEDULE carries, convict their author before everybody', () => {
  const author = 1; // it wins the tie, so its header is the only one that is sent
  const play = twoBuyers({ solve: best, lie: proposesWorse(author) }).until(300);
  const proofs = [0, 2, 3, 4].map((index) => play.state(index).evidence.get(author)?.body);
  const header = { sender: author, body: { type: 'HEADER' } };
  expect(proofs).toMatchObject(proofs.map(() => ({ first: header, second: header })));
});

test('mutant: without R the worse schedule is committed', () => {
  const honest = twoBuyers({ solve: best }).until(300);
  const play = twoBuyers({ solve: best, lie: proposesWorse() });
  forget(play, 'heldAtLock');
  play.until(300);
  const lambdaOf = ({ players }: Neighbours): number =>
    (players[0].finals[1].block.body.carried[0].body as Header).lambda;
  expect(play.transcript(['committed'])).toContain('3:16 cp1 committed');
  expect(lambdaOf(play)).toBeLessThan(lambdaOf(honest));
});

test('a wrong lambda, or any other wrong figure, is refused by all, wherever it appears', () => {
  const lies: Partial<Header>[] = [{ lambda: 2 ** 48 }, { pfInt: 0n }, { net_W: 0 }, { operations: 0 }];
  for (const lie of lies) {
    const play = twoBuyers({
      lie: (message) =>
        message.body.type === 'HEADER' ? ({ ...message, body: { ...message.body, ...lie } } as Unsigned) : message,
    }).until(300);
    // Everyone's header lies on the wire, so everyone refuses everyone's. A leader knows its own true one, and proposes it.
    expect(refused(play, 'refused-header').some((text) => text.includes('wrong-benefit'))).toBe(true);
    for (const { block } of play.player(0).finals)
      if (block.body.kind === 'SCHEDULE') expect(block.body.carried[0].body).not.toMatchObject(lie);
  }
});

test('a header that is not what it says convicts its author, before everybody who has its SEAL', () => {
  const liar = 1; // it wins the tie, so nobody else would speak
  const lie: Options['lie'] = (message) =>
    message.body.type === 'HEADER' && message.sender === liar
      ? ({ ...message, body: { ...message.body, lambda: message.body.lambda + 1 } } as Unsigned)
      : message;
  const play = twoBuyers({ lie }).until(300);
  const honest = [0, 2, 3, 4];
  const convicted = (index: number): number[] => [...play.state(index).evidence.keys()];
  expect(honest.map(convicted)).toEqual(honest.map(() => [liar]));
  const proof = play.state(0).evidence.get(liar)!.body;
  expect(proof).toMatchObject({ first: { sender: liar, body: { type: 'HEADER' } }, second: null });

  const stranger = makeState(play.registry, 0, sha256);
  expect(verdictOf(stranger, proof)).toBeNull(); // it lacks the SEAL, so it convicts nobody
  const truth = play.player(0).finals[1].block.body.carried[0];
  expect(verdictOf(play.state(0), { first: truth, second: null })).toBeNull();

  play.rounds(5); // the SEAL is forgotten, the proof is not
  expect(verdictOf(play.state(0), proof)).toBeNull();
  play.restart(0);
  expect(convicted(0)).toEqual([liar]);
});

test('mutant: an audit that only looks at the plan lets each of these lies pass', () => {
  const play = twoBuyers().until(300);
  const chain = play.player(0).finals[0].state;
  const header = play.player(0).finals[1].block.body.carried[0] as Signed<Header>;
  const lazy = (told: Signed<Header>): boolean => told.body.seal === chain.seal;
  for (const lie of [
    { lambda: header.body.lambda + 1 },
    { pfInt: header.body.pfInt + 1n },
    { net_W: 1 },
    { operations: 9 },
  ]) {
    const told = play.sign<Header>({ ...header, body: { ...header.body, ...lie } });
    expect(lazy(told)).toBe(true);
    expect(auditHeader(chain, told, sha256)).toMatchObject({ code: 'wrong-benefit' });
  }
  expect(auditHeader(chain, header, sha256)).toHaveProperty('benefit');
});

/** Everything signed that must not be contradicted was durable before it left. Returns what was not. */
function sentTooEarly(play: Neighbours): number {
  const durable = new Set<string>();
  let early = 0;
  const answers = new Set(
    play.players.flatMap(({ said }) =>
      said.filter(({ body }) => body.type.startsWith('SYNC')).map(({ payload }) => hex(payload)),
    ),
  );
  for (const { node, what, payload } of play.journal) {
    if (what === 'durable') durable.add(`${node}/${payload}`);
    else if (!durable.has(`${node}/${payload}`) && !answers.has(payload)) early += 1;
  }
  return early;
}

/** Relayed messages of others are durable at their makers: only own words count. */
const own = (play: Neighbours): Neighbours => {
  const makers = new Map(
    play.players.flatMap(({ index, said }) =>
      said.filter(({ sender }) => sender === index).map((m) => [hex(m.payload), index]),
    ),
  );
  const journal = play.journal.filter(({ node, payload, what }) => what === 'durable' || makers.get(payload) === node);
  return Object.assign(Object.create(play) as Neighbours, { journal });
};

test('every vote, order, header, proposal and statement is durable before it is sent', () => {
  const play = twoBuyers().rounds(2);
  expect(play.journal.filter(({ what }) => what === 'sent').length).toBeGreaterThan(50);
  expect(sentTooEarly(own(play))).toBe(0);
});

test('mutant: a ledger that writes a moment later is noticed', () => {
  class LateLedger extends MemoryLedger {
    override append(entries: readonly LedgerEntry[]): void {
      play.clock.after(1, () => super.append(entries));
    }
  }
  const play = new Neighbours();
  play.restart(0, new LateLedger());
  play.rounds(1);
  expect(sentTooEarly(own(play))).toBeGreaterThan(0);
});

/** What an honest node never signs: two NOTARIZE or PROPOSE of one view, or FINAL and SKIP of the same. */
function contradictions(said: readonly Signed[]): string[] {
  const found: string[] = [];
  const votes = said.filter((message): message is Signed<Vote> => message.body.type === 'VOTE');
  for (const a of votes) {
    if (a.body.kind === 'skip') continue;
    for (const b of votes) {
      const twice = b.body.kind === a.body.kind && b.view === a.view && b.body.block !== a.body.block;
      const both = a.body.kind === 'final' && b.body.kind === 'skip' && b.view <= a.view && a.view <= b.body.to;
      if (twice || both) found.push(`${a.body.kind} and ${b.body.kind} in view ${a.view}`);
    }
  }
  const proposals = said.filter((message) => message.body.type === 'PROPOSE');
  for (const a of proposals)
    if (proposals.some((b) => b.view === a.view && b.id !== a.id)) found.push(`two proposals in view ${a.view}`);
  return found;
}

/**
 * In the second round nobody hears such messages, and from its second 104 on nobody hears anything, so that the round stays open
 * while a node dies and comes back.
 */
function deafRound(deafTo: readonly Signed['body']['type'][]): { play: Neighbours; view: number } {
  const lost: Options['lost'] = ({ body, round, sender }, to, play) =>
    sender !== to && (play.clock.time > (R * 300 + 104) * 1000 || (round === R + 1 && deafTo.includes(body.type)));
  const play = new Neighbours({ lost }).rounds(1).until(30);
  play.buy(0, 7000);
  play.buy(1, 11_000);
  return { play: play.until(94.4), view: firstView(R + 1, 'SEAL') };
}

/**
 * A node votes for a SEAL, dies before anyone hears it, comes back with this ledger, and meets a second SEAL of that view; what it
 * has contradicted until that second.
 */
function diesAfterVoting(ledgerAfter: (before: MemoryLedger) => MemoryLedger, second = 104): string[] {
  const { play, view } = deafRound(['VOTE']);
  const first = play
    .player(leader(play, view))
    .said.find((m) => m.view === view && isBlock(m, 'SEAL')) as Signed<Block>;
  const victim = [2, 3].find((index) => index !== first.sender) as number; // one that has placed no order
  expect(play.player(victim).said.some(({ body }) => body.type === 'VOTE' && body.block === first.id)).toBe(true);
  play.restart(victim, ledgerAfter(play.player(victim).ledger));
  const carried = first.body.carried.filter((m) => m.sender !== 1);
  const rival = play.sign<Block>({ ...first, body: { ...first.body, carried } });
  play.hear(victim, 'p2pebt/1/street/PROPOSE/cp2', toWire(rival));
  play.until(second);
  expect(play.state(victim).view).toBe(view);
  return contradictions(play.player(victim).said);
}

test('a restart never votes twice', () => {
  expect(diesAfterVoting((ledger) => ledger)).toEqual([]);
});

test('mutant: without its votes it does', () => {
  const forgetful = (before: MemoryLedger): MemoryLedger =>
    Object.assign(new MemoryLedger(), { blocks: before.blocks, statements: before.statements });
  expect(diesAfterVoting(forgetful)).toEqual(
    expect.arrayContaining([`notarize and notarize in view ${firstView(R + 1, 'SEAL')}`]),
  );
});

test('a node that knows that votes are missing abstains from this round, and from it for ever', () => {
  const lost = (before: MemoryLedger): MemoryLedger =>
    Object.assign(new MemoryLedger(), { blocks: before.blocks, statements: before.statements, whole: false });
  expect(diesAfterVoting(lost)).toEqual([]);
  const twice = (before: MemoryLedger): MemoryLedger => {
    const first = lost(before);
    first.facts.set('memory-from', String(R + 2)); // what the first start with it remembers
    return Object.assign(first, { whole: true }); // nothing was voted since, so that the counts agree again
  };
  expect(diesAfterVoting(twice)).toEqual([]);
});

test('it votes in the round after that again, but in no view of the old one, even if that is still open (rule 7)', () => {
  const lost = (before: MemoryLedger): MemoryLedger =>
    Object.assign(new MemoryLedger(), { blocks: before.blocks, statements: before.statements, whole: false });
  expect(diesAfterVoting(lost, 300 + 30)).toEqual([]);
});

/**
 * From a second of a round on, the leader of its SEAL is heard by nobody, and its clock is perhaps ahead. A little later its disk is lost;
 * when it starts again its clock is perhaps behind, and is set right 5 s later. What it then says against what it had said.
 */
function losesDiskAndTime(
  [ahead_s, behind_s, from_s, to_s]: readonly [number, number, number, number],
  Street = Neighbours,
): string[] {
  let [skew_s, isCutOff] = [0, false];
  const view = firstView(R + 3, 'SEAL');
  const author = leader(new Street(), view);
  const [dead] = [0, 1, 2, 3].filter((node) => node !== author);
  const play = new Street({
    skew_ms: (node) => (node === author ? skew_s * 1000 : 0),
    lost: ({ sender }, to) => isCutOff && sender === author && to !== author,
  });
  play.rounds(3).until(60);
  if (ahead_s === 0) play.kill(dead); // else the street would wait for this node's SKIPs
  play.until(80).buy(author, 7000);
  play.until(from_s);
  [skew_s, isCutOff] = [ahead_s, true];
  play.until(to_s).kill(author);
  [skew_s, isCutOff] = [-behind_s, false];
  play.restart(author, empty(false));
  play.until(to_s + 5);
  skew_s = 0;
  play.rounds(4);
  return contradictions(play.player(author).said);
}
const WRONG_CLOCKS = [
  [0, 150, 93, 96],
  [0, 590, 93, 96],
  [350, 0, 200, 294],
  [590, 0, 200, 294],
  [590, 590, 200, 294],
] as const;

test.each(WRONG_CLOCKS)(
  'a lost disk and a clock that was %d s ahead, and then %d s behind: nothing is said twice',
  (...clock) => {
    expect(losesDiskAndTime(clock)).toEqual([]);
  },
);

test('mutant: who takes its clock for right says another thing', async () => {
  const patch = { file: 'firmware/protocol/state.ts', find: 'next + 2 * CLOCK_LEAP_ROUNDS', replace: 'next' };
  const source = { folders: ['firmware', 'hal', 'test/unit'], entry: 'test/unit/protocol-driver.ts', patches: [patch] };
  const said = await withPatched('right clock', source, (driver: { Neighbours: typeof Neighbours }) =>
    WRONG_CLOCKS.map((clock) => losesDiskAndTime(clock, driver.Neighbours).length > 0),
  );
  expect(said).toEqual([true, true, true, true, true]);
});

/** The leader proposes, dies, and comes back without the orders of the others, which would make another SEAL. */
function diesAfterProposing(ledgerAfter: (before: MemoryLedger) => MemoryLedger): string[] {
  const { play, view } = deafRound(['VOTE', 'PROPOSE']);
  const index = leader(play, view);
  const site = play.player(4).said.find(({ body, round }) => body.type === 'SITE' && round === R + 1);
  play.restart(index, ledgerAfter(play.player(index).ledger));
  play.hear(index, 'p2pebt/1/street/SITE/head', toWire(site!));
  play.until(104);
  expect(play.state(index).view).toBe(view);
  return contradictions(play.player(index).said);
}

test('a restart never proposes twice in a view', () => {
  expect(diesAfterProposing((ledger) => ledger)).toEqual([]);
});

test('mutant: without its statements and votes it does', () => {
  const forgetful = (before: MemoryLedger): MemoryLedger =>
    Object.assign(new MemoryLedger(), { blocks: before.blocks });
  expect(diesAfterProposing(forgetful)).toContain(`two proposals in view ${firstView(R + 1, 'SEAL')}`);
});

/** What two nodes that say the same thing twice are convicted of, as each of all five believes. */
const convicted = (play: Neighbours): (string | null)[] =>
  play.players.map(({ index }) => {
    const [proof] = play.state(index).evidence.values();
    return proof ? offenceOf(proof.body.first, proof.body.second) : null;
  });
const ALL = [0, 1, 2, 3, 4];
const empty = (whole: boolean): MemoryLedger => Object.assign(new MemoryLedger(), { whole });

/** Nodes that lose their ledgers, and what they have said, with the chance to say something else in its place. */
const SAID_BEFORE = {
  /** The author of a header, whose solver finds a better plan when it starts again. */
  'two headers in one round': (ledger: MemoryLedger): Neighbours => {
    let solve = later;
    const play = twoBuyers({ solve: (instance) => solve(instance) }).until(160);
    const author = play.players.find(({ said }) => said.some(({ body }) => body.type === 'HEADER'))!.index;
    solve = atOnce;
    play.restart(author, ledger);
    return play.until(250);
  },
  /** A charge point that reads its meter anew. */
  'two meter statements for one round': (ledger: MemoryLedger): Neighbours => {
    const play = new Neighbours().until(30);
    play.restart(0, ledger);
    const [imported_Wh, exported_Wh] = [50_001, 900];
    const before = { importedBefore_Wh: imported_Wh, exportedBefore_Wh: exported_Wh };
    const statement = { ...before, imported_Wh, exported_Wh, mode: 'fallback' } as const;
    play.player(0).runtime.feed({ kind: 'metered', round: R - 2, statement });
    return play.until(80);
  },
  'two site readings for one round': (ledger: MemoryLedger): Neighbours => {
    const play = new Neighbours().until(30);
    play.restart(4, ledger);
    const reading = { takenAt_ms: 1, imported_Wh: 1_000_001, exported_Wh: 0, power_W: 60_000 };
    play.player(4).runtime.feed({ kind: 'site', reading });
    return play.until(80);
  },
};
const STATEMENTS = Object.keys(SAID_BEFORE) as (keyof typeof SAID_BEFORE)[];

test.each(STATEMENTS)('who knows that it may have said it before does not say it again: %s', (offence) => {
  const play = SAID_BEFORE[offence](empty(false));
  expect(convicted(play)).toEqual(ALL.map(() => null));
  play.rounds(6);
  expect(scheduled(play, 2)).toContain(`${R + 1} idle 0 W`);
  for (const { index, said } of play.players) {
    const type = index === 4 ? 'SITE' : 'METER';
    const first = index === 4 ? R + 1 : R + 3; // those of the rounds which a wrong clock may have held for that in which it came back are left out
    expect(said.some(({ body, round }) => body.type === type && round === first)).toBe(true);
  }
});

test.each(STATEMENTS)('mutant: who does not know it says it again: %s', (offence) => {
  const play = SAID_BEFORE[offence](empty(true));
  const culprit = offence.includes('site') ? 4 : offence.includes('meter') ? 0 : null;
  const others = convicted(play).filter((_, index) => index !== culprit);
  expect(others.filter((proved) => proved === offence).length).toBeGreaterThanOrEqual(4);
});

test('no energy is lost with the METER that is not said', () => {
  const play = twoBuyers().rounds(2); // cp1 charges in round 1000, which is over with this
  play.until(30);
  play.restart(0, empty(false));
  play.rounds(8);
  const rows = play.player(2).finals.flatMap(({ block, state }) => (isBlock(block, 'SEAL') ? state.settled : []));
  const metered_J = rows.filter(({ node }) => node === 0).reduce((sum, row) => sum + row.metered_J, 0);
  const { imported_Wh } = play.state(2).finalNode.state.registers[0]!;
  expect(metered_J).toBe((imported_Wh - 50_000) * 3600);
  expect(imported_Wh).toBeGreaterThan(50_000);
});

test.each([
  ['in a SEAL that is not final yet', (body: Body) => body.type === 'VOTE' && body.kind === 'final', true],
  ['nowhere, since without a reading nobody proposes a SEAL', (body: Body) => body.type === 'SITE', false],
] as const)('an order is open as long as it may be served: %s', (_where, isLost, isOpen) => {
  const play = new Neighbours({ lost: ({ body, sender }, to) => isLost(body) && to !== sender }).until(30);
  play.buy(0, 7000);
  play.until(80);
  expect(hasOpenOrder(play.state(0))).toBe(true);
  play.until(330);
  expect(hasOpenOrder(play.state(0))).toBe(isOpen);
});

/** A charge point whose ledger is lost wishes for energy, cut off from the others and then not; the rounds it ordered for. */
function ordersAfterLoss(ledger: MemoryLedger): number[] {
  let isCutOff = false;
  const play = new Neighbours({ lost: (_, to) => isCutOff && to === 0 }).until(30);
  isCutOff = true;
  play.restart(0, ledger);
  for (const cutOff of [true, false, false]) {
    play.rounds(2).until(30);
    isCutOff = cutOff;
    play.buy(0, 7000);
    play.until(80);
  }
  return play.player(0).said.flatMap(({ body, round }) => (body.type === 'ORDER' ? [round] : []));
}

test('who has lost its ledger places no order before it knows the chain again: one may be waiting there', () => {
  expect(ordersAfterLoss(empty(false))).toEqual([R + 6]);
});

test('mutant: who does not know that it has lost it may have two at a time', () => {
  expect(ordersAfterLoss(empty(true))[0]).toBeLessThan(R + 6);
});

/** P + sum of max(a, F) of each committed round, from the blocks alone. */
function imports_W(play: Neighbours): number[] {
  return play.player(0).finals.flatMap(({ block, state }) => {
    if (block.body.kind !== 'SCHEDULE') return [];
    const nodes = play.registry.neighbourhood.nodes.map(({ safeShare_W }, node) => {
      const own_W = state.allocations.filter((a) => a.round === block.round && a.node === node);
      return Math.max(
        safeShare_W,
        own_W.reduce((sum, { allocated_W }) => sum + allocated_W, 0),
      );
    });
    return [60_000 + nodes.reduce((sum, power) => sum + power, 0)];
  });
}

const NARROW = { capacity_W: 80_000 };

test('never over capacity: three orders of 11 kW share a limit that admits one, and no one waits for ever', () => {
  const play = new Neighbours({ changes: NARROW }).until(30);
  for (const index of [0, 1, 2]) play.buy(index, 11_000);
  play.rounds(4);
  const charging = [0, 1, 2].flatMap((index) => scheduled(play, index)).filter((line) => line.includes('charge'));
  expect(charging.sort()).toEqual(['1000 charge 11000 W', '1001 charge 11000 W', '1002 charge 11000 W']);
  expect(Math.max(...imports_W(play))).toBeLessThanOrEqual(80_000);
});

test('never over the export limit: three who sell 11 kW share one that lets one feed in, and no one waits for ever', () => {
  // What the vehicles do is metered by then: until it is, some may draw their safe share and make the households look larger.
  const play = new Neighbours({ changes: { exportLimit_W: 12_000 }, load_W: () => 1200 }).rounds(3).until(30);
  for (const index of [0, 1, 2]) play.wish(index, { side: 'sell', power_W: 11_000 });
  play.rounds(7);
  const feeding = [0, 1, 2].flatMap((index) => scheduled(play, index)).filter((line) => line.includes('discharge'));
  expect(feeding.sort()).toEqual(['1003 discharge 10230 W', '1004 discharge 10230 W', '1005 discharge 10230 W']);
});

test('who is held back for safety comes first in the next round, and the chronicle says what of whom was held back', () => {
  const play = new Neighbours({ changes: NARROW }).until(30);
  for (const index of [0, 1, 2]) play.buy(index, 11_000, { maxWait_rounds: 0 }); // the limit admits one a round
  play.rounds(4);
  const chronicle = emptyChronicle();
  for (const final of play.player(0).finals) record(chronicle, final);
  const held = chronicle.blocks.filter(({ kind }) => kind === 'SCHEDULE').map(({ heldBack }) => heldBack);
  expect(held.map((rows) => rows.map(({ power_W }) => power_W))).toEqual([[11_000, 11_000], [11_000], [], []]);
  expect(new Set(held.flat().map(({ why }) => why))).toEqual(new Set(['capacity']));
  expect(chronicle.orders.get(held[1][0].order)?.order.sender).toBe(held[1][0].node);
  const [first, second] = held.map((rows) => rows.map(({ node }) => node));
  expect(first).toContain(second[0]); // held back twice

  // What the SEALs say of that order is what the next curtailment goes by.
  const counted = play
    .player(0)
    .finals.filter(({ block }) => isBlock(block, 'SEAL'))
    .map(({ state }) => state.instance!.pending.find(({ node }) => node === second[0])?.curtailed_rounds);
  expect(counted).toEqual([0, 1, 2, undefined]);
});

test('a header that breaks the limit is refused; mutant: the same orders under a wide limit pass it', () => {
  const greedy = (instance: Instance): PlanAhead => ({ ...atOnce(instance), orders: instance.pending.map(() => 0) });
  for (const [changes, passes] of [
    [NARROW, false],
    [{}, true],
  ] as const) {
    const play = new Neighbours({ changes, solve: greedy }).until(30);
    for (const index of [0, 1, 2]) play.buy(index, 11_000);
    play.rounds(1);
    expect(play.transcript(['committed']) !== '').toBe(passes);
    expect(refused(play, 'refused-header').some((text) => text.includes('infeasible, capacity'))).toBe(!passes);
    if (passes) expect(Math.max(...imports_W(play))).toBeGreaterThan(80_000);
  }
});

test('an order runs after two rounds at the latest, whatever the candidates would like', () => {
  const play = twoBuyers({ solve: later }).rounds(4);
  expect(scheduled(play, 0).filter((line) => line.includes('charge'))).toEqual(['1002 charge 7000 W']);
  const chain = play.player(0).finals.find(({ block }) => isBlock(block, 'SEAL') && block.round === R + 2)!.state;
  const never = { ...later(chain.instance!), orders: chain.instance!.pending.map(() => 1) };
  const body = headerOf(chain.seal, never, evaluate(chain.instance!, never));
  const header = play.sign<Header>({ epoch: 0, round: R + 2, view: 0, sender: 0, body });
  expect(auditHeader(chain, header, sha256)).toMatchObject({ code: 'infeasible', detail: /^must-run/ });
});

test('waiting counts sealed rounds: a round without a SCHEDULE ages an order, a round without a SEAL does not', () => {
  const ages = (kinds: Readonly<Record<number, Block['kind']>>): number[] => {
    const play = twoBuyers({
      solve: later,
      lost: (message) => message.body.type === 'PROPOSE' && kinds[message.round] === message.body.kind,
    }).rounds(4);
    const seals = play.player(0).finals.filter(({ block }) => isBlock(block, 'SEAL'));
    return seals.map(({ state }) => state.pending.find(({ order }) => order.sender === 0)?.age ?? -1);
  };
  expect(ages({})).toEqual([0, 1, 2, -1]);
  expect(ages({ [R + 1]: 'SCHEDULE' })).toEqual([0, 1, 2, -1]);
  expect(ages({ [R + 1]: 'SEAL' })).toEqual([0, 1, 2]); // rounds 1000, 1002, 1003
});

test('a schedule that is final after T_act is history, not a plan', () => {
  const late = (message: Signed): boolean =>
    message.body.type === 'VOTE' && message.body.kind === 'final' && kindOfView(message.view) === 'SCHEDULE';
  const play = twoBuyers({ delay_ms: (message) => (late(message) && message.round === R ? 80_000 : 50) }).until(300);
  expect(
    play
      .transcript(['terminated', 'committed-late'])
      .split('\n')
      .filter((line) => line.includes('cp1')),
  ).toEqual([
    '4:22 cp1 terminated: round 1000 is terminated: no schedule was agreed in time',
    expect.stringMatching(/^4:36 cp1 committed-late: block 2 schedules round 1000: .*, too late to act on$/),
  ]);
  expect(play.players.map(({ plans }) => plans.length)).toEqual([0, 0, 0, 0, 0]);
  play.rounds(1);
  expect(scheduled(play, 0)).toEqual(['1001 idle 0 W']);
});

test('an outage of the bus longer than any memory of votes ends within a round of its end', () => {
  const rounds = 70; // more than the 64 ranges that are kept of one voter
  const down = (play: Neighbours): boolean => play.deciding > R && play.deciding <= R + rounds;
  const play = new Neighbours({
    changes: { roundTime_s: 60 },
    lost: (message, to, of) => to !== message.sender && down(of),
  });
  play.rounds(1 + rounds);
  expect(play.state(0).finalNode.state.scheduleRound).toBe(R);
  play.rounds(2);
  expect(play.state(0).finalNode.state.scheduleRound).toBe(R + rounds + 2);
  for (const { said } of play.players) expect(contradictions(said)).toEqual([]);
});

test.each([
  { since: 2, what: 'silent for three rounds is bridged, and no longer', served: [0, 1, 2, 3, 4, 7, 8] },
  { since: 1, what: 'is not bridged before two readings have metered a load', served: [0, 6, 7, 8] },
])('the head meter $what; no round is sealed until it speaks again', ({ since, served }) => {
  const lost: Options['lost'] = ({ body, round }) =>
    body.type === 'SITE' && round >= R + since && round < R + since + 5;
  const play = new Neighbours({ lost }).rounds(9);
  expect(play.player(0).plans.map(({ round }) => round - R)).toEqual(served);
});

test('where the load is taken to lie spans the forecast and the last load seen, without a reading a margin more for each round', () => {
  const lost: Options['lost'] = ({ body, round }) => body.type === 'SITE' && round > R + 1 && round <= R + 4;
  // The load stays at 60 kW; of the rounds that it does not know yet the profile says that it falls to 20 kW.
  const loadProfile_W = Array.from({ length: 288 }, (_, slot) => (slot < R % 288 ? 60_000 : 20_000));
  const play = new Neighbours({ lost, changes: { margin_W: 5000, loadProfile_W } }).rounds(6);
  const posed = play.player(0).finals.flatMap(({ state: { instance } }) => (instance === null ? [] : [instance]));
  const between = posed.map(({ round, load_W, loadBetween_W: { least_W, most_W } }) => [
    round - R,
    load_W[0],
    least_W,
    most_W,
  ]);
  expect(between).toEqual([
    [0, 20_000, 20_000 - 5000, 60_000 + 5000], // nothing is metered; what the head meter shows may be four safe shares more
    [1, 60_000, 60_000 - 2 * 5000, 60_000 + 5000], // less by what it may have moved since it was metered
    [2, 20_000, 20_000 - 5000, 60_000 + 3 * 5000],
    [3, 20_000, 20_000 - 5000, 60_000 + 4 * 5000],
    [4, 20_000, 20_000 - 5000, 60_000 + 5 * 5000],
    [5, 60_000, 60_000 - 4 * 1380 - 5000, 60_000 + 5000],
  ]);
});

test('a head meter that was exchanged starts anew: its registers went back, and trading goes on', () => {
  const play = new Neighbours().rounds(2);
  play.head_Wh = -900_000;
  play.rounds(3);
  expect(play.player(0).plans.map(({ round }) => round)).toEqual([R, R + 1, R + 2, R + 3, R + 4]);
  const known = play.state(0).finalNode.state.rounds.filter(({ theta_W }) => theta_W !== undefined);
  expect(known.map(({ theta_W }) => theta_W)).toEqual(known.map(() => 60_000));
});

/** The rounds of a charge point's meter statements that the chain of the head meter carries. */
const metered = (play: Neighbours, who: number): number[] =>
  play
    .player(play.registry.headMeter)
    .finals.flatMap(({ block }) => block.body.carried)
    .filter(({ sender, body }) => sender === who && body.type === 'METER')
    .map(({ round }) => round);

test.each([0, 1, 2, 3])(
  'a meter statement of node %i that reached nobody is said again until the chain carries it',
  (who) => {
    const away = (play: Neighbours): boolean => play.deciding === R + 2;
    const play = new Neighbours({
      lost: ({ body, sender }, to, of) => body.type === 'METER' && sender === who && to !== who && away(of),
    });
    play.rounds(5);
    expect(metered(play, who)).toEqual([R - 2, R - 1, R, R + 1, R + 2]);
  },
);

test('so is one that was said just before its node died, when it is back', () => {
  const away = (play: Neighbours): boolean => play.deciding === R + 2;
  const play = new Neighbours({ lost: ({ body }, to, of) => body.type === 'METER' && to !== 0 && away(of) });
  play.rounds(2).until(10);
  play.restart(0);
  play.rounds(3);
  expect(metered(play, 0)).toEqual([R - 2, R - 1, R, R + 1, R + 2]);
});
