/** What the bench says of one view after another, as a person reads it. */
import { expect, test } from 'vitest';
import { type BlockView, emptyChain, type NeighbourhoodView, withoutController } from '../../firmware/page/view.ts';
import { newsTeller, statusLine } from '../../sim-hardware/progress.ts';
import { benchView } from '../page/sample-view.ts';

const at = (minute: number): number => Date.UTC(2026, 0, 14, 16, minute);
const block = (round: number, outcome: BlockView['outcome'], orders = 2): BlockView => ({
  round,
  start_ms: at(5 * round),
  outcome,
  height: outcome === 'committed' ? 2 * round : null,
  hash: null,
  author: outcome === 'committed' ? 'maple-2' : null,
  lambda: null,
  votes: { received: 3, quorum: 3, validators: 4 },
  ordersExecuted: orders,
});

interface Moment {
  readonly minute: number;
  readonly blocks?: readonly BlockView[];
  readonly broker?: boolean;
  readonly ended?: string;
}

function view({ minute, blocks = [], broker = true, ended }: Moment): NeighbourhoodView {
  const nodes = benchView.nodes.map((node) => {
    const now = { ...node, brokerConnected: broker, time: { ...node.time, now_ms: at(minute) } };
    return node.name === ended ? withoutController(now, 'controller ended (SIGKILL)', ['open', 'open']) : now;
  });
  return { title: '', chain: { ...emptyChain('maple-2'), blocks: blocks.toReversed() }, nodes };
}

test('each round once, as it is decided, also the terminated ones; who ends and comes back; the broker', () => {
  const news = newsTeller();
  const [one, two, three] = [block(1, 'committed'), block(2, 'terminated'), block(3, 'committed', 1)];
  const told = (moment: Moment): string[] => news(view(moment));
  expect(told({ minute: 4 })).toEqual([]);
  expect(told({ minute: 4, blocks: [one] })).toEqual([
    '16:05  round 1 committed, block 2 by maple-2, 2 orders, 3 of 4 votes',
  ]);
  expect(told({ minute: 5, blocks: [one] })).toEqual([]);
  expect(told({ minute: 6, blocks: [one], ended: 'maple-1' })).toEqual(['16:06  maple-1: controller ended (SIGKILL)']);
  expect(told({ minute: 7, blocks: [one], ended: 'maple-1', broker: false })).toEqual([
    '16:07  the broker is lost: nothing new is agreed until it is back',
  ]);
  expect(told({ minute: 9, blocks: [one, two], ended: 'maple-1', broker: false })).toEqual([
    '16:10  round 2 terminated: contacts fall back',
  ]);
  expect(told({ minute: 11, blocks: [one, two] })).toEqual([
    '16:11  maple-1: controller is back',
    '16:11  the broker is back',
  ]);
  expect(told({ minute: 14, blocks: [one, two, three] })).toEqual([
    '16:15  round 3 committed, block 6 by maple-2, 1 order, 3 of 4 votes',
  ]);
  const late = [one, block(2, 'committed'), three];
  expect(told({ minute: 15, blocks: late })).toEqual(['16:15  round 2 committed after all, too late to act on']);
  expect(told({ minute: 15, blocks: late })).toEqual([]);
});

test('the line in between is of a live controller, with one contact in the singular', () => {
  const now = view({ minute: 4 });
  const one = { ...now, nodes: now.nodes.filter(({ name }) => name === 'maple-2' || name === 'maple-head') };
  expect(statusLine(one, 60, 200)).toMatch(
    /^16:04:00 {2}.*, next round in \d+ s, 318\.4 kW at the head meter, 1 contact closed$/,
  );
  expect(statusLine(now, 60, 200)).toMatch(/, 3 contacts closed$/);
  const whole = statusLine(now, 60, 200) as string;
  for (const columns of [whole.length + 1, whole.length, 40])
    expect(statusLine(now, 60, columns)?.length).toBeLessThan(columns); // else it wraps and cannot be drawn over
  expect(statusLine(view({ minute: 4, ended: 'maple-2' }), 60, 200)).toBeNull(); // whose chain it is has gone
});
