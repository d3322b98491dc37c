/**
 * The registry: who takes part, and what the rules need to know of them, computed once. It begins with the
 * neighbourhood file and changes on the chain (membership.ts). The hash of the beginning is the parent of the first
 * block and, as an 8-byte tag, part of every message, so that nodes with other members or other numbers cannot talk
 * past each other unnoticed.
 */
import type { Hash } from '../ports.ts';
import { type Canonical, concat, encode, fromHex, toHex } from './codec.ts';
import type { Neighbourhood, RegisteredNode } from './genesis.ts';
import { faultsOf, quorumOf, seatsOf } from './seats.ts';

/** A node by its index, which it keeps for good: one that has left leaves its number behind. */
export interface Member extends RegisteredNode {
  /** The epoch from which on its present key signs. */
  readonly keyFrom_epoch: number;
  /** `struck`: caught lying. It keeps its number and its safe share, and loses its vote and its orders. */
  readonly standing: 'in' | 'struck' | 'left';
}

/** What changes on the chain. */
export interface Membership {
  /** How often the members changed. Every message names the epoch whose keys signed it. */
  readonly epoch: number;
  /** Number of the registrar's last change. */
  readonly changes: number;
  readonly members: readonly Member[];
}

export interface Registry extends Membership {
  /** Its nodes are the members. */
  readonly neighbourhood: Neighbourhood;
  /** Hexadecimal; stands for the block before the first. */
  readonly genesis: string;
  readonly tag: Uint8Array;
  readonly publicKeys: readonly Uint8Array[];
  /** Indices of the voters, in the order in which they lead. */
  readonly leaders: readonly number[];
  readonly isValidator: readonly boolean[];
  /** May trade: a charge point that is neither struck nor gone. Not every one of them has a seat. */
  readonly mayTrade: readonly boolean[];
  readonly headMeter: number;
  /** Who signs changes of the members; -1 where they are fixed. */
  readonly registrar: number;
  /** Voters, faults survived, quorum. */
  readonly n: number;
  readonly f: number;
  readonly q: number;
}

/** The registry of a neighbourhood file. */
export function makeRegistry(neighbourhood: Neighbourhood, hash: Hash): Registry {
  const fields: Canonical = [
    neighbourhood.microgrid,
    neighbourhood.roundTime_s,
    neighbourhood.capacity_W,
    neighbourhood.exportLimit_W,
    neighbourhood.margin_W,
    neighbourhood.maxWait_rounds,
    neighbourhood.lookAhead_rounds,
    neighbourhood.chargingEfficiency_ppm,
    neighbourhood.dischargingEfficiency_ppm,
    neighbourhood.loadProfile_W ?? [],
    neighbourhood.nodes.map((node) => [
      node.name,
      fromHex(node.publicKey),
      node.role,
      node.safeShare_W,
      node.connector ? [node.connector.kind, node.connector.charge_W, node.connector.discharge_W] : null,
      ...(node.operator === undefined ? [] : [node.operator]),
    ]),
  ];
  const genesis = hash(concat(new TextEncoder().encode('P2PEBT/1 genesis'), encode(fields)));
  const members = neighbourhood.nodes.map((node): Member => ({ ...node, keyFrom_epoch: 0, standing: 'in' }));
  return registryWith({ neighbourhood, genesis: toHex(genesis) }, { epoch: 0, changes: 0, members }, hash);
}

/** The registry of the same neighbourhood with these members. */
export function registryWith(
  { neighbourhood, genesis }: Pick<Registry, 'neighbourhood' | 'genesis'>,
  membership: Membership,
  hash: Hash,
): Registry {
  const { members } = membership;
  const leaders = seatsOf(members, fromHex(genesis), hash);
  const n = leaders.length;
  return {
    ...membership,
    neighbourhood: { ...neighbourhood, nodes: members },
    genesis,
    tag: fromHex(genesis).slice(0, 8),
    publicKeys: members.map((node) => fromHex(node.publicKey)),
    leaders,
    isValidator: members.map((_, index) => leaders.includes(index)),
    mayTrade: members.map(({ role, standing }) => role === 'charge-point' && standing === 'in'),
    headMeter: members.findIndex((node) => node.role === 'head-meter'),
    registrar: members.findIndex((node) => node.role === 'registrar'),
    n,
    f: faultsOf(n),
    q: quorumOf(n),
  };
}
