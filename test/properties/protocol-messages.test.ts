/**
 * Messages and the door: frozen vectors; what is encoded is decoded again; one flipped bit, random bytes and every
 * kind of bad input are refused with a code, and nothing is ever thrown.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createVerify } from '../../firmware/adapters/ed25519.ts';
import { createGate, type Gate, type Refusal } from '../../firmware/adapters/gate.ts';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { decode, encode, fromHex } from '../../firmware/protocol/codec.ts';
import { MESSAGE_MAX_BYTES, REGISTER_MAX_WH } from '../../firmware/protocol/limits.ts';
import {
  type Body,
  payloadOf,
  readPayload,
  type Signed,
  TYPES,
  toSign,
  toWire,
  type Unsigned,
} from '../../firmware/protocol/messages.ts';
import { makeRegistry } from '../../firmware/protocol/registry.ts';
import { hex, neighbourhoodOf, signerOf } from '../unit/protocol-driver.ts';
import { frozen, messages, registry, sign, vectors } from '../vectors/messages.ts';
import { anyMeter } from './arbitraries.ts';

const ROUND = 1000;
const verify = createVerify();
const door = (): Gate => createGate(registry, sha256, verify);
const code = (gate: Gate, wire: Uint8Array, deciding = ROUND): Refusal | 'accept' => {
  const admission = gate.admit(wire, deciding);
  return admission.verdict === 'accept' ? 'accept' : admission.code;
};

describe('vectors', () => {
  test('the frozen bytes, ids and signatures are what this program makes', () => {
    expect(vectors()).toEqual(frozen());
    expect(new Set(Object.values(messages).map(({ body }) => body.type))).toEqual(new Set(TYPES));
  });

  test.each(Object.entries(messages))('%s passes the door and comes out as it went in', (_name, message) => {
    expect(door().examine(toWire(message))).toEqual({ verdict: 'accept', message });
  });
});

const whole = (max: number, min = 0) => fc.integer({ min, max });
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(hex);
const register = fc.oneof(whole(2 ** 31 - 1), fc.constant(REGISTER_MAX_WH));
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 4 });
const question = {
  to: whole(2 ** 16),
  height: whole(2 ** 31 - 1),
  asked_ms: whole(2 ** 48),
  offset: whole(2 ** 22),
};
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9-]{0,31}$/);
const rating = {
  connector: fc.record({
    kind: fc.constantFrom('slow' as const, 'fast' as const, 'rapid' as const),
    charge_W: whole(1_000_000, 1),
    discharge_W: whole(1_000_000),
  }),
  safeShare_W: whole(1_000_000),
};
const plain = fc.oneof(
  fc
    .record({
      ref: whole(2 ** 31 - 1),
      price: whole(1_000_000),
      power_W: whole(1_000_000, 1),
      maxWait_rounds: whole(255),
      buys: fc.boolean(),
      divisible: fc.boolean(),
      part: whole(100),
    })
    .map(({ buys, part, ...o }) => ({
      type: 'ORDER' as const,
      connector: 0,
      ...o,
      side: buys ? ('buy' as const) : ('sell' as const),
      minimum_W: o.divisible ? Math.floor((o.power_W * part) / 100) : o.power_W,
    })),
  fc.record({
    type: fc.constant('SITE' as const),
    takenAt_ms: whole(2 ** 31 - 1),
    imported_Wh: register,
    exported_Wh: register,
    power_W: whole(1e8, -1e8),
  }),
  anyMeter(register),
  fc.record({
    type: fc.constant('HEADER' as const),
    seal: hash,
    lambda: fc.oneof(whole(1000), fc.constant(2 ** 48)),
    pfInt: fc.bigInt({ min: 0n, max: 2n ** 90n }),
    net_W: whole(2 ** 31 - 1, -(2 ** 31)),
    operations: whole(2 ** 20),
    plan: fc.record({
      orders: list(fc.oneof(whole(255), list(whole(1_000_000)))),
      shares: list(fc.record({ buy_ppm: list(whole(1_000_000)), sell_ppm: list(whole(1_000_000)) })),
    }),
  }),
  fc.record({
    type: fc.constant('SYNC_REQ' as const),
    ...question,
    tips: list(hash),
  }),
  fc.record({
    type: fc.constant('STATE' as const),
    ...question,
    total: whole(2 ** 22, 1),
    part: fc.uint8Array({ maxLength: 40 }),
  }),
  fc.record({
    type: fc.constant('REGISTRY' as const),
    number: whole(2 ** 31 - 1, 1),
    amendments: fc.array(
      fc.oneof(
        fc.record(
          { op: fc.constant('add' as const), name, publicKey: hash, operator: name, ...rating },
          { requiredKeys: ['op', 'name', 'publicKey', 'connector', 'safeShare_W'] },
        ),
        fc.record({ op: fc.constant('remove' as const), node: whole(2047) }),
        fc.record({ op: fc.constant('rotate' as const), node: whole(2047), publicKey: hash }),
        fc.record({ op: fc.constant('rate' as const), node: whole(2047), ...rating }),
      ),
      { minLength: 1, maxLength: 4 },
    ),
  }),
);
const unsigned = (body: fc.Arbitrary<Body>): fc.Arbitrary<Unsigned> =>
  fc.record({
    epoch: whole(9),
    round: fc.oneof(whole(2 ** 31 - 1), fc.constant(2 ** 40)),
    view: fc.constant(0),
    sender: whole(4),
    body,
  });

test('property: what is encoded is decoded again, to the same bytes', () => {
  fc.assert(
    fc.property(unsigned(plain), (message) => {
      const payload = payloadOf(message, registry.tag);
      const read = readPayload(payload, registry.tag, () => expect.unreachable());
      expect(read).toEqual(message);
      expect(payloadOf(read, registry.tag)).toEqual(payload);
    }),
    { numRuns: 300 },
  );
});

/** All places of short messages, random places of long ones. */
const flipped = fc
  .constantFrom(...Object.values(messages).map((message) => toWire(message)))
  .chain((wire) => fc.record({ wire: fc.constant(wire), at: whole(wire.length - 1), bit: whole(7) }))
  .map(({ wire, at, bit }) => wire.map((byte, i) => (i === at ? byte ^ (1 << bit) : byte)));

test('property: one flipped bit anywhere is refused', () => {
  const gate = createGate(registry, sha256, (key, message, signature) =>
    Buffer.from(signerOf(registry.publicKeys.indexOf(key)).sign(message)).equals(signature),
  );
  fc.assert(
    fc.property(flipped, (wire) => {
      // an epoch that nobody knows of may be to come: then it is not looked at
      const admission = gate.examine(wire);
      expect(admission.verdict === 'reject' || ('code' in admission && admission.code === 'other-epoch')).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('mutant: a door that does not check signatures lets flipped bits in', () => {
  const open = createGate(registry, sha256, () => true);
  expect(fc.sample(flipped, { numRuns: 200, seed: 1 }).some((wire) => open.examine(wire).verdict === 'accept')).toBe(
    true,
  );
});

const junk = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.anything({ withBigInt: false, withTypedArray: true }).map((value) => Buffer.from(JSON.stringify(value) ?? '')),
  // well-formed lists of the wrong things, behind a good signature of node 0
  fc
    .array(
      fc.oneof(
        whole(8),
        whole(2 ** 31 - 1, -9),
        fc.uint8Array({ maxLength: 64 }),
        fc.string({ maxLength: 9 }),
        fc.constant(null),
        fc.constant([[], [1]]),
      ),
      { maxLength: 20 },
    )
    .chain((tail) =>
      fc
        .constantFrom([1, 0], [1, 3], [1, 4], [1, 7])
        .map(([version, type]) => [version, type, registry.tag, 0, ROUND, 0, 0, ...tail]),
    )
    .map((fields) => {
      const payload = encode(fields as never);
      return encode([payload, signerOf(0).sign(toSign(payload))]);
    }),
);

test('property: nothing that arrives is thrown, and no junk is accepted', () => {
  const gate = door();
  fc.assert(
    fc.property(junk, (wire) => {
      const admission = gate.admit(wire, ROUND);
      expect(admission.verdict).toBe('reject');
    }),
    { numRuns: 500 },
  );
});

test('messages nested a thousand deep are refused without being followed', () => {
  let inner: Signed = messages.seal;
  const onion = (): void => {
    const payload = encode([
      1,
      TYPES.indexOf('PROPOSE'),
      registry.tag,
      0,
      ROUND,
      21_000,
      0,
      0,
      fromHex(registry.genesis),
      [[inner.payload, inner.signature]],
    ]);
    inner = { ...inner, payload, signature: new Uint8Array(64) };
  };
  for (let depth = 0; depth < 1000; depth++) onion();
  const wire = toWire({ ...inner, signature: signerOf(0).sign(toSign(inner.payload)) });
  expect(wire.length).toBeLessThan(MESSAGE_MAX_BYTES);
  expect(door().examine(wire)).toMatchObject({
    code: 'malformed',
    detail: 'a PROPOSE where only ORDER, SITE, METER, HEADER, REGISTRY, EVIDENCE, VOTE may be',
  });
  const lists = new Uint8Array(MESSAGE_MAX_BYTES).fill(0x81);
  expect(code(door(), lists)).toBe('not-a-message');
});

/** The payload of a message with one field of its list replaced, signed again by its sender. */
function with_(message: Signed, at: number, value: unknown): Uint8Array {
  const list = decode(message.payload) as unknown[];
  const payload = encode(list.with(at, value) as never);
  return encode([payload, signerOf(message.sender).sign(toSign(payload))]);
}
const stranger = makeRegistry(neighbourhoodOf(4, { capacity_W: 1 }), sha256);
const { order, seal, schedule, header, final, request, page } = messages;
const forged = { ...order, signature: order.signature.map((byte, i) => (i === 40 ? byte ^ 1 : byte)) };
const at = (round: number, message: Signed): Uint8Array => toWire(sign(message.sender, message.body, { round }));

test.each<[string, Uint8Array, Refusal | 'accept', number?]>([
  ['an order', toWire(order), 'accept'],
  ['text', Buffer.from('{"order": 1}'), 'not-a-message'],
  ['nothing', new Uint8Array(0), 'not-a-message'],
  ['CBOR of something else', encode([1, 2, 3]), 'not-a-message'],
  ['CBOR that is not canonical (a wide zero)', Uint8Array.from([0x82, 0x18, 0x00, 0x40]), 'not-a-message'],
  ['bytes behind the message', Uint8Array.from([...toWire(order), 0]), 'not-a-message'],
  ['a payload that is not canonical', encode([Uint8Array.from([0x81, 0x18, 0x01]), order.signature]), 'malformed'],
  ['a signature that is too short', encode([order.payload, order.signature.slice(1)]), 'not-a-message'],
  ['a message that is too long', new Uint8Array(MESSAGE_MAX_BYTES + 1), 'over-size'],
  ['another version', with_(order, 0, 2), 'foreign'],
  ['another neighbourhood', toWire({ ...order, payload: payloadOf(order, stranger.tag) }), 'foreign'],
  ['a type that does not exist', with_(order, 1, TYPES.length), 'out-of-range'],
  [
    'a node that does not exist',
    encode([payloadOf({ ...order, sender: 9 }, registry.tag), order.signature]),
    'unknown-sender',
  ],
  [
    'the word of another node',
    encode([payloadOf({ ...order, sender: 1 }, registry.tag), order.signature]),
    'bad-signature',
  ],
  ['a wrong signature', toWire(forged), 'bad-signature'],
  [
    'a wrong signature inside a SEAL',
    toWire(sign(2, { ...seal.body, carried: [forged] }, { view: 21_000 })),
    'bad-signature',
  ],
  [
    'a field that is missing',
    encode([encode((decode(order.payload) as never[]).slice(0, -1) as never), order.signature]),
    'malformed',
  ],
  [
    'a field too many',
    with_({ ...request, payload: encode([...(decode(request.payload) as never[]), 1]) } as Signed, 0, 1),
    'malformed',
  ],
  ['an order of no power', with_(order, 11, 0), 'out-of-range'],
  ['a minimum above the power', with_(order, 14, 7001), 'out-of-range'],
  ['an order with a view', with_(order, 5, 21_000), 'out-of-range'],
  ['a vote of one round in a view of another', with_(final, 4, 1001), 'out-of-range'],
  ['a FINAL that covers two views', with_(final, 8, 21_001), 'out-of-range'],
  ['a benefit with a leading zero', with_(header, 9, Uint8Array.from([0, 1])), 'malformed'],
  [
    'a SEAL inside a SCHEDULE',
    toWire(sign(3, { ...schedule.body, carried: [seal as never] }, { view: 21_010 })),
    'malformed',
  ],
  ['a page of catch-up that holds an order', toWire(sign(2, { ...page.body, pending: [order as never] })), 'malformed'],
  ['an order of the round after the next', at(1002, order), 'other-round'],
  ['an order of a round that was decided', at(999, order), 'other-round'],
  ['a METER statement an hour old', toWire(messages.meter), 'accept', 1010],
  ['a METER statement older than that', toWire(messages.meter), 'other-round', 1011],
  ['a vote of long ago: it may mend a partition', toWire(final), 'accept', 9999],
])('the door meets %s', (_what, wire, expected, deciding) => {
  expect(code(door(), wire, deciding)).toBe(expected);
});

describe('repetition', () => {
  test("the second time is a duplicate, the echo of one's own too", () => {
    const gate = door();
    expect([code(gate, toWire(order)), code(gate, toWire(order))]).toEqual(['accept', 'duplicate']);
    gate.remember(final);
    expect(code(gate, toWire(final))).toBe('duplicate');
  });

  test('a copy with another signature costs no verification', () => {
    let checks = 0;
    const gate = createGate(registry, sha256, (...args) => {
      checks += 1;
      return verify(...args);
    });
    gate.admit(toWire(order), ROUND);
    expect([code(gate, toWire(forged)), checks]).toEqual(['duplicate', 1]);
  });

  test('an order seen only inside a SEAL is still news when it comes by itself, and is not verified again', () => {
    let checks = 0;
    const gate = createGate(registry, sha256, (...args) => {
      checks += 1;
      return verify(...args);
    });
    expect(code(gate, toWire(seal))).toBe('accept');
    expect([checks, code(gate, toWire(order)), checks]).toEqual([4, 'accept', 4]);
  });

  test('what came too early is not forgotten, but welcome when its round has come', () => {
    const gate = door();
    expect(code(gate, at(1002, order), 1000)).toBe('other-round');
    expect(code(gate, at(1002, order), 1001)).toBe('accept');
  });

  test('a forged signature is not believed because the message was seen inside another', () => {
    const gate = door();
    gate.admit(toWire(seal), ROUND);
    expect(code(gate, toWire(forged))).toBe('bad-signature');
  });

  test('mutant: a door that remembers by id alone, whatever it was seen in, takes news for a repetition', () => {
    const seen = new Set<string>();
    const mutant = (message: Signed): string => {
      if (seen.has(message.id)) return 'duplicate';
      seen.add(message.id);
      if (message.body.type === 'PROPOSE') for (const inner of message.body.carried) seen.add(inner.id);
      return 'accept';
    };
    expect([mutant(seal), mutant(order)]).toEqual(['accept', 'duplicate']);
  });
});
