/**
 * The runtime among real doors and keys, with bus, ledger and clock in memory: its own echo is no news, what it owes is
 * carried out in order, pages of catch-up fit and end where they may, and what is refused is counted.
 */
import { expect, test } from 'vitest';
import { createVerify } from '../../firmware/adapters/ed25519.ts';
import { createGate } from '../../firmware/adapters/gate.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import type { Bus } from '../../firmware/ports.ts';
import { MESSAGE_MAX_BYTES } from '../../firmware/protocol/limits.ts';
import { type Signed, type SyncResponse, toWire } from '../../firmware/protocol/messages.ts';
import { createRuntime } from '../../firmware/runtime.ts';
import { type Patch, withPatched } from '../mutate.ts';
import * as driver from './protocol-driver.ts';
import { atOnce, LATENCY_ms, ManualClock, MemoryLedger, Neighbours, signerOf } from './protocol-driver.ts';

const R = 1000;
const TOPIC = 'p2pebt/1/street/ORDER/cp2';
const order = (play: Neighbours, sender: number, round: number): Signed =>
  play.sign({
    epoch: 0,
    round,
    view: 0,
    sender,
    body: {
      type: 'ORDER',
      ref: 9,
      connector: 0,
      side: 'buy',
      price: 0,
      power_W: 100,
      maxWait_rounds: 0,
      divisible: false,
      minimum_W: 100,
    },
  });

test('the echo of its own messages is no news and no refusal', () => {
  const play = new Neighbours().rounds(1);
  const [first] = play.player(0).said;
  const inputs = play.notes.length;
  play.hear(0, 'p2pebt/1/street/METER/cp1', toWire(first));
  expect(play.notes.length).toBe(inputs);
  expect(play.player(0).runtime.refusals.has('duplicate')).toBe(false);
  expect(play.notes.filter(({ note }) => note.code === 'evidence')).toEqual([]);
});

test('every kind of refusal is counted, repetitions too; the node goes on', () => {
  const play = new Neighbours().until(10);
  const good = order(play, 1, R);
  const forged = { ...order(play, 2, R), signature: good.signature };
  const wires = [
    Buffer.from('garbage'),
    new Uint8Array(MESSAGE_MAX_BYTES + 1),
    toWire(forged),
    toWire(forged),
    toWire(order(play, 1, R + 9)),
    toWire(good),
    toWire(good),
  ];
  for (const wire of wires) play.hear(0, TOPIC, wire);
  expect(Object.fromEntries(play.player(0).runtime.refusals)).toEqual({
    'not-a-message': 1,
    'over-size': 1,
    'bad-signature': 2,
    'other-round': 1,
    duplicate: 1,
  });
  expect(play.state(0).pool.orders.has(good.id)).toBe(true);
  play.rounds(1);
  expect(play.player(0).plans.map(({ round }) => round)).toEqual([R]);
});

test('what waits too long at a slow door is dropped and counted; the others are heard, and rounds go on', () => {
  const play = new Neighbours().until(10);
  const { gate, runtime } = play.player(0);
  const { admitting } = gate;
  gate.admitting = function* (wire, reader) {
    play.clock.time += 100; // ms a message
    return yield* admitting(wire, reader);
  };
  const junk = new Uint8Array(250 * 1024).fill(7);
  for (let i = 0; i < 10; i++) play.hear(0, TOPIC, junk);
  play.hear(0, 'p2pebt/1/street/ORDER/cp3', toWire(order(play, 2, R)));
  play.clock.advance(2_000);
  expect(Object.fromEntries(runtime.refusals)).toEqual({ 'not-a-message': 5, flooded: 5 });
  expect(runtime.state.pool.orders.size).toBe(1);
  gate.admitting = admitting;
  play.rounds(1);
  expect(play.player(0).plans.map(({ round }) => round)).toEqual([R]);
});

/** One node alone, with a bus that tells what it is given. */
function alone(ledger = new MemoryLedger()) {
  const play = new Neighbours(); // for its registry
  const events: string[] = [];
  let hear = (_topic: string, _wire: Uint8Array): void => undefined;
  let connection = (_connected: boolean): void => undefined;
  const bus: Bus = {
    connected: true,
    publish: (topic) => void events.push(`publish ${topic}`),
    onMessage: (listener) => {
      hear = listener;
    },
    onConnection: (listener) => {
      connection = listener;
    },
    close: async () => undefined,
  };
  ledger.tell = (entry) =>
    void events.push(`durable ${entry.kind === 'statement' ? entry.statement.kind : entry.kind}`);
  const clock = new ManualClock((R - 1) * 300_000);
  const { registry } = play;
  const gate = createGate(registry, sha256, createVerify());
  const runtime = createRuntime(
    { registry, self: 0, name: 'cp1', hash: sha256, clock, bus, ledger, signers: [signerOf(0)], gate, solve: atOnce },
    {},
  );
  return {
    runtime,
    clock,
    events,
    hear: (topic: string, wire: Uint8Array) => hear(topic, wire),
    connection: (up: boolean) => connection(up),
  };
}

test('what it owes, in order: durable first, then published under its own name', () => {
  const { runtime, clock, events } = alone();
  runtime.start();
  clock.advance(20_000);
  events.length = 0;
  const wish = { side: 'buy', price: 1, power_W: 100, maxWait_rounds: 0, divisible: false, minimum_W: 100 } as const;
  runtime.feed({ kind: 'wish', wish });
  expect(events).toEqual(['durable ORDER', 'publish p2pebt/1/street/ORDER/cp1']);
  runtime.feed({ kind: 'wish', wish });
  expect(events).toHaveLength(2); // one order a round
});

test('a ledger that cannot write stops everything: nothing is sent that is not durable', () => {
  const full = new MemoryLedger();
  full.append = () => {
    throw new Error('disk full');
  };
  const { runtime, events } = alone(full);
  const feed = (): void => runtime.feed({ kind: 'tick', now_ms: (R - 1) * 300_000 });
  expect(feed).toThrow('disk full'); // the first tick skips what lies before this round
  expect(events).toEqual([]);
});

test('a leap of the clock is believed when it has lasted a round, not before', () => {
  const { runtime, clock } = alone();
  runtime.start();
  clock.advance(20_000);
  const day_ms = 86_400_000;
  clock.leap_ms = day_ms; // a time server that is wrong for a minute
  clock.advance(60_000);
  expect(runtime.state.deciding).toBe(R);
  clock.leap_ms = 0;
  clock.advance(1_000);
  expect(runtime.state.now_ms).toBe((R - 1) * 300_000 + 81_000);
  clock.leap_ms = day_ms; // one that is right: this node was started with the time of yesterday
  clock.advance(299_000);
  expect(runtime.state.deciding).toBe(R);
  clock.advance(3_000);
  expect(runtime.state.deciding).toBe(R + 288 + 1);
});

test('once stopped it says nothing more', () => {
  const { runtime, clock, events } = alone();
  runtime.start();
  clock.advance(1000);
  runtime.stop();
  events.length = 0;
  clock.advance(900_000);
  expect(events).toEqual([]);
});

/** Four rounds of so many charge points, woken and fed as by their devices; then one starts again and has lost its ledger. */
function neighboursAgree({ Neighbours, MemoryLedger }: typeof driver, chargePoints: number) {
  const play = new Neighbours({ chargePoints });
  for (let round = 0; round < 4; round++) {
    for (const { runtime } of play.players) runtime.wake();
    play.buy(0, 5000);
    play.rounds(1);
  }
  const lost = new MemoryLedger();
  lost.whole = false;
  play.restart(0, lost);
  const { runtime, ledger } = play.players.at(-1) as driver.Player;
  const status = Buffer.from('{"alive":true}');
  play.hear(chargePoints, 'p2pebt/1/street/status/cp1', status);
  return {
    agrees: runtime.agrees,
    plans: play.players.some(({ plans }) => plans.length > 0),
    said: play.players.some(({ said }) => said.length > 0),
    notes: play.notes.length > 0,
    written: play.journal.length + ledger.statements.length + ledger.votes.length + lost.facts.size > 0,
    hears: runtime.peers.get('cp1'),
  };
}
const SILENT = { agrees: false, plans: false, said: false, notes: false, written: false, hears: true };

test('fewer than four say nothing, write nothing and get no plan; they still see who is there. Four agree', () => {
  for (const few of [1, 2, 3]) expect(neighboursAgree(driver, few)).toEqual(SILENT);
  const agreed = { agrees: true, plans: true, said: true, notes: true, written: true, hears: true };
  expect(neighboursAgree(driver, 4)).toEqual(agreed);
});

test.each<[string, Patch, object]>([
  [
    'three count as enough',
    { file: 'firmware/protocol/seats.ts', find: 'n >= SEATS_LEAST;', replace: 'n >= 3;' },
    { agrees: true, plans: true, said: true },
  ],
  [
    'a core is fed that cannot agree',
    { file: 'firmware/runtime.ts', find: '    if (!agrees) return;\n    queue', replace: '    queue' },
    { agrees: false, said: true, written: true },
  ],
  [
    'it is started',
    { file: 'firmware/runtime.ts', find: '      if (!agrees) return;\n      resume', replace: '      resume' },
    { agrees: false, notes: true, written: true },
  ],
])('that is missed where %s', async (meaning, patch, shows) => {
  const source = { folders: ['firmware', 'hal', 'test/unit'], entry: 'test/unit/protocol-driver.ts', patches: [patch] };
  const found = await withPatched(meaning, source, (mutant: typeof driver) => neighboursAgree(mutant, 3));
  expect(found).toMatchObject(shows);
  expect(found).not.toEqual(SILENT);
});

test('presence is informal: known names only, nonsense is not alive, a lost broker makes everyone absent', () => {
  const { runtime, hear, connection } = alone();
  const say = (name: string, text: string): void => hear(`p2pebt/1/street/status/${name}`, Buffer.from(text));
  say('cp2', '{"alive":true}');
  say('cp3', 'oops');
  say('cp4', 'null');
  say('stranger', '{"alive":true}');
  expect([...runtime.peers]).toEqual([
    ['cp2', true],
    ['cp3', false],
    ['cp4', false],
  ]);
  connection(false);
  expect([...runtime.peers.values()]).toEqual([false, false, false]);
});

/** What node 0 answers to "what follows this height?" from node 1. */
function ask(play: Neighbours, height: number, offset = 0): SyncResponse | undefined {
  const before = play.player(0).said.length;
  const request = play.sign({
    epoch: 0,
    round: play.deciding,
    view: 0,
    sender: 1,
    body: { type: 'SYNC_REQ', to: 0, height, asked_ms: play.clock.time, offset, tips: [] },
  });
  play.hear(0, TOPIC, toWire(request));
  return play
    .player(0)
    .said.slice(before)
    .map(({ body }) => body)
    .find((body): body is SyncResponse => body.type === 'SYNC_RES');
}

test('pages of catch-up: blocks with their FINAL votes; what is open only behind the last of them', () => {
  const play = new Neighbours().rounds(3).until(60);
  const whole = ask(play, 0)!;
  expect(whole.blocks.map(({ votes }) => votes.length)).toEqual([3, 3, 3, 3, 3, 3]);
  expect(whole.height).toBe(0);
  const { ledger } = play.player(0);
  const { blocksAbove } = ledger;
  ledger.blocksAbove = (height) => blocksAbove.call(ledger, height, 1);
  expect(ask(play, 2)).toBeUndefined(); // a page a peer and Δ
  play.until(63);
  const first = ask(play, 2)!;
  expect(first.blocks.map(({ block }) => block.id)).toEqual([whole.blocks[2].block.id]);
  expect(first.pending).toEqual([]);
  ledger.blocksAbove = blocksAbove;
});

test.each([
  ['each with its votes', false],
  ['final with the last of them, as after rounds in which nothing was', true],
])('a node with an empty ledger catches up page by page: blocks %s', (_how, together) => {
  const play = new Neighbours().rounds(4);
  for (const { ledger } of play.players)
    if (together)
      ledger.blocks = ledger.blocks.map((block, i, { length }) =>
        i < length - 1 ? { ...block, certificate: null } : block,
      );
  const page = MemoryLedger.prototype.blocksAbove;
  for (const { ledger } of play.players) ledger.blocksAbove = (height) => page.call(ledger, height, 2000);
  play.restart(3, new MemoryLedger());
  play.rounds(1);
  expect(play.state(3).finalNode.state.tip).toBe(play.state(0).finalNode.state.tip);
  expect(play.player(3).ledger.blocks.map(({ height }) => height)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('the pages that it asks for are no flood, however long they take to check', () => {
  const play = new Neighbours().rounds(6);
  const page = MemoryLedger.prototype.blocksAbove;
  for (const { ledger } of play.players) ledger.blocksAbove = (height) => page.call(ledger, height, 3000);
  play.restart(3, new MemoryLedger());
  const { gate } = play.player(3);
  const { admitting } = gate;
  gate.admitting = function* (wire, reader) {
    if (wire.length > 1000) play.clock.time += 20_000; // ten times what a lane may cost at once
    return yield* admitting(wire, reader);
  };
  play.until(280);
  expect(play.state(3).finalNode.state.height).toBe(6); // 3, were the pages counted as the work of a flooder
});

test('after a restart it tells every block of its ledger again, with the votes behind it', () => {
  const play = new Neighbours().rounds(2);
  play.player(0).finals.length = 0;
  play.restart(0);
  expect(play.player(0).finals.map(({ state, votes }) => [state.height, votes])).toEqual([
    [1, 3],
    [2, 3],
    [3, 3],
    [4, 3],
  ]);
});

test('after a restart its order of this round still stands, and it places no other', () => {
  const play = new Neighbours().until(20);
  play.buy(0, 5000);
  const orders = (): Signed[] => play.player(0).said.filter(({ body }) => body.type === 'ORDER');
  play.restart(0);
  play.buy(0, 6000);
  play.until(20 + LATENCY_ms);
  expect(new Set(orders().map(({ id }) => id)).size).toBe(1);
});
