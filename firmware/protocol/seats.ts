/**
 * seats: who votes. Every charge point in good standing, as long as they are few; of many a committee, and of each
 * operator so few that two of them together cannot do harm (protocol.md C24). Chosen by a hash, so that nobody chooses.
 */
import type { Hash } from '../ports.ts';
import { concat, fromHex, toHex } from './codec.ts';
import { SEATS_LEAST, SEATS_MOST } from './limits.ts';
import type { Member } from './registry.ts';

/** f of n voters may be faulty. */
export const faultsOf = (n: number): number => Math.max(0, Math.floor((n - 1) / 3));
/** Two quorums of n voters have f + 1 in common, at least one of them honest. */
export const quorumOf = (n: number): number => Math.floor((2 * n) / 3) + 1;
/** With fewer voters nothing is agreed, and every charge point keeps to its safe share. */
export const canAgree = (n: number): boolean => n >= SEATS_LEAST;

/** The most seats of one operator among n voters: half of the faults that are survived, and always one. */
export const operatorSeats = (n: number): number => Math.max(1, Math.floor(faultsOf(n) / 2));

/**
 * The voters in the order in which they lead. The operators' cap gives way only where fewer than four would vote: a car
 * park of one owner has nobody to protect from him. One that was struck keeps its seat for the same reason alone.
 */
export function seatsOf(members: readonly Member[], genesis: Uint8Array, hash: Hash): number[] {
  const ranked = members
    .map((node, index) => ({ node, index, key: toHex(hash(concat(genesis, fromHex(node.publicKey)))) }))
    .filter(({ node }) => node.role === 'charge-point' && node.standing !== 'left')
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const inGoodStanding = ranked.filter(({ node }) => node.standing === 'in');
  const eligible =
    inGoodStanding.length >= SEATS_LEAST
      ? inGoodStanding
      : [...inGoodStanding, ...ranked.filter(({ node }) => node.standing === 'struck')].slice(0, SEATS_LEAST);
  /** By operator, in order of rank: who comes how manieth. A node without one stands for itself. */
  const places = new Map<string | number, number>();
  const placed = eligible.map(({ node, index }) => {
    const operator = node.operator ?? index;
    const place = (places.get(operator) ?? 0) + 1;
    places.set(operator, place);
    return { index, place };
  });
  const turns = [...placed].sort((a, b) => a.place - b.place); // the first of every operator before anyone's second
  const seated = (cap: number) => turns.filter(({ place }) => place <= cap).slice(0, SEATS_MOST);
  let seats = seated(1);
  for (let cap = 2; cap <= turns.length; cap++) if (cap <= operatorSeats(seated(cap).length)) seats = seated(cap);
  if (seats.length < SEATS_LEAST) seats = turns.slice(0, SEATS_LEAST);
  const chosen = new Set(seats.map(({ index }) => index));
  return ranked.map(({ index }) => index).filter((index) => chosen.has(index));
}
