/** Evidence convicts who has said two things at once, whatever the order of the two messages, and nobody else. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { offenceOf } from '../../firmware/protocol/evidence.ts';
import type { Signed, Vote } from '../../firmware/protocol/messages.ts';
import { messages, sign } from '../vectors/messages.ts';

const vote = (sender: number, kind: Vote['kind'], view: number, to = view, block = 'ab'.repeat(32)): Signed =>
  sign(sender, { type: 'VOTE', kind, to, block: kind === 'skip' ? '' : block }, { view });
const V = 21_001;
const other = 'cd'.repeat(32);

test.each([
  ['two NOTARIZE in one view', vote(0, 'notarize', V), vote(0, 'notarize', V, V, other)],
  ['two FINAL in one view', vote(0, 'final', V), vote(0, 'final', V, V, other)],
  ['FINAL and SKIP for one view', vote(0, 'final', V), vote(0, 'skip', V - 1, V + 2)],
])('%s is proof', (offence, first, second) => {
  expect([offenceOf(first, second), offenceOf(second, first)]).toEqual([offence, offence]);
});

test.each(['seal', 'header', 'meter', 'site'] as const)('so is a second %s', (name) => {
  const first: Signed = messages[name];
  const { body, round, view, sender } = first;
  const twin = sign(
    sender,
    body.type === 'PROPOSE'
      ? { ...body, carried: [] }
      : body.type === 'HEADER'
        ? { ...body, net_W: 1 }
        : { ...(body as typeof messages.meter.body), imported_Wh: 7 },
    { round, view },
  );
  expect(offenceOf(first, twin)).toMatch(/^two /);
  expect(offenceOf(first, sign(sender, twin.body, { round: round + 1, view: view && view + 21 }))).toBeNull();
});

test('what an honest node may say proves nothing', () => {
  const honest: [Signed, Signed][] = [
    [vote(0, 'notarize', V), vote(0, 'skip', V)], // it gave up waiting
    [vote(0, 'notarize', V), vote(0, 'final', V)],
    [vote(0, 'skip', V), vote(0, 'skip', V, V + 5)], // it widened
    [vote(0, 'final', V), vote(0, 'skip', V + 1, V + 5)],
    [vote(0, 'final', V), vote(0, 'final', V + 1, V + 1, other)],
    [vote(0, 'notarize', V), vote(1, 'notarize', V, V, other)], // two voters
    [messages.order, sign(1, { ...messages.order.body, ref: 99 })], // it may trade more than once
    [messages.notarize, messages.notarize],
  ];
  for (const [a, b] of honest) expect([offenceOf(a, b), offenceOf(b, a)]).toEqual([null, null]);
});

test('property: votes that keep the rules never convict, and a FINAL inside a SKIP always does', () => {
  fc.assert(
    fc.property(fc.nat(9), fc.nat(9), fc.nat(9), (at, from, length) => {
      const offence = offenceOf(vote(0, 'final', V + at), vote(0, 'skip', V + from, V + from + length));
      expect(offence !== null).toBe(from <= at && at <= from + length);
    }),
  );
});
