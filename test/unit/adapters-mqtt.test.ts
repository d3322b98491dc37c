/** The bus against a broker in this process, which can be stopped and started again on the same port. */
import { createServer, type Server, Socket } from 'node:net';
import { Aedes, type AedesOptions } from 'aedes';
import { connectAsync } from 'mqtt';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type BusOptions, connectBus, type MqttBus } from '../../firmware/adapters/mqtt-bus.ts';
import { MESSAGE_MAX_BYTES, PACKET_MAX_BYTES } from '../../firmware/protocol/limits.ts';
import { messageTopic, presenceTopic } from '../../firmware/protocol/messages.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Broker {
  readonly port: number;
  readonly aedes: Aedes;
  stop(): Promise<void>;
}

async function startBroker(port = 0, options: AedesOptions = {}): Promise<Broker> {
  const aedes = await Aedes.createBroker(options);
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    aedes.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  let stopped = false;
  const stop = async () => {
    if (stopped) return;
    stopped = true;
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
  };
  cleanups.push(stop);
  return { port: (server.address() as { port: number }).port, aedes, stop };
}

function join(port: number, node: string, options: Partial<BusOptions> = {}): MqttBus {
  const bus = connectBus({ urls: [`mqtt://127.0.0.1:${port}`], microgrid: 'street', node, ...options });
  cleanups.push(() => bus.close());
  return bus;
}

/** Everything under the prefix but births and deaths, as text, as it came. */
function inbox(bus: MqttBus): string[] {
  const texts: string[] = [];
  bus.onMessage((topic, payload) => {
    if (!topic.includes('/status/')) texts.push(new TextDecoder().decode(payload));
  });
  return texts;
}

const text = (value: string) => new TextEncoder().encode(value);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `${from + index}`);
const ORDER = 'p2pebt/1/street/ORDER/a';
const eventually = { timeout: 8_000, interval: 10 };

let problems: string[];
beforeEach(() => {
  problems = [];
});

test('what one publishes the others hear, in order and unchanged, and every socket has TCP_NODELAY', async () => {
  const noDelay = vi.spyOn(Socket.prototype, 'setNoDelay');
  const { port } = await startBroker();
  const [a, b] = [join(port, 'a'), join(port, 'b')];
  const heard = inbox(b);
  await Promise.all([a.firstConnection, b.firstConnection]);
  expect(noDelay.mock.calls).toEqual([[true], [true]]);
  noDelay.mockRestore();
  for (const number of numbers(1, 500)) a.publish(ORDER, text(number));
  await vi.waitFor(() => expect(heard).toEqual(numbers(1, 500)), eventually);
  expect([a.queued, a.dropped]).toEqual([0, 0]);
});

/** How often two buses write to their sockets while one says 500 messages and both hear them. */
async function writesOf500(): Promise<number> {
  const { port } = await startBroker();
  const [a, b] = [join(port, 'a'), join(port, 'b')];
  const heard = [inbox(a), inbox(b)];
  await Promise.all([a.firstConnection, b.firstConnection]);
  const writes = [vi.spyOn(Socket.prototype, '_write'), vi.spyOn(Socket.prototype, '_writev')];
  for (const number of numbers(1, 500)) a.publish(ORDER, text(number));
  await vi.waitFor(() => expect(heard.map(({ length }) => length)).toEqual([500, 500]), eventually);
  const own = writes.flatMap(({ mock }) => mock.contexts as Socket[]).filter(({ remotePort }) => remotePort === port);
  for (const each of writes) each.mockRestore();
  return own.length;
}

test('the acknowledgements of what arrives together leave together', async () => {
  expect(await writesOf500()).toBeLessThan(150);
});

test('that test notices a socket to which each is written by itself', async () => {
  const cork = vi.spyOn(Socket.prototype, 'cork').mockImplementation(() => undefined);
  expect(await writesOf500()).toBeGreaterThan(1000);
  cork.mockRestore();
});

test('what is for one node reaches that one alone, though the broker carries it', async () => {
  const { port } = await startBroker();
  const buses = ['a', 'b', 'c'].map((node) => join(port, node));
  const [, b, c] = buses.map(inbox);
  await Promise.all(buses.map(({ firstConnection }) => firstConnection));
  const observer = await connectAsync(`mqtt://127.0.0.1:${port}`);
  const all: string[] = [];
  observer.on('message', (_topic, payload) => all.push(payload.toString()));
  await observer.subscribeAsync('p2pebt/1/street/SYNC_RES/#');
  for (const to of ['b', 'c']) buses[0].publish(messageTopic('street', 'SYNC_RES', 'a', to), text(`for ${to}`));
  buses[0].publish(ORDER, text('for all'));
  await vi.waitFor(
    () =>
      expect([b, c]).toEqual([
        ['for b', 'for all'],
        ['for c', 'for all'],
      ]),
    eventually,
  );
  await vi.waitFor(() => expect(all).toEqual(['for b', 'for c']), eventually); // a bus that took all would have
  await observer.endAsync();
});

test('the broker stops and starts again on its port: what was published meanwhile arrives, and trade resumes', async () => {
  const first = await startBroker();
  const [a, b] = [join(first.port, 'a'), join(first.port, 'b')];
  const [heard, states] = [inbox(b), [] as boolean[]];
  a.onConnection((connected) => states.push(connected));
  await Promise.all([a.firstConnection, b.firstConnection]);
  a.publish(ORDER, text('1'));
  await vi.waitFor(() => expect(heard).toEqual(['1']), eventually);

  await first.stop();
  await vi.waitFor(() => expect([a.connected, b.connected]).toEqual([false, false]), eventually);
  a.publish(ORDER, text('2')); // returns at once
  a.publish(ORDER, text('3'));
  expect(a.queued).toBe(2);

  // A broker without memory: b's subscription is gone, and so must be made again. a waits in its outbox for b.
  const second = await startBroker(first.port);
  await vi.waitFor(() => expect([a.connected, b.connected]).toEqual([true, true]), eventually);
  expect(states).toEqual([true, false, true]);
  expect(a.queued).toBe(0);
  a.publish(ORDER, text('4'));
  await vi.waitFor(() => expect(heard.at(-1)).toBe('4'), eventually);
  expect(second.aedes.connectedClients).toBe(2);
}, 20_000);

/** What a node hears on its return: five messages published while it was away, and a sixth after it. More may follow. */
async function heardAfterAbsence(port: number, connect: (port: number, node: string) => MqttBus): Promise<string[]> {
  const a = join(port, 'a');
  const before = connect(port, 'b');
  await Promise.all([a.firstConnection, before.firstConnection]);
  await before.close();
  for (const number of numbers(1, 5)) a.publish(ORDER, text(number));
  const again = connect(port, 'b');
  const heard = inbox(again);
  await again.firstConnection;
  a.publish(ORDER, text('6'));
  await vi.waitFor(() => expect(heard).toContain('6'), eventually);
  return heard;
}

test('a node that was away hears what it missed: its session outlives its connection', async () => {
  const { port } = await startBroker();
  const heard = await heardAfterAbsence(port, join);
  // In any order: a broker may put what is new before the rest of what it kept.
  await vi.waitFor(() => expect(heard.toSorted()).toEqual(numbers(1, 6)), eventually);
});

test('that test notices a bus whose session ends with its connection', async () => {
  let life = 0;
  const forgetful = (port: number, node: string) => join(port, `${node}-${life++}`); // another client to the broker
  const { port } = await startBroker();
  expect(await heardAfterAbsence(port, forgetful)).toEqual(['6']);
});

test('a packet of 20 MB is never gathered, is acknowledged, and seen as too long; what follows it is unharmed', async () => {
  const first = await startBroker();
  const [a, b] = [join(first.port, 'a'), join(first.port, 'b')];
  await Promise.all([a.firstConnection, b.firstConnection]);
  const lengths: number[] = [];
  b.onMessage((topic, payload) => {
    if (topic === ORDER) lengths.push(payload.length);
  });
  const flood = async () => {
    lengths.length = 0;
    a.publish(ORDER, new Uint8Array(20_000_000));
    a.publish(ORDER, new Uint8Array(MESSAGE_MAX_BYTES));
    a.publish(ORDER, text('1'));
    await vi.waitFor(() => expect(lengths).toHaveLength(3), eventually);
    expect(lengths).toEqual([PACKET_MAX_BYTES - ORDER.length - 4, MESSAGE_MAX_BYTES, 1]);
  };
  await flood();
  expect(lengths[0]).toBeGreaterThan(MESSAGE_MAX_BYTES);
  await first.stop();
  await startBroker(first.port);
  await vi.waitFor(() => expect([a.connected, b.connected]).toEqual([true, true]), eventually);
  await flood(); // every connection has its guard
}, 20_000);

test('without a broker the outbox drops the oldest and counts them, and nothing blocks', async () => {
  const { port, stop } = await startBroker();
  await stop();
  const a = join(port, 'a', { outbox: 10, onProblem: (problem) => problems.push(problem) });
  for (const number of numbers(1, 25)) a.publish(ORDER, text(number));
  expect([a.connected, a.queued, a.dropped]).toEqual([false, 10, 15]);

  await expect(a.firstConnection).rejects.toThrow(`no broker at mqtt://127.0.0.1:${port}: is it running?`);
  expect(problems).toHaveLength(1); // the first of many attempts; the same again is not news

  const b = join((await startBroker(port)).port, 'b');
  const heard = inbox(b);
  await b.firstConnection;
  await vi.waitFor(() => expect(a.connected).toBe(true), eventually);
  await vi.waitFor(() => expect(a.queued).toBe(0), eventually);
  a.publish(ORDER, text('26'));
  await vi.waitFor(() => expect(heard.at(-1)).toBe('26'), eventually);
  const kept = numbers(16, 26); // b may have come after some of them, but never hears an older or a doubled one
  expect(heard).toEqual(kept.slice(kept.length - heard.length));
}, 20_000);

test('a broker that refuses the password, or the subscription, is named as such', async () => {
  const denies = await startBroker(0, {
    authenticate: (_client, name, password, done) => done(null, name === 'a' && `${password}` === 'secret'),
    authorizeSubscribe: (client, subscription, done) => done(null, client.id.endsWith('-b') ? null : subscription),
  });
  await expect(join(denies.port, 'a', { username: 'a', password: 'wrong' }).firstConnection).rejects.toThrow(
    'refuses this node: check broker.username',
  );
  await expect(join(denies.port, 'b', { username: 'a', password: 'secret' }).firstConnection).rejects.toThrow(
    'refuses the subscription to p2pebt/1/street/+/+ and p2pebt/1/street/+/b/+: check its ACL for b',
  );
  await expect(join(denies.port, 'c', { username: 'a', password: 'secret' }).firstConnection).resolves.toBeUndefined();
});

test('births and deaths are retained: whoever comes later knows who is alive, also of one that was cut off', async () => {
  const { port, aedes } = await startBroker();
  const [a, b] = [join(port, 'a', { about: { version: '0.1.0' } }), join(port, 'b')];
  await Promise.all([a.firstConnection, b.firstConnection]);

  const lives: Record<string, { alive: boolean; birth: number; version?: string }> = {};
  const late = join(port, 'late');
  late.onMessage((topic, payload) => {
    lives[topic] = JSON.parse(new TextDecoder().decode(payload));
  });
  const of = (node: string) => lives[presenceTopic('street', node)];
  await vi.waitFor(() => expect([of('a')?.alive, of('b')?.alive]).toEqual([true, true]), eventually);
  expect(of('a')).toEqual({ alive: true, birth: expect.any(Number), version: '0.1.0' });

  await a.close(); // says goodbye
  await vi.waitFor(() => expect(of('a')?.alive).toBe(false), eventually);
  const seen: boolean[] = [];
  late.onMessage((topic) => {
    if (topic === presenceTopic('street', 'b')) seen.push(of('b')!.alive);
  });
  (aedes as unknown as { clients: Record<string, { conn: Socket }> }).clients['p2pebt-street-b']!.conn.destroy(); // the will speaks
  await vi.waitFor(() => expect(seen).toEqual([false, true]), eventually); // and b comes back by itself
});

test('closing does not wait for a broker that is not there', async () => {
  const { port, stop } = await startBroker();
  const a = join(port, 'a');
  await a.firstConnection;
  await stop();
  a.publish(ORDER, text('1'));
  const before = performance.now();
  await a.close();
  expect(a.connected).toBe(false);
  expect(performance.now() - before).toBeLessThan(900);
});
