/** The words of a controller's page that depend on time. */
import { expect, test } from 'vitest';
import { orderState } from '../../firmware/viewer.ts';

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
