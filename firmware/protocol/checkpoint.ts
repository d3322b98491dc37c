/**
 * checkpoint: the chain's state in canonical bytes, so that a node can begin there instead of at the first block. The
 * first SEAL of a UTC day, and the one that follows a change of the members, name the hash of the state under them
 * (predicate V), and so their FINAL votes prove those bytes. A field that ChainState or one of its parts gains does not compile until it is written and read here.
 */
import type { Hash } from '../ports.ts';
import {
  type BlockRefusal,
  type ChainRound,
  type ChainState,
  type NodeRegisters,
  type PendingEntry,
  refusal,
  type SiteRegisters,
} from './chain.ts';
import { type Canonical, concat, decode, encode, fromHex, toHex } from './codec.ts';
import { NODES_MOST } from './limits.ts';
import { type Handover, STAGES } from './members.ts';
import { type Block, type Order, readPayload, type Signed, signed } from './messages.ts';
import { type Member, type Membership, type Registry, registryWith } from './registry.ts';
import { dayOf } from './round.ts';
import type { Allocation } from './settlement.ts';

/**
 * The state as a SEAL finds it. The problem of the last round and what it settled are not part of it: a SEAL poses
 * the one and settles the other anew.
 */
type Resting = Omit<ChainState, 'instance' | 'settled'>;

interface Codec<T> {
  readonly write: (value: T) => Canonical;
  /** Only for bytes that a hash vouches for. */
  readonly read: (value: Canonical) => T;
}

const plain = <T extends Canonical>(): Codec<T> => ({ write: (value) => value, read: (value) => value as T });
const whole = plain<number>();
const flag: Codec<boolean> = { write: (value) => (value ? 1 : 0), read: (value) => value === 1 };
const id: Codec<string> = { write: fromHex, read: (value) => toHex(value as Uint8Array) };
const word = <T extends string>(words: readonly T[]): Codec<T> => ({
  write: (value) => words.indexOf(value),
  read: (value) => words[value as number],
});
const text = plain<string>();
const orAbsent = <T>(codec: Codec<T>): Codec<T | undefined> => ({
  write: (value) => (value === undefined ? null : codec.write(value)),
  read: (value) => (value === null ? undefined : codec.read(value)),
});
const maybe = <T>({ write, read }: Codec<T>): Codec<T | null> => ({
  write: (value) => (value === null ? null : write(value)),
  read: (value) => (value === null ? null : read(value)),
});
const list = <T>({ write, read }: Codec<T>): Codec<readonly T[]> => ({
  write: (values) => values.map(write),
  read: (values) => (values as readonly Canonical[]).map(read),
});
/** A list of the fields in the order in which they stand here. */
function row<T>(fields: { readonly [K in keyof T]-?: Codec<T[K]> }): Codec<T> {
  const keys = Object.keys(fields) as (keyof T)[];
  return {
    write: (value) => keys.map((key) => fields[key].write(value[key])),
    read: (values) => {
      const entries = keys.map((key, at) => [key, fields[key].read((values as readonly Canonical[])[at])]);
      return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as T;
    },
  };
}

const REGISTERS = { round: whole, imported_Wh: whole, exported_Wh: whole };
const ALLOCATION = row<Allocation>({ round: whole, node: whole, order: id, ordered_W: whole, allocated_W: whole });
const ROUND = row<ChainRound>({
  round: whole,
  buy_W: whole,
  sell_W: whole,
  placed_W: whole,
  committed: flag,
  scheduled_W: whole,
  vehicles_W: whole,
  averagedFrom_round: orAbsent(whole),
  theta_W: orAbsent(whole),
  load_W: orAbsent(whole),
});

const MEMBER = row<Member>({
  name: text,
  publicKey: id,
  role: word(['charge-point', 'head-meter', 'registrar']),
  operator: orAbsent(text),
  connector: orAbsent(
    row<NonNullable<Member['connector']>>({
      kind: word(['slow', 'fast', 'rapid']),
      charge_W: whole,
      discharge_W: whole,
    }),
  ),
  safeShare_W: whole,
  keyFrom_epoch: whole,
  standing: word(['in', 'struck', 'left']),
});
const members = list(MEMBER);
const bounded: typeof members = {
  write: members.write,
  read(value) {
    if ((value as readonly Canonical[]).length > NODES_MOST) throw new Error('more members than there are numbers');
    return members.read(value);
  },
};
const MEMBERSHIP = row<Membership>({ epoch: whole, changes: whole, members: bounded });

/** `origin`: any registry of the neighbourhood, for what no change of its members changes. */
const stateCodec = (origin: Registry, hash: Hash): Codec<Resting> => {
  const registry: Codec<Registry> = {
    write: MEMBERSHIP.write,
    read: (value) => registryWith(origin, MEMBERSHIP.read(value), hash),
  };
  const order: Codec<Signed<Order>> = {
    write: ({ payload, signature }) => [payload, signature],
    read(pair) {
      const [payload, signature] = pair as [Uint8Array, Uint8Array];
      return signed(readPayload(payload, origin.tag, refuseNested), payload, signature, hash) as Signed<Order>;
    },
  };
  return row<Resting>({
    registry,
    handover: maybe(row<Handover>({ registry, stage: word(STAGES) })),
    tip: id,
    height: whole,
    sealRound: whole,
    seal: id,
    scheduleRound: whole,
    schedule: id,
    pending: list(row<PendingEntry>({ order, age: whole, remaining_W: whole })),
    rounds: list(ROUND),
    allocations: list(ALLOCATION),
    registers: list(maybe(row<NodeRegisters>({ ...REGISTERS, alone: whole }))),
    site: maybe(row<SiteRegisters>({ ...REGISTERS, takenAt_ms: whole })),
  });
};

const refuseNested = (): never => {
  throw new Error('an order holds no messages');
};

export const encodeState = (chain: ChainState, hash: Hash): Uint8Array =>
  encode(stateCodec(chain.registry, hash).write(chain));

const DOMAIN = new TextEncoder().encode('P2PEBT/1 checkpoint');
const hashOf = (state: Uint8Array, hash: Hash): string => toHex(hash(concat(DOMAIN, state)));

/** The hash that a block of this kind and round names on this chain; empty unless it is a SEAL that opens a day, or
 * the first after a hand-over began. */
export function checkpointOf(chain: ChainState, kind: Block['kind'], round: number, hash: Hash): string {
  const { roundTime_s } = chain.registry.neighbourhood;
  const opensDay = chain.sealRound >= 0 && dayOf(round, roundTime_s) > dayOf(chain.sealRound, roundTime_s);
  const names =
    kind === 'SEAL' && (opensDay || chain.handover?.stage === 'agreed') && chain.handover?.stage !== 'joint';
  return names ? hashOf(encodeState(chain, hash), hash) : '';
}

/** The state in the bytes of a checkpoint, if they are those that this block names; what proves the block, proves them. */
export function openCheckpoint(
  state: Uint8Array,
  block: Signed<Block>,
  origin: Registry,
  hash: Hash,
): ChainState | BlockRefusal {
  if (block.body.checkpoint !== hashOf(state, hash))
    return refusal('wrong-checkpoint', 'the block names another state than that of the checkpoint');
  try {
    const chain = stateCodec(origin, hash).read(decode(state));
    return { ...chain, instance: null, settled: [] };
  } catch {
    // The block may be its author's alone: then the bytes are whatever a liar likes.
    return refusal('wrong-checkpoint', 'its bytes are not those of a state');
  }
}
