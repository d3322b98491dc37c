/**
 * One neighbourhood over Mosquitto, five real processes, and what goes wrong in its evening, told in order. After
 * each incident it trades again; at the end the ledgers of all are compared. Times are the bench's unless named.
 */
import { createPrivateKey, generateKeyPairSync, sign as signWith } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { verifyLedger } from '../../firmware/ledger-report.ts';
import type { NodeView } from '../../firmware/page/view.ts';
import { encode } from '../../firmware/protocol/codec.ts';
import { payloadOf, toSign, toWire, type Unsigned } from '../../firmware/protocol/messages.ts';
import { makeRegistry } from '../../firmware/protocol/registry.ts';
import { decidedAt, firstView } from '../../firmware/protocol/round.ts';
import { type Bench, type Summary, startBench } from '../../sim-hardware/bench.ts';
import type { WireFault } from '../../sim-hardware/faults.ts';
import { eventually } from './eventually.ts';
import { accountsOf, lostOrDoubled } from './meters.ts';
import { type Mosquitto, startMosquitto } from './mosquitto.ts';
import { contradictions, type Observer, observe, votes } from './observer.ts';

const SCALE = 40;
const ROUND_ms = 300_000;
/** The wall's time for so many rounds, with as much again for a busy machine. */
const rounds = (count: number) => ({ within_ms: (2 * count * ROUND_ms) / SCALE, tell: state });
/** controller.md 2: open within 15 s of the bench; on a fast bench the lease lasts at least 0.5 s of the wall. */
const SAFE_WALL_ms = Math.max(15_000 / SCALE, 500);
/** What this process may be late to look, on a busy machine. */
const LOOKING_ms = 750;

let mosquitto: Mosquitto;
let bench: Bench;
let observer: Observer;
let summary: Summary | undefined;

beforeAll(async () => {
  mosquitto = await startMosquitto();
  bench = await startBench({ nodes: 5, seed: 1, scale: SCALE, broker: mosquitto.url });
  observer = await observe(mosquitto.url, bench.neighbourhood);
});
afterAll(async () => {
  await observer?.close();
  if (summary === undefined) await bench?.stop();
  await mosquitto?.remove();
});

const totals = () => bench.view()?.chain.totals ?? { committed: 0, terminated: 0 };
const nodes = (): readonly NodeView[] => bench.view()?.nodes ?? [];
const node = (name: string): NodeView | undefined => nodes().find((other) => other.name === name);
const closed = (id: string): boolean => bench.world.contacts(id).includes('closed');
const height = (name: string): number => node(name)?.head?.height ?? 0;
/** Since the start of the interval in which a round is decided. */
const offset_ms = (): number => bench.clock.now() % ROUND_ms;
function state(): string {
  const words = nodes().map(
    ({ name, head, time, chargePoint }) => `${name} ${head?.height} ${time.phase}, ${chargePoint?.reason ?? ''}`,
  );
  return JSON.stringify({ totals: totals(), words }, null, 1);
}

/** Waits for `count` more committed rounds. */
async function commits(count: number): Promise<void> {
  const before = totals().committed;
  await eventually(`${count} more rounds committed`, () => totals().committed >= before + count, rounds(count + 3));
}

test('four charge points and a head meter trade three rounds', async () => {
  await commits(3);
  await eventually('a closed contact', () => bench.world.ids.some(closed), rounds(3));
});

test('a controller is killed in mid-round: its contacts open by the lease, the others go on, it comes back', async () => {
  const { value: victim } = await eventually(
    'a closed contact between T_ord and T_lock',
    () => offset_ms() > 124_000 && offset_ms() < 194_000 && bench.world.ids.find(closed),
    rounds(6),
  );
  await bench.kill(victim, 'SIGKILL');
  const { took_ms } = await eventually('its contacts open', () => !closed(victim), {
    within_ms: SAFE_WALL_ms + LOOKING_ms,
  });
  expect(took_ms).toBeLessThan(SAFE_WALL_ms + LOOKING_ms);
  await commits(2);
  expect(closed(victim)).toBe(false);

  const [other] = bench.world.ids.filter((id) => id !== victim);
  const missed = height(other);
  const before = observer.heard.length;
  await bench.start(victim);
  await eventually('it has caught up', () => height(victim) >= missed, rounds(3));
  const index = bench.neighbourhood.nodes.findIndex(({ name }) => name === victim);
  await eventually(
    'it votes again',
    () => votes(observer.heard.slice(before)).some(({ sender }) => sender === index),
    rounds(3),
  );
  await commits(1);
  expect(contradictions(votes(observer.heard))).toEqual([]);
});

test('the broker dies for two rounds: the plan runs out, nothing ramps up, and trade goes on where it was', async () => {
  await eventually(
    'a schedule of the round to come',
    () => offset_ms() > 200_000 && nodes().some(({ time }) => time.phase === 'agreed'),
    rounds(3),
  );
  await mosquitto.kill();
  await eventually('all have noticed', () => nodes().every(({ brokerConnected }) => !brokerConnected), rounds(1));
  const { committed } = totals();
  const planned = Math.max(
    ...(bench.view()?.chain.blocks ?? []).map(({ round, outcome }) => (outcome === 'committed' ? round : 0)),
  );
  const planEnds = (planned + 1) * ROUND_ms;
  const [restarted] = bench.world.ids;
  await bench.kill(restarted, 'SIGTERM');
  await bench.start(restarted); // it has traded before: it needs no broker to charge within its safe share
  await eventually('the last plan has run to its end', () => bench.clock.now() > planEnds + 30_000, rounds(2));
  const wrong = new Set<string>();
  await eventually(
    'a round without a plan',
    () => {
      for (const { name, safeShare_W } of bench.neighbourhood.nodes)
        if (bench.world.ids.includes(name))
          for (const word of ramps(name, bench.world.meter(name).power_W, safeShare_W)) wrong.add(word);
      return bench.clock.now() > planEnds + ROUND_ms;
    },
    rounds(2),
  );
  expect([...wrong]).toEqual([]);
  expect(totals().committed).toBe(committed);
  for (const { name, chargePoint } of nodes())
    if (chargePoint) expect(`${name}: ${chargePoint.reason}`).not.toContain('plan of block');

  await mosquitto.start();
  await eventually('all are back', () => nodes().every(({ brokerConnected }) => brokerConnected), {
    within_ms: 20_000,
  });
  await commits(2);
});

/** In the fallback a charge point draws at most its safe share and feeds nothing back. */
function ramps(name: string, power_W: number, safeShare_W: number): string[] {
  return power_W > safeShare_W * 1.01 || power_W < -1
    ? [`${name}: ${Math.round(power_W)} W, its share is ${safeShare_W} W`]
    : [];
}
test('the check for ramps notices power above the share and power fed back', () => {
  expect(
    [ramps('cp', 4_140, 4_140), ramps('cp', 4_300, 4_140), ramps('cp', -50, 4_140)].map(({ length }) => length),
  ).toEqual([0, 1, 1]);
});

test('the broker hangs for a while: what was under way arrives late, and does no harm', async () => {
  const until = bench.clock.now() + ROUND_ms;
  mosquitto.freeze();
  try {
    await eventually('a round has passed', () => bench.clock.now() > until, rounds(2));
  } finally {
    mosquitto.thaw();
  }
  await commits(2);
  expect(contradictions(votes(observer.heard))).toEqual([]);
});

test('the head meter falls silent: up to three rounds on its last value, then none, then trade again', async () => {
  bench.wires.setFault('head meter', 'silence');
  const before = totals();
  await eventually('a round is terminated', () => totals().terminated > before.terminated, rounds(6));
  expect(totals().committed - before.committed).toBeLessThanOrEqual(4); // the one under way, and three without
  const stuck = totals().committed;
  await eventually('another is terminated', () => totals().terminated > before.terminated + 1, rounds(3));
  expect(totals().committed).toBe(stuck);
  bench.wires.setFault('head meter', null);
  await commits(1);
});

test('garbage at the broker is refused, counted and shown, and trade goes on', async () => {
  const { client, registry, heard } = observer;
  // Under the names of two members, as without an ACL anybody can: what comes under its own name a node takes for its echo.
  const topics = ['p2pebt/1/bench/VOTE/cp-1', 'p2pebt/1/bench/VOTE/cp-2'];
  // Of the round after: what is about a view that is final already is let go before anyone looks at its signature.
  const round = decidedAt(bench.clock.now(), ROUND_ms) + 1;
  const view = firstView(round, 'SCHEDULE');
  const vote: Unsigned = {
    epoch: 0,
    round,
    view,
    sender: 0,
    body: { type: 'VOTE', kind: 'skip', to: view, block: '' },
  };
  const stranger = createPrivateKey(generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const signedBy = (message: Unsigned, tag = registry.tag): Buffer => {
    const payload = payloadOf(message, tag);
    return Buffer.from(toWire({ payload, signature: signWith(null, toSign(payload), stranger) }));
  };
  const elsewhere = makeRegistry({ ...bench.neighbourhood, microgrid: 'elsewhere' }, sha256);
  const old = heard.find(({ message }) => message?.body.type === 'ORDER');
  // Not a vote: one that came too late to some is settled there, which is no news.
  const late = heard.findLast(({ message }) => message?.body.type === 'METER');
  const garbage: Record<string, Buffer> = {
    'not-a-message': Buffer.from('2d2f0a5bff00c3d1', 'hex'),
    'over-size': Buffer.alloc(300_000, 7),
    'bad-signature': signedBy(vote),
    'unknown-sender': signedBy({ ...vote, sender: 77 }),
    foreign: signedBy(vote, elsewhere.tag),
    'out-of-range': signedBy({ ...vote, view: 0 }),
    malformed: Buffer.from(encode([encode([1, 5, registry.tag, 'a vote']), Buffer.alloc(64)])),
    duplicate: late?.wire as Buffer,
  };
  const counted = (code: string) => nodes().map(({ refusals }) => refusals[code] ?? 0);
  const before = Object.fromEntries(Object.keys(garbage).map((code) => [code, counted(code)]));
  for (const wire of Object.values(garbage))
    for (let i = 0; i < 20; i++) await client.publishAsync(topics[i % 2], wire, { qos: 1 });
  await client.publishAsync('p2pebt/1/bench/ORDER/cp-1', old?.wire as Buffer, { qos: 1 });
  for (let i = 0; i < 200; i++)
    await client.publishAsync(topics[i % 2], sha256(Buffer.from([i])) as Buffer, { qos: 0 });
  for (const code of Object.keys(garbage))
    await eventually(`${code} is counted by all`, () => counted(code).every((count, i) => count > before[code][i]), {
      within_ms: 20_000,
      tell: () => JSON.stringify(nodes().map(({ name, refusals }) => ({ name, refusals }))),
    });
  await commits(2);
});

test('each meter of the four fails in its own way: contacts open in time, and all recover', async () => {
  const faults: readonly WireFault[] = ['bad-checksum', 'wrong-unit', 'late-reply', 'slow-trickle'];
  await eventually('two closed contacts', () => bench.world.ids.filter(closed).length >= 2, rounds(8));
  const drawing = bench.world.ids.filter(closed);
  for (const [i, id] of bench.world.ids.entries()) bench.wires.setFault(`${id} meter`, faults[i % faults.length]);
  const { took_ms } = await eventually('every contact open', () => !drawing.some(closed), {
    within_ms: SAFE_WALL_ms + LOOKING_ms,
  });
  expect(took_ms).toBeLessThan(SAFE_WALL_ms + LOOKING_ms);
  await eventually(
    'all say why',
    () => bench.world.ids.every((id) => node(id)?.chargePoint?.faults.includes('no reading from the meter')),
    { within_ms: 10_000, tell: state },
  );
  await commits(1);
  expect(bench.world.ids.filter(closed)).toEqual([]);
  for (const id of bench.world.ids) bench.wires.setFault(`${id} meter`, null);
  await eventually(
    'all meters are read again',
    () => bench.world.ids.every((id) => node(id)?.chargePoint?.power_W !== null),
    { within_ms: 20_000 },
  );
  await eventually('a contact closes again', () => bench.world.ids.some(closed), rounds(6));
});

test('at the end all ledgers agree, verify, and have lost and doubled no watt-hour', async () => {
  const files = bench.controllers.map(({ directory }) => join(directory, 'ledger.sqlite'));
  await observer.close();
  for (const file of files) {
    const { ok, lines } = verifyLedger(file);
    expect(lines.slice(1), file).toEqual([
      expect.stringContaining('every signature, hash, limit, lambda and vote holds'),
    ]);
    expect(ok).toBe(true);
  }
  const accounts = [...accountsOf(files[0])];
  expect(accounts.map(([name]) => name).sort()).toEqual([...bench.world.ids]);
  for (const [name, account] of accounts) {
    expect(lostOrDoubled(account), name).toEqual([]);
    const { imported_Wh, exported_Wh } = bench.world.meter(name);
    expect(account.statements.at(-1)?.imported_Wh).toBeLessThanOrEqual(Math.ceil(imported_Wh));
    expect(account.statements.at(-1)?.exported_Wh).toBeLessThanOrEqual(Math.ceil(exported_Wh));
  }
  summary = await bench.stop();
  expect(summary.violations).toEqual([]);
  expect(contradictions(votes(observer.heard))).toEqual([]);
});

test('the checks of the ledgers and votes notice a lost watt-hour and a vote said twice', () => {
  const said = { exportedBefore_Wh: 0, exported_Wh: 0, type: 'METER', mode: 'lease' } as const;
  const first = { ...said, importedBefore_Wh: 0, imported_Wh: 10 };
  const next = { ...said, importedBefore_Wh: 10, imported_Wh: 12 };
  const statements = [first, next];
  expect(lostOrDoubled({ statements, settled_Wh: 12 })).toEqual([]);
  expect(lostOrDoubled({ statements, settled_Wh: 11 })).toHaveLength(1);
  expect(lostOrDoubled({ statements: [first, { ...next, importedBefore_Wh: 9 }], settled_Wh: 12 })).toHaveLength(1);
  const vote = { sender: 1, view: 7, body: { type: 'VOTE', kind: 'final', to: 7, block: 'aa' } } as const;
  expect(contradictions([vote, vote])).toEqual([]);
  expect(contradictions([vote, { ...vote, body: { ...vote.body, block: 'bb' } }])).toHaveLength(1);
  expect(
    contradictions([vote, { ...vote, view: 5, body: { ...vote.body, kind: 'skip', to: 9, block: '' } }]),
  ).toHaveLength(1);
});
