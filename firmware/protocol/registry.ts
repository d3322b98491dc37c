/**
 * The registry: the neighbourhood file turned into what the rules need, computed once. Its hash is the parent of
 * the first block and, as an 8-byte tag, part of every message, so that nodes with other members or other numbers
 * cannot talk past each other unnoticed.
 */
import type { Hash } from '../ports.ts';
import { type Canonical, concat, encode, fromHex, toHex } from './codec.ts';
import type { Neighbourhood } from './genesis.ts';

export interface Registry {
  readonly neighbourhood: Neighbourhood;
  /** Hexadecimal; stands for the block before the first. */
  readonly genesis: string;
  readonly tag: Uint8Array;
  readonly publicKeys: readonly Uint8Array[];
  /** Indices of the voters (the charge points), in the order in which they lead. */
  readonly leaders: readonly number[];
  readonly isValidator: readonly boolean[];
  readonly headMeter: number;
  /** Voters, faults survived, quorum. */
  readonly n: number;
  readonly f: number;
  readonly q: number;
}

const COMPARE_HEX = (a: { key: string }, b: { key: string }): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

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
    ]),
  ];
  const genesis = hash(concat(new TextEncoder().encode('P2PEBT/1 genesis'), encode(fields)));
  const { nodes } = neighbourhood;
  const leaders = nodes
    .map((node, index) => ({ node, index, key: toHex(hash(concat(genesis, fromHex(node.publicKey)))) }))
    .filter(({ node }) => node.role === 'charge-point')
    .sort(COMPARE_HEX)
    .map(({ index }) => index);
  const n = leaders.length;
  return {
    neighbourhood,
    genesis: toHex(genesis),
    tag: genesis.slice(0, 8),
    publicKeys: nodes.map((node) => fromHex(node.publicKey)),
    leaders,
    isValidator: nodes.map((node) => node.role === 'charge-point'),
    headMeter: nodes.findIndex((node) => node.role === 'head-meter'),
    n,
    f: Math.floor((n - 1) / 3),
    q: Math.floor((2 * n) / 3) + 1,
  };
}
