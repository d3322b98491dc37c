/**
 * Whatever one of four signs, the others go on: messages of every type with the greatest, the least and likely values in all fields,
 * by D at any time, to anybody, on the chain too. What they come to can be written down: nothing is thrown, and in the end all
 * agree. The head meter may say anything as well; then the street need not trade.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { encodeState } from '../../firmware/protocol/checkpoint.ts';
import { POWER_MAX_W, PRICE_MAX, REGISTER_MAX_WH, SITE_MAX_W } from '../../firmware/protocol/limits.ts';
import type { Block, Body, Signed, Vote } from '../../firmware/protocol/messages.ts';
import { firstView } from '../../firmware/protocol/round.ts';
import { ANY_METER } from '../simulation/attacks.ts';
import type { Core } from '../simulation/core.ts';
import { device } from '../simulation/core.ts';
import { withMutant } from '../simulation/mutants.ts';
import { A, B, C, D, HEAD, Stage, type Verdict } from '../simulation/stage.ts';
import { anyMeter } from './arbitraries.ts';

const ROUNDS = 4;
const from = (least: number, most: number) =>
  fc.oneof(fc.constantFrom(least, most), fc.integer({ min: least, max: most }));
const register = fc.oneof(fc.constantFrom(0, 1, REGISTER_MAX_WH), fc.integer({ min: 0, max: 3000 }));
const hash = fc.constantFrom('00'.repeat(32), 'ff'.repeat(32), 'tip');
const statement: fc.Arbitrary<Body> = fc.oneof(
  fc
    .record({
      ref: from(0, 2 ** 31 - 1),
      price: from(0, PRICE_MAX),
      power_W: fc.oneof(from(1, POWER_MAX_W), from(1, 11_000)),
      maxWait_rounds: fc.oneof(from(0, 2), from(0, 255)),
      side: fc.constantFrom('buy' as const, 'sell' as const),
      divisible: fc.boolean(),
    })
    .map((order) => ({
      type: 'ORDER' as const,
      connector: 0,
      ...order,
      minimum_W: order.divisible ? 0 : order.power_W,
    })),
  anyMeter(register),
);
const header: fc.Arbitrary<Body> = fc.record({
  type: fc.constant('HEADER' as const),
  seal: hash,
  lambda: from(0, 2 ** 48),
  pfInt: fc.constantFrom(0n, 1n, 2n ** 90n),
  net_W: from(-(2 ** 31), 2 ** 31 - 1),
  operations: from(0, 2 ** 20),
  plan: fc.record({
    orders: fc.array(fc.oneof(from(0, 255), fc.array(from(0, POWER_MAX_W), { maxLength: 4 })), { maxLength: 4 }),
    shares: fc.array(
      fc.record({
        buy_ppm: fc.array(from(0, 1_000_000), { maxLength: 4 }),
        sell_ppm: fc.array(from(0, 1_000_000), { maxLength: 4 }),
      }),
      { maxLength: 12 },
    ),
  }),
});
const question = { to: from(A, C), height: from(0, 2 ** 31 - 1), asked_ms: from(0, 2 ** 48), offset: from(0, 2 ** 22) };
const other: fc.Arbitrary<Body> = fc.oneof(
  header,
  fc.record({
    type: fc.constant('SYNC_REQ' as const),
    ...question,
    tips: fc.array(fc.constant('ff'.repeat(32)), { maxLength: 2 }),
  }),
  fc.record({
    type: fc.constant('STATE' as const),
    ...question,
    total: from(1, 2 ** 22),
    part: fc.uint8Array({ maxLength: 40 }),
  }),
);
const site: fc.Arbitrary<Body> = fc.record({
  type: fc.constant('SITE' as const),
  takenAt_ms: from(0, 2 ** 48),
  imported_Wh: register,
  exported_Wh: register,
  power_W: from(-SITE_MAX_W, SITE_MAX_W),
});

/** Something that is said: to whom, when, of which round or view, counted from the one being decided. */
interface Saying {
  readonly after_s: number;
  readonly to: readonly number[];
  readonly round: number;
  readonly view: number;
  readonly what:
    | { readonly body: Body; readonly sender: number }
    | { readonly vote: 'notarize' | 'final' | 'skip'; readonly length: number; readonly block: string }
    | { readonly carries: readonly Body[]; readonly parent: string };
}
const by = (sender: number) => (body: Body) => ({ body, sender });
const sayings = (head: boolean): fc.Arbitrary<Saying[]> =>
  fc.array(
    fc.record({
      after_s: fc.integer({ min: 0, max: 60 }),
      to: fc.subarray([A, B, C], { minLength: 1 }),
      round: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(0, -2) }, fc.integer({ min: -13, max: 2 })),
      view: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(-100, 41, 10_000)),
      what: fc.oneof(
        { weight: 4, arbitrary: statement.map(by(D)) },
        other.map(by(D)),
        ...(head ? [site.map(by(HEAD))] : []),
        fc.record({
          vote: fc.constantFrom('notarize' as const, 'final' as const, 'skip' as const),
          length: from(0, 40),
          block: hash,
        }),
        fc.record({ carries: fc.array(statement, { maxLength: 3 }), parent: hash }),
      ),
    }),
    { minLength: 20, maxLength: 50 },
  );

function said(stage: Stage, { round, view, what }: Saying): Signed {
  const isMeter = 'body' in what && what.body.type === 'METER';
  const of = stage.deciding + (isMeter ? Math.min(round, -2) : round); // of the last round that is over
  const at = Math.max(1, firstView(stage.deciding, 'SEAL') + view);
  const tip = (name: string): string => (name === 'tip' ? stage.tip.tip : name);
  if ('carries' in what) {
    const { site: reading } = stage;
    const carried = [...what.carries.map((body) => stage.say(D, body, 0, of)), ...(reading ? [reading] : [])];
    return stage.propose(at, tip(what.parent), carried as unknown as Block['carried']);
  }
  if ('vote' in what) {
    const isSkip = what.vote === 'skip';
    const to = isSkip ? at + what.length : at;
    const vote: Vote = { type: 'VOTE', kind: what.vote, to, block: isSkip ? '' : tip(what.block) };
    return stage.say(D, vote, at);
  }
  const { body, sender } = what;
  return stage.say(sender, body.type === 'HEADER' ? { ...body, seal: tip(body.seal) } : body, 0, of);
}

/** How it ends; throws what a node throws. */
function live(core: Core, all: readonly Saying[]): Verdict {
  const stage = new Stage(core);
  let next = 0;
  const verdict = stage.verdict(() => {
    while (next < all.length && stage.second + all[next].after_s < 299) {
      const saying = all[next++];
      stage.until(stage.second + saying.after_s);
      stage.give(saying.to, said(stage, saying));
      stage.deliver();
    }
  }, ROUNDS);
  for (const { state } of stage.players) encodeState(state.finalNode.state, sha256);
  return verdict;
}

const numRuns = Number(process.env.LIAR_RUNS ?? 25);

test('property: whatever one of four says, the others go on', () => {
  fc.assert(
    fc.property(sayings(false), (all) => {
      expect(live(device, all)).toBe('goes on');
    }),
    { numRuns },
  );
});

test('property: whatever the head meter says besides, nothing is thrown and nothing forks', () => {
  fc.assert(
    fc.property(sayings(true), (all) => {
      expect(live(device, all)).not.toBe('forks');
    }),
    { numRuns },
  );
});

test('and the test notices when a METER may say what cannot be written down', async () => {
  const patches = [
    ...ANY_METER,
    { file: 'settlement.ts', find: 'const WH_J = 3600;', replace: 'const WH_J = 3_600_000;' }, // as if registers had three digits more
  ];
  const throws = (core: Core): boolean =>
    fc.sample(sayings(false), { numRuns: 60, seed: 1 }).some((all) => {
      try {
        return live(core, all) === 'forks';
      } catch {
        return true;
      }
    });
  expect(await withMutant({ name: 'anything', patches }, (core) => throws(core as Core))).toBe(true);
});
