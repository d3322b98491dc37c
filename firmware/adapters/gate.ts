/**
 * The door: from bytes to a verified message, or a refusal with a code. The only maker of `Signed` messages of
 * others. What passes was checked for size, canonical bytes, shape, neighbourhood, sender, round and signature, and
 * so was every message inside it; behind the door nothing is checked twice. Never throws.
 */
import type { Hash, Verify } from '../ports.ts';
import { sameBytes, toHex } from '../protocol/codec.ts';
import { MESSAGE_MAX_BYTES, METER_ROUNDS_BACK } from '../protocol/limits.ts';
import {
  fromWire,
  MessageError,
  type MessageType,
  readPayload,
  type Signed,
  signed,
  TYPES,
  toSign,
} from '../protocol/messages.ts';
import type { Registry } from '../protocol/registry.ts';

export const REFUSALS = [
  'over-size',
  'not-a-message',
  'malformed',
  'out-of-range',
  'foreign',
  'unknown-sender',
  'bad-signature',
  'other-round',
  'duplicate',
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** `ignore`: harmless (MQTT repeats itself, a peer is a little behind). `reject`: somebody misbehaves. */
export type Admission =
  | { readonly verdict: 'accept'; readonly message: Signed }
  | { readonly verdict: 'ignore' | 'reject'; readonly code: Refusal; readonly detail: string };

export interface Gate {
  /** One message from the bus, while `deciding` is the round being decided. */
  admit(wire: Uint8Array, deciding: number): Admission;
  /** The same checks for bytes from elsewhere, such as a ledger file: none is of another round or a duplicate. */
  examine(wire: Uint8Array): Admission;
  /** A message of this node's own ledger: read, not verified. Throws when it is not one of ours. */
  reopen(wire: Uint8Array): Signed;
  /** Remembers a message of this node's own, so that its echo from the broker is a duplicate. */
  remember(message: Signed): void;
}

/** Messages remembered: a round of 100 nodes has about a thousand. */
const SEEN_MAX = 8192;

/** Fewest and most rounds that a message's may lie from the one being decided. */
const WINDOW: Readonly<Record<Signed['body']['type'], readonly [number, number]>> = {
  ORDER: [0, 1],
  SITE: [0, 1],
  HEADER: [0, 1],
  METER: [-METER_ROUNDS_BACK, 0],
  // Votes and blocks of the past mend a partition; the core drops what lies below its last final block.
  PROPOSE: [Number.NEGATIVE_INFINITY, 1],
  VOTE: [Number.NEGATIVE_INFINITY, 1],
  SYNC_REQ: [-1, 1],
  SYNC_RES: [-1, 1],
  STATE: [-1, 1],
};

class Refused extends Error {
  readonly code: Refusal;
  constructor(code: Refusal, message: string) {
    super(message);
    this.code = code;
  }
}

export function createGate(registry: Registry, hash: Hash, verify: Verify): Gate {
  /** Verified messages by id, oldest first. One seen only inside another was not delivered by itself yet. */
  const seen = new Map<string, Signed>();
  const delivered = new Set<string>();
  const see = (message: Signed): void => {
    seen.set(message.id, message);
    if (seen.size > SEEN_MAX) seen.delete(seen.keys().next().value as string);
  };
  const deliver = (id: string): void => {
    delivered.add(id);
    if (delivered.size > SEEN_MAX) delivered.delete(delivered.keys().next().value as string);
  };

  const open = (
    payload: Uint8Array,
    signature: Uint8Array,
    check: Verify,
    allowed: readonly MessageType[] = TYPES,
  ): Signed => {
    const before = seen.get(toHex(hash(toSign(payload))));
    if (before !== undefined && allowed.includes(before.body.type) && sameBytes(before.signature, signature))
      return before;
    const nested = (inner: { payload: Uint8Array; signature: Uint8Array }, types: readonly MessageType[]): Signed =>
      open(inner.payload, inner.signature, check, types);
    const message = readPayload(payload, registry.tag, nested, allowed);
    const publicKey = registry.publicKeys[message.sender];
    if (publicKey === undefined) throw new Refused('unknown-sender', `no node ${message.sender} in the neighbourhood`);
    if (!check(publicKey, toSign(payload), signature)) {
      throw new Refused('bad-signature', `not signed by node ${message.sender}`);
    }
    const opened = signed(message, payload, signature, hash);
    see(opened);
    return opened;
  };

  const examine = (wire: Uint8Array, known: (id: string) => boolean): Admission => {
    if (wire.length > MESSAGE_MAX_BYTES)
      return { verdict: 'reject', code: 'over-size', detail: `${wire.length} bytes` };
    const parts = fromWire(wire);
    if (parts === null)
      return { verdict: 'reject', code: 'not-a-message', detail: 'not [payload, signature] in canonical CBOR' };
    const id = toHex(hash(toSign(parts.payload)));
    if (known(id)) return { verdict: 'ignore', code: 'duplicate', detail: id };
    try {
      return { verdict: 'accept', message: open(parts.payload, parts.signature, verify) };
    } catch (error) {
      if (error instanceof Refused || error instanceof MessageError) {
        return { verdict: 'reject', code: error.code, detail: error.message };
      }
      throw error;
    }
  };

  return {
    remember(message) {
      see(message);
      deliver(message.id);
    },
    examine: (wire) => examine(wire, () => false),
    admit(wire, deciding) {
      const admission = examine(wire, (id) => delivered.has(id));
      if (admission.verdict !== 'accept') return admission;
      const { message } = admission;
      const [least, most] = WINDOW[message.body.type];
      const away = message.round - deciding;
      if (away < least || away > most) {
        return {
          verdict: 'ignore',
          code: 'other-round',
          detail: `${message.body.type} of round ${message.round} while ${deciding} is decided`,
        };
      }
      deliver(message.id);
      return admission;
    },
    reopen(wire) {
      const parts = fromWire(wire);
      if (parts === null) throw new Error('the ledger holds bytes that are no message');
      return open(parts.payload, parts.signature, () => true);
    },
  };
}
