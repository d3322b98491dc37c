/** The words of a controller's page that depend on time. */
import { expect, test } from 'vitest';
import { decisionStart, hours } from '../../firmware/protocol/round.ts';
import type { ProtocolState } from '../../firmware/protocol/state.ts';
import { orderState, phaseOf } from '../../firmware/viewer.ts';

test('an order is scheduled until its round has passed, and only then executed', () => {
  const story = [
    [null, false, 10], // it waits
    [12, false, 10],
    [12, false, 11], // being delivered
    [12, false, 12],
    [null, true, 13],
  ] as const;
  const told = story.map(([scheduled, expired, passed]) => orderState(scheduled, expired, passed));
  expect(told).toEqual(['pending', 'scheduled', 'scheduled', 'executed', 'expired']);
  // Mutant: whoever asks only whether it is in a schedule, says it of a round that has not begun.
  expect(story.map(([scheduled]) => (scheduled === null ? 'pending' : 'executed'))[1]).not.toBe(told[1]);
});

test('the phases of a round; before the first schedule of all nothing has failed', () => {
  const round_ms = 300_000;
  const at = (part: number, scheduleRound: number): string =>
    phaseOf({
      deciding: 7,
      hours: hours(300),
      now_ms: decisionStart(7, round_ms) + part * round_ms,
      finalNode: { state: { scheduleRound } },
    } as unknown as ProtocolState);
  expect([0.1, 0.45, 0.6, 0.7, 0.99].map((part) => at(part, 6))).toEqual([
    'collecting orders',
    'sealing the orders',
    'looking for the best schedule',
    'voting on the schedule',
    'not agreed: falling back',
  ]);
  expect(at(0.99, -1)).toBe('the first round is being agreed');
  expect(at(0.99, 7)).toBe('agreed');
});
