/** The words of a controller's page that depend on time. */
import { expect, test } from 'vitest';
import { emptyChronicle, record } from '../../firmware/chronicle.ts';
import type { Config } from '../../firmware/config.ts';
import { emptyChain } from '../../firmware/page/view.ts';
import type { Header, Signed } from '../../firmware/protocol/messages.ts';
import { decisionStart, hours } from '../../firmware/protocol/round.ts';
import type { ProtocolState } from '../../firmware/protocol/state.ts';
import { aheadOf, heldBackRows, orderState, phaseOf, viewOf } from '../../firmware/viewer.ts';
import { Neighbours } from './protocol-driver.ts';

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

test.each([
  [3, true],
  [4, false],
])(
  'of %i charge points: whether the view says that there is no agreement, with a true time in any case',
  (chargePoints, says) => {
    const play = new Neighbours({ chargePoints }).until(20);
    const { neighbourhood } = play.registry;
    const view = viewOf({
      config: { neighbourhood, self: neighbourhood.nodes[0], index: 0, role: 'charge-point' } as unknown as Config,
      clock: play.clock,
      runtime: play.player(0).runtime,
      chronicle: emptyChronicle(),
      ahead: [],
      brokerConnected: false,
      chargePoint: null,
      sitePower_W: null,
    });
    const [node] = view.nodes;
    const words =
      'No agreement: this neighbourhood has 3 charge points, and agreeing takes 4. Nothing is traded; each charge point charges within its own safe share.';
    expect(node.noAgreement).toBe(says ? words : undefined);
    expect(node.time).toEqual({
      now_ms: 999 * 300_000 + 20_000,
      scale: 1,
      round: 1000, // a twin that asks the core, which has never been told the time, says -1
      phase: says ? 'no agreement' : 'collecting orders',
      nextRoundAt_ms: 1000 * 300_000,
    });
    expect(play.state(0).deciding).toBe(says ? -1 : 1000);
    expect(view.chain).toEqual(emptyChain('cp1'));
  },
);

test('the plan ahead of a schedule: its own rounds, the load of the forecast and on it what the plan lets run', () => {
  const play = new Neighbours().until(30);
  play.buy(0, 7000);
  play.wish(1, { side: 'sell', power_W: 11_000 });
  play.rounds(1);
  const { block, before } = play.player(0).finals.find((final) => final.block.body.kind === 'SCHEDULE')!;
  const [header] = block.body.carried as [Signed<Header>];
  const { instance } = before;
  const rows = aheadOf(instance!, header.body.plan, 300_000);
  expect(rows.map(({ round }) => round)).toEqual(instance!.load_W.map((_, k) => 1000 + k));
  expect(rows.map(({ load_W }) => load_W)).toEqual(instance!.load_W);
  expect(rows.length).toBeGreaterThan(1);
  const expected = instance!.buyForecast_W.map((buys_W, k) => [k && buys_W, k && instance!.sellForecast_W[k]]);
  expect(rows.map(({ buys_W, sells_W }) => [buys_W, sells_W])).toEqual(expected);
  expect(rows[1].start_ms).toBe(1001 * 300_000);
  const ordered_W = 7000 - Math.floor((11_000 * instance!.dischargingEfficiency_ppm) / 1_000_000);
  expect(header.body.plan.orders).toEqual([0, 0]); // both now
  expect(rows[0].planned_W).toBe(instance!.load_W[0] + ordered_W);
});

test('what was held back of this node in the last agreed round, and why; of others and of earlier rounds nothing', () => {
  const play = new Neighbours({ changes: { capacity_W: 80_000 } }).until(30); // admits one of the two
  for (const index of [0, 1]) play.buy(index, 11_000, { maxWait_rounds: 0 });
  const chronicle = emptyChronicle();
  let told = 0;
  const shown = () => {
    for (const final of play.player(0).finals.slice(told)) record(chronicle, final);
    told = play.player(0).finals.length;
    const { neighbourhood } = play.registry;
    return [0, 1].map((index) => heldBackRows({ chronicle, config: { neighbourhood, index } as Config }));
  };
  play.rounds(1);
  const held = {
    side: 'buy',
    power_W: 11_000,
    heldBack_W: 11_000,
    round: 1000,
    start_ms: 300_000_000,
    why: 'capacity',
  };
  expect(shown().sort((a, b) => a.length - b.length)).toEqual([[], [held]]);
  play.rounds(2);
  expect(shown()).toEqual([[], []]);
});
