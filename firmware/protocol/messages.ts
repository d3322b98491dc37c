/**
 * The messages: their fields, their canonical bytes, and nothing else. A payload is the CBOR list
 * [version, type, tag, epoch, round, view, sender, ...body]; a message on the wire is [payload, signature], the
 * signature covering DOMAIN ‖ payload. A message is known by its id, SHA-256(DOMAIN ‖ payload): an order's id,
 * a header's and a block's hash are all this. Table of senders and receivers: README.md.
 */
import type { Hash } from '../ports.ts';
import { type PlanAhead, PPM } from './benefit/instance.ts';
import { type Canonical, concat, decode, encode, fromHex, toHex } from './codec.ts';
import type { ConnectorKind, RegisteredNode } from './genesis.ts';
import {
  AMENDMENTS_MOST,
  CHECKPOINT_MAX_BYTES,
  NODES_MOST,
  POWER_MAX_W,
  PRICE_MAX,
  REGISTER_MAX_WH,
  SITE_MAX_W,
  SYNC_PAGE_BYTES,
  TIPS_MAX,
  VIEWS_PER_ROUND,
} from './limits.ts';

export const DOMAIN = new TextEncoder().encode('P2PEBT/1');
const VERSION = 1;

export const TYPES = [
  'ORDER',
  'SITE',
  'METER',
  'HEADER',
  'PROPOSE',
  'VOTE',
  'SYNC_REQ',
  'SYNC_RES',
  'STATE',
  'EVIDENCE',
  'REGISTRY',
] as const;
export type MessageType = (typeof TYPES)[number];

/** (γ, Id, σ, Q) of Eq. 1-2; Id is the sender. `round` of the envelope is the first round it may execute in. */
export interface Order {
  readonly type: 'ORDER';
  /** Distinguishes orders of one sender and round. */
  readonly ref: number;
  readonly connector: number;
  /** γ of Eq. 2: buy = 1, sell = 0. */
  readonly side: 'buy' | 'sell';
  /** σ, 10^-5 EUR/kWh: the most a buyer pays, the least a seller takes. Carried; the market is an issue of its own. */
  readonly price: number;
  /** Q as power over one round: AC drawn at the connector (buy), battery side given (sell). */
  readonly power_W: number;
  /** Committed rounds that it may wait, at most the neighbourhood's. */
  readonly maxWait_rounds: number;
  /** May be served in part, down to minimum_W (which is power_W for an indivisible order). */
  readonly divisible: boolean;
  readonly minimum_W: number;
}

/** The head meter's reading for the SEAL of `round`: registers at the start of the interval in which it is decided. */
export interface Site {
  readonly type: 'SITE';
  readonly takenAt_ms: number;
  readonly imported_Wh: number;
  readonly exported_Wh: number;
  /** Average since the start of that interval, import positive. */
  readonly power_W: number;
}

/** A charge point's registers at the end of delivery round `round`, and where its previous statement left off. */
export interface MeterStatement {
  readonly type: 'METER';
  readonly importedBefore_Wh: number;
  readonly exportedBefore_Wh: number;
  readonly imported_Wh: number;
  readonly exported_Wh: number;
  /** Whether the plan was followed under its lease, or the fallback. */
  readonly mode: 'lease' | 'fallback';
}

/** How a candidate would serve the orders of a SEAL, and what that is worth. The sender is the author. */
export interface Header {
  readonly type: 'HEADER';
  /** Id of the SEAL that it solves. */
  readonly seal: string;
  /** floor(L0 K / (PFint + K)); recomputed by all. */
  readonly lambda: number;
  /** Not negative. On the wire a big-endian byte string without leading zeros: it may pass 64 bits. */
  readonly pfInt: bigint;
  readonly net_W: number;
  readonly operations: number;
  /** What it does with each pending order and intends with those to come; only its first round binds. */
  readonly plan: PlanAhead;
}

export type BlockKind = 'SEAL' | 'SCHEDULE' | 'CARRY';

/** What a block may carry. */
export type Carried = Order | Site | MeterStatement | Header | RegistryChange | Evidence | Vote;

/** A block as its leader proposes it; `parent` is the id of another PROPOSE, or of the neighbourhood itself. */
export interface Block {
  readonly type: 'PROPOSE';
  readonly kind: BlockKind;
  readonly parent: string;
  /**
   * SEAL: the orders new in this round, the SITE reading, the METER statements, and what changes the members. SCHEDULE: the
   * winning HEADER.
   */
  readonly carried: readonly Signed<Carried>[];
  /** Hash of the state under a SEAL that opens a day or names a hand-over (checkpoint.ts); in every other block empty, and not on the wire. */
  readonly checkpoint: string;
}

/** A vote on views [view, to]; only a SKIP covers more than one. */
export interface Vote {
  readonly type: 'VOTE';
  readonly kind: 'notarize' | 'final' | 'skip';
  readonly to: number;
  /** The block voted for; empty for a SKIP. */
  readonly block: string;
}

/**
 * "Send me what follows this height." Addressed to one peer, so that one answers. With an offset: "I have so many bytes
 * of the state at this height".
 */
export interface SyncRequest {
  readonly type: 'SYNC_REQ';
  readonly to: number;
  readonly height: number;
  /** When, by the asker's clock: the same question at another time is another message, and the answer repeats it. */
  readonly asked_ms: number;
  readonly offset: number;
  /** Ids of notarised blocks that are not final: with each, the asker has all below it. */
  readonly tips: readonly string[];
}

/** The state of a checkpoint, from a peer that keeps the asked blocks no longer: a part of its `total` bytes. */
export interface StatePart {
  readonly type: 'STATE';
  readonly to: number;
  readonly height: number;
  readonly asked_ms: number;
  readonly offset: number;
  readonly total: number;
  readonly part: Uint8Array;
}

/**
 * Final blocks in order, each with its FINAL votes (none for one that a descendant finalises; that one may be in a later page),
 * then what is not final yet.
 */
export interface SyncResponse {
  readonly type: 'SYNC_RES';
  readonly to: number;
  readonly height: number;
  readonly asked_ms: number;
  readonly blocks: readonly { readonly block: Signed<Block>; readonly votes: readonly Signed<Vote>[] }[];
  readonly pending: readonly Signed<Block | Vote>[];
}

/** Two messages of one node that no honest node signs both, or a header that is not what it says (evidence.ts). */
export interface Evidence {
  readonly type: 'EVIDENCE';
  readonly first: Signed;
  readonly second: Signed | null;
}

/** One entry of a change of the members. A node is named by its index. */
export type Amendment =
  | {
      readonly op: 'add';
      readonly name: string;
      readonly publicKey: string;
      readonly operator?: string;
      readonly connector: NonNullable<RegisteredNode['connector']>;
      readonly safeShare_W: number;
    }
  | { readonly op: 'remove'; readonly node: number }
  | { readonly op: 'rotate'; readonly node: number; readonly publicKey: string }
  | {
      readonly op: 'rate';
      readonly node: number;
      readonly connector: NonNullable<RegisteredNode['connector']>;
      readonly safeShare_W: number;
    };

/** The registrar's change of the members (membership.ts): all of it or nothing. */
export interface RegistryChange {
  readonly type: 'REGISTRY';
  /** One more than the last change on the chain. */
  readonly number: number;
  readonly amendments: readonly Amendment[];
}

export type Body =
  | Order
  | Site
  | MeterStatement
  | Header
  | Block
  | Vote
  | SyncRequest
  | SyncResponse
  | StatePart
  | Evidence
  | RegistryChange;

export interface Unsigned<B extends Body = Body> {
  readonly epoch: number;
  readonly round: number;
  /** Global count of views for PROPOSE and VOTE; 0 otherwise. */
  readonly view: number;
  readonly sender: number;
  readonly body: B;
}

/** A message whose signature, size, shape and canonical bytes were checked at the door (adapters/gate.ts). */
export interface Signed<B extends Body = Body> extends Unsigned<B> {
  /** SHA-256(DOMAIN ‖ payload), hexadecimal. */
  readonly id: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

const BLOCK_KINDS: readonly BlockKind[] = ['SEAL', 'SCHEDULE', 'CARRY'];
const VOTE_KINDS: readonly Vote['kind'][] = ['notarize', 'final', 'skip'];

const wireList = (messages: readonly Signed[]): Canonical =>
  messages.map((message) => [message.payload, message.signature]);

function bigBytes(value: bigint): Uint8Array {
  const digits = value === 0n ? '' : value.toString(16);
  return fromHex(digits.padStart(digits.length + (digits.length % 2), '0'));
}

function bodyFields(body: Body): Canonical[] {
  switch (body.type) {
    case 'ORDER':
      return [
        body.ref,
        body.connector,
        body.side === 'buy' ? 1 : 0,
        body.price,
        body.power_W,
        body.maxWait_rounds,
        body.divisible ? 1 : 0,
        body.minimum_W,
      ];
    case 'SITE':
      return [body.takenAt_ms, body.imported_Wh, body.exported_Wh, body.power_W];
    case 'METER':
      return [
        body.importedBefore_Wh,
        body.exportedBefore_Wh,
        body.imported_Wh,
        body.exported_Wh,
        body.mode === 'lease' ? 0 : 1,
      ];
    case 'HEADER':
      return [
        fromHex(body.seal),
        body.lambda,
        bigBytes(body.pfInt),
        body.net_W,
        body.operations,
        body.plan.orders,
        body.plan.shares.map(({ buy_ppm, sell_ppm }) => [buy_ppm, sell_ppm]),
      ];
    case 'PROPOSE':
      return [
        BLOCK_KINDS.indexOf(body.kind),
        fromHex(body.parent),
        wireList(body.carried),
        ...(body.checkpoint === '' ? [] : [fromHex(body.checkpoint)]),
      ];
    case 'VOTE':
      return [VOTE_KINDS.indexOf(body.kind), body.to, fromHex(body.block)];
    case 'SYNC_REQ':
      return [body.to, body.height, body.asked_ms, body.offset, body.tips.map(fromHex)];
    case 'STATE':
      return [body.to, body.height, body.asked_ms, body.offset, body.total, body.part];
    case 'SYNC_RES':
      return [
        body.to,
        body.height,
        body.asked_ms,
        body.blocks.map(({ block, votes }) => [[block.payload, block.signature], wireList(votes)]),
        wireList(body.pending),
      ];
    case 'EVIDENCE':
      return [wireList(body.second === null ? [body.first] : [body.first, body.second])];
    case 'REGISTRY':
      return [body.number, body.amendments.map(amendmentFields)];
  }
}

const CONNECTOR_KINDS: readonly ConnectorKind[] = ['slow', 'fast', 'rapid'];
const OPS: readonly Amendment['op'][] = ['add', 'remove', 'rotate', 'rate'];

function amendmentFields(amendment: Amendment): Canonical {
  const op = OPS.indexOf(amendment.op);
  const rating = ({ connector, safeShare_W }: Extract<Amendment, { safeShare_W: number }>): Canonical[] => [
    CONNECTOR_KINDS.indexOf(connector.kind),
    connector.charge_W,
    connector.discharge_W,
    safeShare_W,
  ];
  switch (amendment.op) {
    case 'add': {
      const { name, publicKey, operator = '' } = amendment;
      return [op, name, fromHex(publicKey), operator, ...rating(amendment)];
    }
    case 'remove':
      return [op, amendment.node];
    case 'rotate':
      return [op, amendment.node, fromHex(amendment.publicKey)];
    case 'rate':
      return [op, amendment.node, ...rating(amendment)];
  }
}

/** The bytes that are hashed and, behind DOMAIN, signed. `tag` is the neighbourhood's (genesis hash, 8 bytes). */
export function payloadOf(message: Unsigned, tag: Uint8Array): Uint8Array {
  const { epoch, round, view, sender, body } = message;
  return encode([VERSION, TYPES.indexOf(body.type), tag, epoch, round, view, sender, ...bodyFields(body)]);
}

export const toSign = (payload: Uint8Array): Uint8Array => concat(DOMAIN, payload);

/** By which a message is known. */
export const idOf = (payload: Uint8Array, hash: Hash): string => toHex(hash(toSign(payload)));

export const toWire = (message: { payload: Uint8Array; signature: Uint8Array }): Uint8Array =>
  encode([message.payload, message.signature]);

/** Splits wire bytes; null unless they are exactly [payload, 64-byte signature]. */
export function fromWire(wire: Uint8Array): { payload: Uint8Array; signature: Uint8Array } | null {
  return wirePair(decode(wire));
}

function wirePair(value: Canonical): { payload: Uint8Array; signature: Uint8Array } | null {
  if (!Array.isArray(value) || value.length !== 2) return null;
  const [payload, signature] = value;
  if (!(payload instanceof Uint8Array) || !(signature instanceof Uint8Array) || signature.length !== 64) return null;
  return { payload, signature };
}

/** Why a payload is not a message of ours. */
export class MessageError extends Error {
  readonly code: 'malformed' | 'foreign' | 'out-of-range';
  constructor(code: MessageError['code'], message: string) {
    super(message);
    this.name = 'MessageError';
    this.code = code;
  }
}

/** Reads the fields of a list one after the other; each complaint names the field. */
class Fields {
  private at = 0;
  private readonly list: readonly Canonical[];
  constructor(list: readonly Canonical[]) {
    this.list = list;
  }
  get left(): boolean {
    return this.at < this.list.length;
  }
  private next(name: string): Canonical {
    if (!this.left) throw new MessageError('malformed', `${name} is missing`);
    return this.list[this.at++];
  }
  whole(name: string, low: number, high: number): number {
    const value = this.next(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
      throw new MessageError('malformed', `${name} is not a whole number`);
    }
    if (value < low || value > high)
      throw new MessageError('out-of-range', `${name} = ${value}, not ${low} to ${high}`);
    return value;
  }
  big(name: string): bigint {
    const value = this.next(name);
    if (!(value instanceof Uint8Array) || value.length > BIG_MAX_BYTES || value[0] === 0) {
      throw new MessageError('malformed', `${name} is not a whole number in at most ${BIG_MAX_BYTES} bytes`);
    }
    return BigInt(`0x0${toHex(value)}`);
  }
  bytes(name: string, length: number | readonly number[]): Uint8Array {
    const value = this.next(name);
    if (!(value instanceof Uint8Array) || ![length].flat().includes(value.length)) {
      throw new MessageError('malformed', `${name} is not a byte string of length ${length}`);
    }
    return value;
  }
  bytesUpTo(name: string, most: number): Uint8Array {
    const value = this.next(name);
    if (!(value instanceof Uint8Array) || value.length > most) {
      throw new MessageError('malformed', `${name} is not a byte string of at most ${most} bytes`);
    }
    return value;
  }
  items(name: string): readonly Canonical[] {
    const value = this.next(name);
    if (!Array.isArray(value)) throw new MessageError('malformed', `${name} is not a list`);
    return value;
  }
  wholes(name: string, low: number, high: number): number[] {
    const inner = new Fields(this.items(name));
    const values: number[] = [];
    while (inner.left) values.push(inner.whole(name, low, high));
    return values;
  }
  text(name: string, pattern: RegExp): string {
    const value = this.next(name);
    if (typeof value !== 'string' || !pattern.test(value)) throw new MessageError('malformed', `${name} is not a name`);
    return value;
  }
  end(): void {
    if (this.left) throw new MessageError('malformed', 'fields beyond the last');
  }
}

const BIG_MAX_BYTES = 32;
const TIME_MAX_MS = 2 ** 48;
const ROUND_MAX = 2 ** 40;
const VIEW_MAX = ROUND_MAX * VIEWS_PER_ROUND;
const hex = (fields: Fields, name: string): string => toHex(fields.bytes(name, 32));
const pairs = (fields: Fields, name: string, open: OpenNested, allowed: readonly MessageType[]): Signed[] =>
  fields.items(name).map((item) => {
    const pair = wirePair(item);
    if (pair === null) throw new MessageError('malformed', `${name} holds something that is not a signed message`);
    return open(pair, allowed);
  });

/** What may be evidence. */
const ACCUSED: readonly MessageType[] = ['SITE', 'METER', 'HEADER', 'PROPOSE', 'VOTE'];

const CARRIED: readonly MessageType[] = ['ORDER', 'SITE', 'METER', 'HEADER', 'REGISTRY', 'EVIDENCE', 'VOTE'];

/** How the door opens a message inside a message: with the same checks, signature included. Throws on refusal. */
export type OpenNested = (
  pair: { payload: Uint8Array; signature: Uint8Array },
  allowed: readonly MessageType[],
) => Signed;

/** What a question of catch-up and the answers to it have in common, in this order on the wire. */
const readQuestion = (fields: Fields): Pick<SyncRequest, 'to' | 'height' | 'asked_ms'> => ({
  to: fields.whole('to', 0, 2 ** 16),
  height: fields.whole('height', 0, ROUND_MAX),
  asked_ms: fields.whole('asked_ms', 0, TIME_MAX_MS),
});

function readTips(fields: Fields): string[] {
  const tips: string[] = [];
  while (fields.left && tips.length < TIPS_MAX) tips.push(hex(fields, 'tip'));
  fields.end();
  return tips;
}

function readBody(type: MessageType, fields: Fields, open: OpenNested): Body {
  switch (type) {
    case 'ORDER': {
      const order: Order = {
        type,
        ref: fields.whole('ref', 0, 2 ** 32 - 1),
        connector: fields.whole('connector', 0, 0),
        side: fields.whole('side', 0, 1) === 1 ? 'buy' : 'sell',
        price: fields.whole('price', 0, PRICE_MAX),
        power_W: fields.whole('power_W', 1, POWER_MAX_W),
        maxWait_rounds: fields.whole('maxWait_rounds', 0, 255),
        divisible: fields.whole('divisible', 0, 1) === 1,
        minimum_W: fields.whole('minimum_W', 0, POWER_MAX_W),
      };
      if (order.minimum_W > order.power_W || (!order.divisible && order.minimum_W !== order.power_W)) {
        throw new MessageError(
          'out-of-range',
          `minimum_W = ${order.minimum_W} does not fit power_W = ${order.power_W}`,
        );
      }
      return order;
    }
    case 'SITE':
      return {
        type,
        takenAt_ms: fields.whole('takenAt_ms', 0, TIME_MAX_MS),
        imported_Wh: fields.whole('imported_Wh', 0, REGISTER_MAX_WH),
        exported_Wh: fields.whole('exported_Wh', 0, REGISTER_MAX_WH),
        power_W: fields.whole('power_W', -SITE_MAX_W, SITE_MAX_W),
      };
    case 'METER':
      return {
        type,
        importedBefore_Wh: fields.whole('importedBefore_Wh', 0, REGISTER_MAX_WH),
        exportedBefore_Wh: fields.whole('exportedBefore_Wh', 0, REGISTER_MAX_WH),
        imported_Wh: fields.whole('imported_Wh', 0, REGISTER_MAX_WH),
        exported_Wh: fields.whole('exported_Wh', 0, REGISTER_MAX_WH),
        mode: fields.whole('mode', 0, 1) === 0 ? 'lease' : 'fallback',
      };
    case 'HEADER':
      return {
        type,
        seal: hex(fields, 'seal'),
        lambda: fields.whole('lambda', 0, 2 ** 48),
        pfInt: fields.big('pfInt'),
        net_W: fields.whole('net_W', -(2 ** 40), 2 ** 40),
        operations: fields.whole('operations', 0, 2 ** 20),
        plan: {
          orders: fields
            .items('orders')
            .map((item) =>
              Array.isArray(item)
                ? new Fields([item]).wholes('served_W', 0, POWER_MAX_W)
                : new Fields([item]).whole('wait', 0, 255),
            ),
          shares: fields.items('shares').map((item) => {
            const row = new Fields(Array.isArray(item) ? item : []);
            const shares = { buy_ppm: row.wholes('buy_ppm', 0, PPM), sell_ppm: row.wholes('sell_ppm', 0, PPM) };
            row.end();
            return shares;
          }),
        },
      };
    case 'PROPOSE':
      return {
        type,
        kind: BLOCK_KINDS[fields.whole('kind', 0, 2)],
        parent: hex(fields, 'parent'),
        carried: pairs(fields, 'carried', open, CARRIED) as Signed<Carried>[],
        checkpoint: fields.left ? hex(fields, 'checkpoint') : '',
      };
    case 'VOTE': {
      const kind = VOTE_KINDS[fields.whole('kind', 0, 2)];
      const to = fields.whole('to', 0, VIEW_MAX);
      return { type, kind, to, block: toHex(fields.bytes('block', kind === 'skip' ? 0 : 32)) };
    }
    case 'SYNC_REQ':
      return {
        type,
        ...readQuestion(fields),
        offset: fields.whole('offset', 0, CHECKPOINT_MAX_BYTES),
        tips: readTips(new Fields(fields.items('tips'))),
      };
    case 'STATE':
      return {
        type,
        ...readQuestion(fields),
        offset: fields.whole('offset', 0, CHECKPOINT_MAX_BYTES),
        total: fields.whole('total', 1, CHECKPOINT_MAX_BYTES),
        part: fields.bytesUpTo('part', SYNC_PAGE_BYTES),
      };
    case 'SYNC_RES':
      return {
        type,
        ...readQuestion(fields),
        blocks: fields.items('blocks').map((item) => {
          const inner = new Fields(Array.isArray(item) ? item : []);
          const [block] = pairs(new Fields([[inner.items('block')]]), 'block', open, ['PROPOSE']);
          const votes = pairs(inner, 'votes', open, ['VOTE']);
          inner.end();
          return { block: block as Signed<Block>, votes: votes as Signed<Vote>[] };
        }),
        pending: pairs(fields, 'pending', open, ['PROPOSE', 'VOTE']) as Signed<Block | Vote>[],
      };
    case 'EVIDENCE': {
      const [first, second, ...more] = pairs(fields, 'messages', open, ACCUSED);
      if (first === undefined || more.length > 0) throw new MessageError('malformed', 'evidence is one message or two');
      return { type, first, second: second ?? null };
    }
    case 'REGISTRY': {
      const number = fields.whole('number', 1, ROUND_MAX);
      const items = fields.items('amendments');
      if (items.length === 0 || items.length > AMENDMENTS_MOST)
        throw new MessageError('out-of-range', `${items.length} amendments, not 1 to ${AMENDMENTS_MOST}`);
      return { type, number, amendments: items.map(readAmendment) };
    }
  }
}

/** As in the neighbourhood file: what fits into a topic without any escape. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9-]{0,31}$/;
const NAME_OR_NONE = /^([A-Za-z0-9][A-Za-z0-9-]{0,31})?$/;

function readAmendment(value: Canonical): Amendment {
  const fields = new Fields(Array.isArray(value) ? value : []);
  const op = OPS[fields.whole('op', 0, OPS.length - 1)];
  const node = (): number => fields.whole('node', 0, NODES_MOST - 1);
  const rating = () => ({
    connector: {
      kind: CONNECTOR_KINDS[fields.whole('kind', 0, 2)],
      charge_W: fields.whole('charge_W', 1, POWER_MAX_W),
      discharge_W: fields.whole('discharge_W', 0, POWER_MAX_W),
    },
    safeShare_W: fields.whole('safeShare_W', 0, POWER_MAX_W),
  });
  const read = (): Amendment => {
    switch (op) {
      case 'add': {
        const name = fields.text('name', NAME);
        const publicKey = hex(fields, 'publicKey');
        const operator = fields.text('operator', NAME_OR_NONE);
        return { op, name, publicKey, ...(operator !== '' && { operator }), ...rating() };
      }
      case 'remove':
        return { op, node: node() };
      case 'rotate':
        return { op, node: node(), publicKey: hex(fields, 'publicKey') };
      case 'rate':
        return { op, node: node(), ...rating() };
    }
  };
  const amendment = read();
  fields.end();
  return amendment;
}

/** Payload bytes to fields. Throws MessageError; whatever `open` throws for a nested message passes through. */
export function readPayload(
  payload: Uint8Array,
  tag: Uint8Array,
  open: OpenNested,
  allowed: readonly MessageType[] = TYPES,
): Unsigned {
  const list = decode(payload);
  if (!Array.isArray(list)) throw new MessageError('malformed', 'not a canonical CBOR list');
  const fields = new Fields(list);
  const version = fields.whole('version', 0, 255);
  if (version !== VERSION) throw new MessageError('foreign', `protocol version ${version}, not ${VERSION}`);
  const type = TYPES[fields.whole('type', 0, TYPES.length - 1)];
  if (!allowed.includes(type)) throw new MessageError('malformed', `a ${type} where only ${allowed.join(', ')} may be`);
  if (toHex(fields.bytes('tag', 8)) !== toHex(tag)) throw new MessageError('foreign', 'of another neighbourhood');
  const epoch = fields.whole('epoch', 0, ROUND_MAX);
  const round = fields.whole('round', 0, ROUND_MAX);
  const view = fields.whole('view', 0, VIEW_MAX);
  const sender = fields.whole('sender', 0, 2 ** 16 - 1);
  const body = readBody(type, fields, open);
  fields.end();
  if (body.type === 'PROPOSE' || body.type === 'VOTE') {
    if (Math.floor(view / VIEWS_PER_ROUND) !== round)
      throw new MessageError('out-of-range', `view ${view} is not of round ${round}`);
  } else if (view !== 0) {
    throw new MessageError('out-of-range', `a ${type} has no view`);
  }
  if (body.type === 'VOTE' && (body.kind === 'skip' ? body.to < view : body.to !== view)) {
    throw new MessageError('out-of-range', `a ${body.kind} of views ${view} to ${body.to}`);
  }
  return { epoch, round, view, sender, body };
}

/** Of a payload whose head was read already: `[version, type, tag, epoch, round, view, sender, ...body]`. */
export function envelopeOf(payload: Uint8Array): {
  type: MessageType;
  epoch: number;
  view: number;
  sender: number;
  to: number;
} {
  const list = decode(payload) as number[];
  return { type: TYPES[list[1]], epoch: list[3], view: list[5], sender: list[6], to: list[7] };
}

/** A message with its id and signature: the runtime's own, or one that passed the door. */
export const signed = <B extends Body>(
  message: Unsigned<B>,
  payload: Uint8Array,
  signature: Uint8Array,
  hash: Hash,
  id = idOf(payload, hash),
): Signed<B> => Object.freeze({ ...message, payload, signature, id });

/** Where a message is published (README, "Bytes"). */
export const topicPrefix = (microgrid: string) => `p2pebt/1/${microgrid}`;

/** The only node that a message is for; undefined when it is for all. */
export const addresseeOf = ({ body }: { readonly body: Body }): number | undefined =>
  'to' in body && body.type !== 'VOTE' ? body.to : undefined;

/** The node's name is the last level, under which a broker's ACL lets it publish; `to` names the only one that hears it. */
export const messageTopic = (microgrid: string, type: string, node: string, to?: string) =>
  [topicPrefix(microgrid), type, ...(to === undefined ? [] : [to]), node].join('/');

/** What a node subscribes to: what is for all, and what is for it. */
export const subscriptions = (microgrid: string, node: string) => [
  messageTopic(microgrid, '+', '+'),
  messageTopic(microgrid, '+', '+', node),
];

/** Birth and death of a node, retained: `{"alive":true|false,"birth":N,...}`. JSON for people and dashboards, unsigned. */
export const presenceTopic = (microgrid: string, node: string) => messageTopic(microgrid, 'status', node);
