/** Who votes: every charge point while they are few, a committee of many, and of one operator never too many. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { fromHex } from '../../firmware/protocol/codec.ts';
import { SEATS_LEAST, SEATS_MOST } from '../../firmware/protocol/limits.ts';
import { type Member, makeRegistry } from '../../firmware/protocol/registry.ts';
import { faultsOf, operatorSeats, quorumOf, seatsOf } from '../../firmware/protocol/seats.ts';
import { neighbourhoodOf } from '../simulation/neighbourhood.ts';

const genesis = fromHex('07'.repeat(32));
const key = (index: number): string => index.toString(16).padStart(64, '0');
const member = (index: number, part: Partial<Member> = {}): Member => ({
  name: `cp-${index}`,
  publicKey: key(index),
  role: 'charge-point',
  connector: { kind: 'slow', charge_W: 7360, discharge_W: 7360 },
  safeShare_W: 1380,
  keyFrom_epoch: 0,
  standing: 'in',
  ...part,
});
const anyMembers = fc.array(
  fc.record({ operator: fc.constantFrom(undefined, 'a', 'b', 'c'), standing: fc.constantFrom('in', 'struck', 'left') }),
  { maxLength: 140 },
);

test('two quorums have an honest voter in common, and the honest alone are a quorum', () => {
  for (let n = 1; n <= SEATS_MOST; n++) {
    expect(2 * quorumOf(n) - n).toBeGreaterThan(faultsOf(n));
    expect(n - faultsOf(n)).toBeGreaterThanOrEqual(quorumOf(n));
  }
});

test('ten charge points of ten owners: all vote; the head meter does not', () => {
  const { leaders, isValidator, headMeter } = makeRegistry(neighbourhoodOf(10), sha256);
  expect([...leaders].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(isValidator[headMeter]).toBe(false);
});

test('a thousand charge points: a committee of a hundred, the same for everyone', () => {
  const thousand = Array.from({ length: 1000 }, (_, index) => member(index));
  const seats = seatsOf(thousand, genesis, sha256);
  expect(seats).toHaveLength(SEATS_MOST);
  expect(new Set(seats).size).toBe(SEATS_MOST);
  expect(seatsOf(thousand, fromHex('08'.repeat(32)), sha256)).not.toEqual(seats);
});

test('an operator of half the street gets the seats of half the faults', () => {
  const street = Array.from({ length: 40 }, (_, index) => member(index, index < 20 ? { operator: 'big' } : {}));
  const seats = seatsOf(street, genesis, sha256);
  const big = seats.filter((index) => index < 20).length;
  console.log(`40 charge points, 20 of one operator: ${seats.length} seats, ${big} of them his`);
  expect(seats.filter((index) => index >= 20)).toHaveLength(20);
  expect(big).toBe(operatorSeats(seats.length));
});

test('a car park of one owner still has four voters', () => {
  const park = Array.from({ length: 6 }, (_, index) => member(index, { operator: 'park' }));
  expect(seatsOf(park, genesis, sha256)).toHaveLength(SEATS_LEAST);
});

test('who was struck loses the seat, unless fewer than four would be left', () => {
  const five = Array.from({ length: 5 }, (_, index) => member(index, { standing: index === 2 ? 'struck' : 'in' }));
  expect(seatsOf(five, genesis, sha256)).not.toContain(2);
  expect(seatsOf(five.slice(0, 4), genesis, sha256)).toContain(2);
});

test('property: no operator has more than its share, nobody votes who left, and four vote wherever four could', () => {
  fc.assert(
    fc.property(anyMembers, (parts) => {
      const members = parts.map((part, index) => member(index, part as Partial<Member>));
      const seats = seatsOf(members, genesis, sha256);
      const present = members.filter(({ standing }) => standing !== 'left').length;
      expect(seats.length).toBeLessThanOrEqual(SEATS_MOST);
      expect(seats.length).toBeGreaterThanOrEqual(Math.min(SEATS_LEAST, present));
      expect(seats.every((index) => members[index].standing !== 'left')).toBe(true);
      if (seats.length <= SEATS_LEAST) return; // the caps give way so that four vote
      expect(seats.every((index) => members[index].standing === 'in')).toBe(true);
      for (const operator of ['a', 'b', 'c']) {
        const own = seats.filter((index) => members[index].operator === operator).length;
        expect(own).toBeLessThanOrEqual(operatorSeats(seats.length));
      }
    }),
  );
});
