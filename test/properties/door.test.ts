/**
 * The door under pressure: lanes, mute and slices, each as a property over a clock that the test moves, and each with a
 * mutant, a door without that limit, which the same check catches. And what a single message may cost.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDoor } from '../../firmware/adapters/door.ts';
import { createVerify } from '../../firmware/adapters/ed25519.ts';
import { createFrameCutter } from '../../firmware/adapters/frames.ts';
import { type Admission, createGate, type Reader, type Refusal, refusal } from '../../firmware/adapters/gate.ts';
import { createLanes } from '../../firmware/adapters/lanes.ts';
import { createMute } from '../../firmware/adapters/mute.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { DOOR_SLICE_ms, LANES, MESSAGE_MAX_BYTES, MUTE, SEEN_BYTES } from '../../firmware/protocol/limits.ts';
import { type Signed, toWire, type Vote } from '../../firmware/protocol/messages.ts';
import { ManualClock, signerOf } from '../unit/protocol-driver.ts';
import { messages, registry, sign } from '../vectors/messages.ts';

const NAMES = ['a', 'b', 'c', 'd'];
const NONE = Number.POSITIVE_INFINITY;
const [SHARE, SHARE_TOGETHER] = [LANES.share_percent / 100, LANES.shareTogether_percent / 100];
/** The limits with some of them taken away. */
const without = (...gone: (keyof typeof LANES)[]): typeof LANES =>
  ({
    ...LANES,
    ...Object.fromEntries(gone.map((name) => [name, name.startsWith('share') ? 100 : NONE])),
  }) as typeof LANES;

describe('lanes', () => {
  const offers = fc.array(
    fc.record({ name: fc.constantFrom(...NAMES, 'stranger'), bytes: fc.integer({ min: 0, max: MESSAGE_MAX_BYTES }) }),
    { minLength: 50, maxLength: 400 },
  );
  const bounds = { ...LANES, lane_bytes: 2 ** 19, together_bytes: 3 * 2 ** 19 };

  /** The most that ever waited, of one name and of all, and whether everything was either kept or told as dropped. */
  function waited(limits: typeof LANES, knocks: readonly { name: string; bytes: number }[]) {
    const lanes = createLanes<number>(() => 0, limits);
    const most = { together: 0, kept: 0 };
    for (const { name, bytes } of knocks) {
      const dropped = lanes.offer(name, bytes, bytes);
      most.kept += 1 - [...dropped.values()].reduce((a, b) => a + b, 0);
      most.together = Math.max(most.together, lanes.waiting);
    }
    const rest: Record<string, number> = {};
    let served = 0;
    for (let next = lanes.next(); next !== undefined; next = lanes.next(), served++)
      rest[next.name] = (rest[next.name] ?? 0) + next.item + limits.overhead_bytes;
    return { ...most, served, lane: Math.max(0, ...Object.values(rest)) };
  }

  test('property: memory is bounded for each name and for all; what does not fit is told', () => {
    fc.assert(
      fc.property(offers, (knocks) => {
        const { together, lane, kept, served } = waited(bounds as typeof LANES, knocks);
        expect(together).toBeLessThanOrEqual(bounds.together_bytes);
        expect(lane).toBeLessThanOrEqual(bounds.lane_bytes);
        expect(served).toBe(kept);
      }),
      { numRuns: 50 },
    );
  });

  test.each(['lane_bytes', 'together_bytes'] as const)('mutant: without %s that is noticed', (limit) => {
    const crowd = fc.sample(offers, { numRuns: 20, seed: 1 });
    const knocks = limit === 'lane_bytes' ? crowd.map((each) => each.map((knock) => ({ ...knock, name: 'a' }))) : crowd;
    const worst = knocks.map((each) => waited({ ...bounds, [limit]: NONE } as typeof LANES, each));
    const measured = worst.map(({ lane, together }) => (limit === 'lane_bytes' ? lane : together));
    expect(Math.max(...measured)).toBeGreaterThan(bounds[limit]);
  });

  /** Serves whatever may be served for `run_ms`, each message at a cost, from lanes that never run dry. */
  function serve(limits: typeof LANES, flooders: readonly string[], cost_ms: number, run_ms: number) {
    let now = 0;
    const lanes = createLanes<string>(() => now, limits);
    const spent = new Map(NAMES.map((name) => [name, 0]));
    const waits_ms: number[] = []; // of an honest message of d, one each 100 ms
    let askedAt = NONE;
    while (now < run_ms) {
      for (const name of flooders) lanes.offer(name, 'bad', 200);
      if (askedAt === NONE && now >= 100 * waits_ms.length) {
        lanes.offer('d', 'good', 200);
        askedAt = now;
      }
      const next = lanes.next();
      if (next === undefined) {
        now += 1;
        continue;
      }
      const cost = next.item === 'good' ? 0.1 : cost_ms;
      lanes.charge(next.name, cost);
      spent.set(next.name, (spent.get(next.name) ?? 0) + cost);
      now += cost;
      if (next.item === 'good') {
        waits_ms.push(now - askedAt);
        askedAt = NONE;
      }
    }
    return { spent: (name: string) => spent.get(name) as number, longest_ms: Math.max(...waits_ms) };
  }
  const floods = fc.record({
    flooders: fc.subarray(['a', 'b', 'c'], { minLength: 1 }),
    cost_ms: fc.double({ min: 0.05, max: 20, noNaN: true }),
    run_ms: fc.integer({ min: 20_000, max: 60_000 }),
  });

  test('property: a flooder gets its share of the processor, all of them theirs, and the honest one waits for no queue', () => {
    fc.assert(
      fc.property(floods, ({ flooders, cost_ms, run_ms }) => {
        const { spent, longest_ms } = serve(LANES, flooders, cost_ms, run_ms);
        for (const name of flooders) expect(spent(name)).toBeLessThanOrEqual(LANES.burst_ms + SHARE * run_ms + cost_ms);
        const together = flooders.reduce((sum, name) => sum + spent(name), 0);
        expect(together).toBeLessThanOrEqual(LANES.burstTogether_ms + SHARE_TOGETHER * run_ms + cost_ms);
        // One message under way, at most one of each flooder, and until the debt of all has faded each time.
        expect(longest_ms).toBeLessThanOrEqual((flooders.length + 1) * (cost_ms / SHARE_TOGETHER) + 2);
      }),
      { numRuns: 15 },
    );
  });

  test('mutant: without a share for each, one flooder takes more; without one for all, three take all', () => {
    const run_ms = 20_000;
    const one = serve(without('burst_ms', 'share_percent'), ['a'], 1, run_ms);
    expect(one.spent('a')).toBeGreaterThan(LANES.burst_ms + SHARE * run_ms + 1);
    const three = serve(without('burstTogether_ms', 'shareTogether_percent'), ['a', 'b', 'c'], 1, run_ms);
    expect(three.spent('a') + three.spent('b') + three.spent('c')).toBeGreaterThan(
      LANES.burstTogether_ms + SHARE_TOGETHER * run_ms + 1,
    );
  });

  test('mutant: one queue for all, first come first served, lets the honest one wait behind the flood', () => {
    let now = 0;
    const lanes = createLanes<string>(() => now);
    for (let i = 0; i < 1000; i++) lanes.offer('all', 'bad', 200);
    lanes.offer('all', 'good', 200);
    for (let next = lanes.next(); next?.item !== 'good'; next = lanes.next()) {
      lanes.charge('all', 1);
      now += 1;
    }
    expect(now).toBe(1000);
  });

  test('a round of a hundred nodes on a small board passes at once, beside a flooder that has used up its share', () => {
    let now = 0;
    const names = Array.from({ length: 101 }, (_, i) => `node ${i}`);
    const lanes = createLanes<number>(() => now);
    lanes.charge('node 100', LANES.burst_ms);
    for (const name of names.slice(0, 100)) for (let i = 0; i < 10; i++) lanes.offer(name, 1.5, 300);
    for (let i = 0; i < 1000; i++) lanes.offer('node 100', 0, 300);
    let served = 0;
    for (let next = lanes.next(); next !== undefined && served < 1000; next = lanes.next()) {
      expect(next.name).not.toBe('node 100');
      lanes.charge(next.name, next.item);
      now += next.item;
      served += 1;
    }
    expect([served, now]).toEqual([1000, 1500]);
  });

  test('what was asked for is let off: a day of catch-up is not taken for a flood', () => {
    const now = 0;
    const lanes = createLanes<string>(() => now);
    const page = (): string | undefined => {
      lanes.offer('a', 'page', 1000);
      const next = lanes.next();
      if (next) lanes.charge('a', 1500);
      return next?.item;
    };
    expect([page(), page(), page()]).toEqual(['page', 'page', undefined]);
    for (let i = 0; i < 10; i++) {
      lanes.forgive('a');
      expect(page()).toBe('page');
    }
  });
});

describe('the mute', () => {
  /** Times at which a slow check was made, when one is wished for at each of these times. */
  const checks = (wishes: readonly { at_ms: number; name: string }[], limits = MUTE) => {
    let now = 0;
    const mute = createMute(() => now, limits);
    return wishes.filter(({ at_ms, name }) => {
      now = at_ms;
      return mute.mayCheck(name);
    });
  };
  const wishes = fc
    .array(fc.record({ gap_ms: fc.integer({ min: 0, max: 2_000 }), name: fc.constantFrom(...NAMES) }), {
      minLength: 200,
      maxLength: 600,
    })
    .map((list) => {
      let at_ms = 0;
      return list.map(({ gap_ms, name }) => {
        at_ms += gap_ms;
        return { at_ms, name };
      });
    });
  const SMALL = { ...MUTE, checksTogether: 10 } as unknown as typeof MUTE;
  /** Most checks within any time of a mute's length. */
  const busiest = (made: readonly { at_ms: number }[]): number =>
    Math.max(
      0,
      ...made.map(({ at_ms }) => made.filter((o) => o.at_ms >= at_ms && o.at_ms < at_ms + MUTE.for_ms).length),
    );

  test('property: slow checks are few, for each name and for all', () => {
    fc.assert(
      fc.property(wishes, (list) => {
        const made = checks(list, SMALL);
        expect(busiest(made)).toBeLessThan(2 * SMALL.checksTogether);
        for (const name of NAMES)
          expect(busiest(made.filter((each) => each.name === name))).toBeLessThan(2 * SMALL.checks);
      }),
      { numRuns: 30 },
    );
  });

  test('mutant: without a limit for each, one name takes those of all; without one for all, four names take four times', () => {
    const every100ms = Array.from({ length: 600 }, (_, i) => 100 * i);
    const one = every100ms.map((at_ms) => ({ at_ms, name: 'a' }));
    expect(busiest(checks(one, { ...MUTE, checks: NONE } as never))).toBeGreaterThanOrEqual(2 * SMALL.checks);
    const four = every100ms.map((at_ms, i) => ({ at_ms, name: NAMES[i % 4] }));
    expect(busiest(checks(four, { ...SMALL, checksTogether: NONE } as never))).toBeGreaterThanOrEqual(
      2 * SMALL.checksTogether,
    );
  });

  test('recovery: a name that is muted is heard again after its time', () => {
    const flood = Array.from({ length: 600 }, (_, i) => ({ at_ms: 100 * i, name: 'a' }));
    const made = checks([...flood, { at_ms: 61_000, name: 'a' }]);
    expect(made.map(({ at_ms }) => at_ms)).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 61_000]);
  });
});

describe('the door', () => {
  /** A gate whose every step takes so long, and the wall beside it: what else wants a turn each 50 ms, and how late it is. */
  function crowd(knocks: number, steps: number, step_ms: number, build = createDoor) {
    const clock = new ManualClock(0);
    let admitted = 0;
    const gate = {
      *admitting(): Generator<undefined, Admission, undefined> {
        for (let i = 0; i < steps; i++) {
          clock.time += step_ms;
          yield;
        }
        return refusal('duplicate', '');
      },
    };
    const turns: number[] = [];
    const beat = (due: number): void => {
      turns.push(clock.time - due);
      const next = Math.max(due + 50, clock.time);
      clock.after(next - clock.time, () => beat(next));
    };
    const door = build({
      isName: (name) => NAMES.includes(name),
      gate,
      clock,
      reader: () => ({ deciding: 0 }),
      told: () => {
        admitted += 1;
      },
    });
    beat(0);
    for (let i = 0; i < knocks; i++) door.knock(NAMES[i % 2], new Uint8Array(100));
    clock.advance(20_000);
    return { late_ms: Math.max(...turns), admitted };
  }

  test('property: whatever knocks, the control is late by a slice and a step at most, and all are told', () => {
    const crowds = fc.tuple(
      fc.integer({ min: 1, max: 800 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 20 }),
    );
    fc.assert(
      fc.property(crowds, ([knocks, steps, step_ms]) => {
        fc.pre(knocks * steps * step_ms < 4_000);
        const { late_ms, admitted } = crowd(knocks, steps, step_ms);
        expect(late_ms).toBeLessThanOrEqual(DOOR_SLICE_ms + step_ms);
        expect(admitted).toBe(knocks);
      }),
      { numRuns: 40 },
    );
  });

  test('mutant: a door that admits everybody at once keeps the control waiting', () => {
    const atOnce: typeof createDoor = ({ gate, reader, told }) => ({
      knock(name, wire) {
        const admitting = gate.admitting(wire, reader());
        for (let step = admitting.next(); ; step = admitting.next()) if (step.done) return told(name, step.value);
      },
      asked: () => undefined,
      close: () => undefined,
    });
    expect(crowd(400, 5, 1, atOnce).late_ms).toBeGreaterThan(50);
  });

  const R = 1000;
  /** Which codes a door answers with, by name; OpenSSL's part is played by a list of what it takes. */
  function answers(isMuted = true) {
    const clock = new ManualClock(0);
    let slow = 0;
    const verify = createVerify();
    const crafted = new Set<string>();
    const gate = createGate(
      registry,
      sha256,
      (...args) => {
        slow += 1;
        return verify(...args);
      },
      (key, message, signature) =>
        !crafted.has(Buffer.from(signature).toString('hex')) && verify(key, message, signature),
    );
    const told: [string, Refusal | 'accept'][] = [];
    const door = createDoor({
      isName: (name) => registry.members.some((node) => node.name === name),
      gate: isMuted ? gate : { admitting: (wire, reader) => gate.admitting(wire, { ...reader, maySlow: () => true }) },
      clock,
      reader: () => ({ deciding: R, self: 0 }),
      told: (name, admission) => told.push([name, admission.verdict === 'accept' ? 'accept' : admission.code]),
    });
    return {
      clock,
      crafted,
      slow: () => slow,
      hear(name: string, ...wires: Uint8Array[]) {
        told.length = 0;
        for (const wire of wires) door.knock(name, wire);
        return told.map(([, code]) => code);
      },
    };
  }
  const order = (ref: number): Signed => sign(1, { ...messages.order.body, ref } as typeof messages.order.body);
  const forged = (ref: number): Uint8Array => toWire({ ...order(ref), signature: messages.order.signature });

  test('who forges under the name of an honest node closes the slow path for it, and silences nobody', () => {
    const { hear, slow, clock, crafted } = answers();
    const forgeries = Array.from({ length: 20 }, (_, i) => forged(i));
    expect(hear('cp2', ...forgeries)).toEqual([...Array(8).fill('bad-signature'), ...Array(12).fill('muted')]);
    expect(slow()).toBe(8);
    expect(hear('cp2', toWire(order(100)))).toEqual(['accept']); // the honest cp2
    const torsion = order(101); // as if made so that only ZIP 215 takes it
    crafted.add(Buffer.from(torsion.signature).toString('hex'));
    expect(hear('cp2', toWire(torsion))).toEqual(['muted']);
    expect(hear('cp3', toWire(torsion))).toEqual(['accept']); // relayed by another
    clock.advance(MUTE.for_ms);
    expect(hear('cp2', forged(200))).toEqual(['bad-signature']);
  });

  test('mutant: a door that does not mute makes every slow check', () => {
    const { hear, slow } = answers(false);
    hear('cp2', ...Array.from({ length: 20 }, (_, i) => forged(i)));
    expect(slow()).toBe(20);
  });

  test('names that are not of the neighbourhood, and what is too long, cost nothing', () => {
    const { hear, slow } = answers();
    expect(hear('cp9', forged(1))).toEqual(['unknown-sender']);
    expect(hear('cp2', new Uint8Array(MESSAGE_MAX_BYTES + 1))).toEqual(['over-size']);
    expect(slow()).toBe(0);
  });
});

describe('work that a message may cause', () => {
  let checks = 0;
  const verify = createVerify();
  const counting = () => {
    checks = 0;
    return createGate(
      registry,
      sha256,
      (...args) => {
        checks += 1;
        return verify(...args);
      },
      () => false,
    );
  };
  const votes = Array.from({ length: 50 }, (_, i) =>
    sign(0, { ...messages.final.body, block: i.toString(16).padStart(64, '0') } as never, { view: 21_000 }),
  );
  const page = (to: number): Signed => sign(2, { ...messages.page.body, to, blocks: [], pending: votes } as never);
  const admit = (wire: Uint8Array, self?: number, settled?: number, more: Partial<Reader> = {}) => {
    const told = { ...(self !== undefined && { self }), ...(settled !== undefined && { settled }) };
    const reader = { deciding: 1000, ...told, ...more };
    const admitting = counting().admitting(wire, reader);
    let step = admitting.next();
    let pauses = 0;
    for (; !step.done; step = admitting.next()) pauses += 1;
    return [step.value.verdict === 'accept' ? 'accept' : step.value.code, checks, pauses];
  };

  test('fifty signatures are fifty steps, after the one around them', () => {
    expect(admit(toWire(page(0)))).toEqual(['accept', 51, 50]);
  });

  test('a page that is for another costs nothing', () => {
    expect(admit(toWire(page(3)), 0)).toEqual(['for-another', 0, 0]);
    expect(admit(toWire(messages.request), 0)).toEqual(['for-another', 0, 0]);
  });

  test('what whoever is no member puts into a message is not even read', () => {
    const nonsense = sign(2, { ...messages.page.body, to: 0, pending: [messages.order] } as never);
    const signature = signerOf(7).sign(nonsense.payload);
    expect(admit(toWire(nonsense))).toEqual(['malformed', 1, 0]);
    expect(admit(toWire({ ...nonsense, signature }))).toEqual(['bad-signature', 1, 0]);
    expect(admit(toWire({ ...page(0), signature }))).toEqual(['bad-signature', 1, 0]);
  });

  test('what is of another round is not worth a signature', () => {
    expect(admit(toWire(sign(1, messages.order.body, { round: 5 })))).toEqual(['other-round', 0, 0]);
  });

  test('what is about a view that is final is not worth a signature either; a gate that is not told checks it', () => {
    const { final, skip, schedule } = messages;
    for (const message of [final, schedule]) {
      expect(admit(toWire(message), 0, message.view)).toEqual(['settled', 0, 0]);
      expect(admit(toWire(message), 0, message.view - 1)[0]).toBe('accept');
      expect(admit(toWire(message), 0)[0]).toBe('accept');
    }
    const range = skip.body as Vote;
    expect(admit(toWire(skip), 0, range.to)).toEqual(['settled', 0, 0]);
    expect(admit(toWire(skip), 0, range.to - 1)).toEqual(['accept', 1, 1]); // what it says of later views counts
    expect(admit(toWire(page(0)), 0, 15_000)).toEqual(['accept', 51, 50]); // certificates of the past are of such votes
  });

  test('a vote beyond the quorum is not worth a signature, but within a page it is', () => {
    const { final, seal } = messages;
    const asked: string[] = [];
    const isSurplus = (vote: Signed<Vote>): boolean => asked.push(vote.id) > 0;
    expect(admit(toWire(final), 0, 0, { isSurplus })).toEqual(['settled', 0, 0]);
    expect(admit(toWire(final), 0, 0, { isSurplus: () => false })).toEqual(['accept', 1, 1]);
    expect(admit(toWire(seal), 0, 0, { isSurplus })[0]).toBe('accept');
    expect(admit(toWire(page(0)), 0, 0, { isSurplus })).toEqual(['accept', 51, 50]); // a certificate needs all of its votes
    expect(asked).toEqual([final.id]);
  });

  test('what is remembered of verified messages is bounded in bytes', () => {
    const gate = createGate(registry, sha256, () => true);
    const wide = { ...messages.header.body, plan: { orders: Array(60_000).fill(0), shares: [] } };
    const first = sign(3, wide as never, { round: 1 });
    const isRemembered = (): boolean => {
      const twin = gate.examine(toWire(first));
      return twin.verdict === 'accept' && twin.message.payload === known;
    };
    const opened = gate.examine(toWire(first));
    const known = opened.verdict === 'accept' ? opened.message.payload : null;
    expect(isRemembered()).toBe(true);
    for (let i = 0; i <= SEEN_BYTES / first.payload.length; i++)
      gate.examine(toWire(sign(3, wide as never, { round: i + 2 })));
    expect(isRemembered()).toBe(false);
  });
});

describe('frames', () => {
  const varint = (length: number): number[] =>
    length < 128 ? [length] : [(length & 127) | 128, ...varint(length >> 7)];
  const packet = (length: number, fill: number): Buffer =>
    Buffer.concat([Uint8Array.of(0x32, ...varint(length)), Buffer.alloc(length, fill)]);
  const streams = fc.record({
    lengths: fc.array(fc.oneof(fc.integer({ min: 0, max: 150 }), fc.integer({ min: 0, max: 20_000 })), {
      maxLength: 12,
    }),
    cuts: fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1 }),
    most: fc.integer({ min: 4, max: 10_000 }),
  });

  test('property: however the stream arrives, packets pass as they are, longer ones with their beginning alone', () => {
    fc.assert(
      fc.property(streams, ({ lengths, cuts, most }) => {
        const stream = Buffer.concat(lengths.map(packet));
        const expected = Buffer.concat(lengths.map((length, i) => packet(Math.min(length, most), i)));
        const cut = createFrameCutter(most);
        const passed: Buffer[] = [];
        for (let at = 0, i = 0; at < stream.length; at += cuts[i++ % cuts.length])
          passed.push(cut(stream.subarray(at, at + cuts[i % cuts.length])));
        expect(Buffer.concat(passed).equals(expected)).toBe(true);
      }),
    );
  });
});
