/**
 * The door: from bytes to a verified message, or a refusal with a code. The only maker of `Signed` messages of
 * others. What passes was checked for size, canonical bytes, shape, neighbourhood, sender, round and signature, and
 * so was every message inside it; behind the door nothing is checked twice. Never throws.
 */
import type { Hash, Verify } from '../ports.ts';
import { fromHex, sameBytes } from '../protocol/codec.ts';
import { MESSAGE_MAX_BYTES, METER_ROUNDS_BACK, NESTING_MOST, SEEN_BYTES, SEEN_MAX } from '../protocol/limits.ts';
import { type Members, publicKeyOf } from '../protocol/members.ts';
import {
  addresseeOf,
  type Body,
  envelopeOf,
  fromWire,
  idOf,
  MessageError,
  type MessageType,
  readPayload,
  type Signed,
  signed,
  TYPES,
  toSign,
  type Vote,
} from '../protocol/messages.ts';
import type { Registry } from '../protocol/registry.ts';
import { publicKeyFlaw } from './ed25519.ts';

export const REFUSALS = [
  'over-size',
  'not-a-message',
  'malformed',
  'out-of-range',
  'foreign',
  'unknown-sender',
  'other-epoch',
  'bad-signature',
  'other-round',
  'duplicate',
  'for-another',
  'settled',
  'muted',
  'flooded',
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** `ignore`: harmless (MQTT repeats itself, a peer is a little behind). `reject`: somebody misbehaves. */
export type Admission =
  | { readonly verdict: 'accept'; readonly message: Signed }
  | { readonly verdict: 'ignore' | 'reject'; readonly code: Refusal; readonly detail: string };

/** For whom a message is opened. */
export interface Reader {
  readonly deciding: number;
  /** Pages of catch-up are for the node they are addressed to; undefined reads them all. */
  readonly self?: number;
  /** The last final view: votes and blocks up to it change nothing any more. */
  readonly settled?: number;
  /** Whether a quorum has cast this vote already, so that it changes nothing either; never, if left out. */
  readonly isSurplus?: (vote: Signed<Vote>) => boolean;
  /** Asked before a signature is checked that is slow to check; always, if left out. */
  readonly maySlow?: () => boolean;
}

export interface Gate {
  /** One message from the bus, while `deciding` is the round being decided. */
  admit(wire: Uint8Array, deciding: number): Admission;
  /**
   * The same, a signature at a time, so that the caller may do something else in between. What does not concern this
   * reader is refused before its signatures are looked at.
   */
  admitting(wire: Uint8Array, reader: Reader): Generator<undefined, Admission, undefined>;
  /** The same checks for bytes from elsewhere, such as a ledger file: none is of another round or a duplicate. */
  examine(wire: Uint8Array): Admission;
  /** A message of this node's own ledger: read, not verified. Throws when it is not one of ours. */
  reopen(wire: Uint8Array): Signed;
  /** Whose keys count from now on. */
  follow(members: Members): void;
  /** Remembers a message of this node's own, so that its echo from the broker is a duplicate. */
  remember(message: Signed): void;
}

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
  EVIDENCE: [Number.NEGATIVE_INFINITY, 1],
  STATE: [-1, 1],
  REGISTRY: [Number.NEGATIVE_INFINITY, 1],
};

const HARMLESS: readonly Refusal[] = [
  'duplicate',
  'other-epoch',
  'other-round',
  'for-another',
  'settled',
  'muted',
  'flooded',
];

/** Thrown and caught in this file alone. No Error: its stack, which nobody reads, would cost as much as all else of a refusal. */
class Refused {
  readonly code: Refusal;
  readonly message: string;
  constructor(code: Refusal, message: string) {
    this.code = code;
    this.message = message;
  }
}

export const refusal = (code: Refusal, detail: string): Admission => ({
  verdict: HARMLESS.includes(code) ? 'ignore' : 'reject',
  code,
  detail,
});

/** `quick` says yes only where `verify` would, at a fraction of the cost; where it says no, `verify` decides. */
export function createGate(registry: Registry, hash: Hash, verify: Verify, quick: Verify = verify): Gate {
  let members: Members = { registry, handover: null };
  /** Verified messages by id, oldest first. One seen only inside another was not delivered by itself yet. */
  const seen = new Map<string, Signed>();
  let seenBytes = 0;
  const delivered = new Set<string>();
  const forget = (id: string): void => {
    seenBytes -= seen.get(id)?.payload.length ?? 0;
    seen.delete(id);
  };
  const see = (message: Signed): void => {
    forget(message.id);
    seen.set(message.id, message);
    seenBytes += message.payload.length;
    while (seen.size > SEEN_MAX || seenBytes > SEEN_BYTES) forget(seen.keys().next().value as string);
  };
  const deliver = (id: string): void => {
    delivered.add(id);
    if (delivered.size > SEEN_MAX) delivered.delete(delivered.keys().next().value as string);
  };

  /** A question may be of any epoch: who asks does not know which it is. */
  const keyOf = (sender: number, epoch: number, type: MessageType): Uint8Array => {
    const last = members.handover?.registry ?? members.registry;
    const publicKey =
      publicKeyOf(members, sender, epoch) ?? (type === 'SYNC_REQ' ? publicKeyOf(members, sender, last.epoch) : null);
    if (publicKey !== null) return publicKey;
    if (epoch > last.epoch) throw new Refused('other-epoch', `of epoch ${epoch}, and this node knows of ${last.epoch}`);
    throw new Refused('unknown-sender', `no node ${sender} with a key in epoch ${epoch} in the neighbourhood`);
  };
  /** Throws unless the sender has signed the payload. */
  const prove = (type: MessageType, { sender, epoch, payload, signature }: Sealed, maySlow: () => boolean): void => {
    const [publicKey, message] = [keyOf(sender, epoch, type), toSign(payload)];
    if (quick(publicKey, message, signature)) return;
    if (!maySlow()) throw new Refused('muted', `only the slow check could tell whether node ${sender} has signed this`);
    if (!verify(publicKey, message, signature)) throw new Refused('bad-signature', `not signed by node ${sender}`);
  };

  /** Reads a message and what it holds. What is not verified yet is added to `unproven`, the inner ones first. */
  const read = (
    { payload, signature }: Pair,
    unproven: Signed[],
    allowed: readonly MessageType[] = TYPES,
    onNested = (): void => undefined,
    id = idOf(payload, hash),
    depth = 1,
  ): Signed => {
    const before = seen.get(id);
    if (before !== undefined && allowed.includes(before.body.type) && sameBytes(before.signature, signature))
      return before;
    const nested = (inner: Pair, types: readonly MessageType[]): Signed => {
      onNested();
      if (depth === NESTING_MOST)
        throw new MessageError('malformed', `messages within messages, more than ${NESTING_MOST} deep`);
      return read(inner, unproven, types, undefined, undefined, depth + 1);
    };
    const message = readPayload(payload, registry.tag, nested, allowed);
    refuseWeakKeys(message.body);
    const opened = signed(message, payload, signature, hash, id);
    unproven.push(opened);
    return opened;
  };

  const admitting = function* (
    wire: Uint8Array,
    { deciding, self, settled = -1, isSurplus = () => false, maySlow = () => true }: Partial<Reader>,
    known: (id: string) => boolean,
  ): Generator<undefined, Admission, undefined> {
    if (wire.length > MESSAGE_MAX_BYTES) return refusal('over-size', `${wire.length} bytes`);
    const pair = fromWire(wire);
    if (pair === null) return refusal('not-a-message', 'not [payload, signature] in canonical CBOR');
    const id = idOf(pair.payload, hash);
    if (known(id)) return refusal('duplicate', id);
    try {
      const unproven: Signed[] = [];
      let isProven = false;
      // Before a thousand messages inside this one are read: is it for this node, and has a member signed it?
      const onNested = (): void => {
        if (isProven) return;
        const { type, epoch, sender, view, to } = envelopeOf(pair.payload);
        if (type === 'SYNC_RES' || type === 'STATE') refuseForAnother(to, self);
        if (type === 'PROPOSE') refuseSettled(view, settled);
        prove(type, { sender, epoch, ...pair }, maySlow);
        isProven = true;
      };
      const message = read(pair, unproven, TYPES, onNested, id);
      if (message.body.type === 'VOTE') {
        refuseSettled(message.body.to, settled);
        if (isSurplus(message as Signed<Vote>)) throw new Refused('settled', 'a quorum has cast this vote already');
      }
      refuseForAnother(addresseeOf(message) ?? self, self);
      if (deciding !== undefined) refuseOtherRound(message, deciding);
      if (!isProven && unproven.includes(message)) {
        prove(message.body.type, message, maySlow);
        yield;
      }
      for (const each of unproven) {
        if (each !== message) {
          prove(each.body.type, each, maySlow);
          yield;
        }
        see(each);
      }
      return { verdict: 'accept', message };
    } catch (error) {
      if (error instanceof Refused || error instanceof MessageError) return refusal(error.code, error.message);
      throw error;
    }
  };
  const arriving = function* (wire: Uint8Array, reader: Reader): Generator<undefined, Admission, undefined> {
    const admission = yield* admitting(wire, reader, (id) => delivered.has(id));
    if (admission.verdict === 'accept') deliver(admission.message.id);
    return admission;
  };

  return {
    follow(next) {
      members = next;
    },
    remember(message) {
      see(message);
      deliver(message.id);
    },
    examine: (wire) => toTheEnd(admitting(wire, {}, () => false)),
    admitting: arriving,
    admit: (wire, deciding) => toTheEnd(arriving(wire, { deciding })),
    reopen(wire) {
      const pair = fromWire(wire);
      if (pair === null) throw new Error('the ledger holds bytes that are no message');
      const own: Signed[] = [];
      const message = read(pair, own);
      for (const each of own) see(each);
      return message;
    },
  };
}

type Pair = Pick<Signed, 'payload' | 'signature'>;
type Sealed = Pick<Signed, 'payload' | 'signature' | 'sender' | 'epoch'>;

function toTheEnd(admission: Generator<undefined, Admission, undefined>): Admission {
  for (;;) {
    const step = admission.next();
    if (step.done) return step.value;
  }
}

/** Anyone could sign for a key of small order (protocol README, C28): none comes in. */
function refuseWeakKeys(body: Body): void {
  if (body.type !== 'REGISTRY') return;
  for (const amendment of body.amendments) {
    const flaw = 'publicKey' in amendment ? publicKeyFlaw(fromHex(amendment.publicKey)) : null;
    if (flaw)
      throw new MessageError('out-of-range', `publicKey ${'publicKey' in amendment && amendment.publicKey}: ${flaw}`);
  }
}

function refuseForAnother(to: number | undefined, self: number | undefined): void {
  if (self !== undefined && to !== self) throw new Refused('for-another', `for node ${to}`);
}

function refuseSettled(view: number, settled: number): void {
  if (view <= settled) throw new Refused('settled', `about view ${view}, and view ${settled} is final`);
}

function refuseOtherRound({ body, round }: Signed, deciding: number): void {
  const [least, most] = WINDOW[body.type];
  if (round - deciding < least || round - deciding > most) {
    throw new Refused('other-round', `${body.type} of round ${round} while ${deciding} is decided`);
  }
}
