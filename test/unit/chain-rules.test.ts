/** Rules of the chain (predicate V) that a story of a whole street seldom meets: each at its edge, on blocks made by hand. */
import { expect, test } from 'vitest';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import { applyBlock } from '../../firmware/protocol/block.ts';
import { type ChainState, genesisState, isRefusal } from '../../firmware/protocol/chain.ts';
import { AMENDMENTS_MOST } from '../../firmware/protocol/limits.ts';
import type {
  Amendment,
  MeterStatement,
  Order,
  RegistryChange,
  Signed,
  Site,
} from '../../firmware/protocol/messages.ts';
import { payloadOf, readPayload } from '../../firmware/protocol/messages.ts';
import { addMeter, addSite, emptyPool } from '../../firmware/protocol/pool.ts';
import { firstView } from '../../firmware/protocol/round.ts';
import { sealable, sealBlock } from '../../firmware/protocol/seal.ts';
import { withPatched } from '../mutate.ts';
import { registry, sign } from '../vectors/messages.ts';

const R = 1000;
const [CP, HEAD, REGISTRAR] = [0, 4, 5];
const NOTHING = { orders: [], meters: [] };

const read = (round: number, imported_Wh: number, exported_Wh = 0, power_W = 1): Signed<Site> =>
  sign<Site>(HEAD, { type: 'SITE', takenAt_ms: 0, imported_Wh, exported_Wh, power_W }, { round });
const metered = (round: number, imported_Wh = 9): Signed<MeterStatement> =>
  sign<MeterStatement>(
    CP,
    { type: 'METER', importedBefore_Wh: 0, exportedBefore_Wh: 0, imported_Wh, exported_Wh: 0, mode: 'lease' },
    { round },
  );

/** The chain after a SEAL of that round with these statements, or why there can be none. */
function sealed(
  chain: ChainState,
  round: number,
  statements: Partial<Parameters<typeof sealBlock>[1]> = {},
  apply = applyBlock,
): ChainState | string {
  const body = sealBlock(chain.tip, { ...NOTHING, site: read(round, round), ...statements }, '');
  const next = apply(chain, sign(2, body, { round, view: firstView(round, 'SEAL') }), sha256);
  return isRefusal(next) ? `${next.code}: ${next.detail}` : next;
}
const good = (next: ChainState | string): ChainState => {
  if (typeof next === 'string') throw new Error(next);
  return next;
};
const begun = good(sealed(genesisState(registry), R));

test('an order waits out twelve rounds in which nothing could be agreed; after thirteen the vehicle may be gone', () => {
  const wish = { ref: 0, connector: 0, side: 'buy', price: 1, power_W: 7000, maxWait_rounds: 2 } as const;
  const order = sign<Order>(CP, { type: 'ORDER', ...wish, divisible: false, minimum_W: 7000 }, { round: R + 1 });
  const placed = good(sealed(begun, R + 1, { orders: [order] }));
  const pendingAfter = (rounds: number): number => good(sealed(placed, R + 1 + rounds)).pending.length;
  expect([1, 12, 13].map(pendingAfter)).toEqual([1, 1, 0]);
});

test('what was metered in the last twelve rounds that are over is settled; nothing older, and nothing before its time', () => {
  const t = R + 20;
  const of = (round: number): string => {
    const next = sealed(begun, t, { meters: [metered(round)] });
    return typeof next === 'string' ? next : 'settled';
  };
  expect(of(t - 12)).toBe('settled');
  expect(of(t - 2)).toBe('settled');
  expect(of(t - 13)).toMatch(/bad-meter.*too old/);
  expect(of(t - 1)).toMatch(/bad-meter.*not over/);

  const pool = emptyPool();
  expect([t - 13, t - 12].map((round) => addMeter(pool, metered(round), t))).toEqual(['late', 'added']);
  const later = sealable(pool, begun, t + 1, sha256);
  expect(later.meters).toEqual([]); // a round later it is too old for a leader as well
});

test('of three rounds between two readings nobody knows which had the load: each has the average, whichever a vehicle drew in', () => {
  const heard = good(sealed(begun, R + 1, { site: read(R + 1, 20_000) }));
  const silent = [R, R + 1].reduce(
    (chain, round) => good(sealed(chain, round + 2, { site: null, meters: [metered(round, round === R ? 0 : 500)] })),
    heard,
  );
  const again = good(sealed(silent, R + 4, { site: read(R + 4, 29_000), meters: [metered(R + 2, 500)] }));
  const between = again.rounds.filter(({ round }) => round >= R && round <= R + 2);
  // 9 kWh in a quarter of an hour are 36 kW; 500 Wh in five minutes 6 kW, over three rounds 2 kW.
  expect(between.map(({ theta_W, vehicles_W, load_W }) => [theta_W, vehicles_W, load_W])).toEqual([
    [36_000, 0, 34_000],
    [36_000, 6000, 34_000],
    [36_000, 0, 34_000],
  ]);
});

/** Of 120 kW that stay, after so many rounds without a reading: the rounds for whose error room is kept when there is one, and when the next is missing. */
function roomAfter(gap: number, apply = applyBlock): readonly (number | string)[] {
  const margin_W = 1000;
  const street = { ...registry, neighbourhood: { ...registry.neighbourhood, margin_W } };
  const at = (round: number) => read(round, 10_000 * (round - R + 1), 0, 120_000);
  const heard = [R, R + 1].reduce(
    (chain, round) => good(sealed(chain, round, { site: at(round) }, apply)),
    genesisState(street),
  );
  const scheduled = { round: R + gap, node: CP, order: 'aa', ordered_W: 50_000, allocated_W: 50_000 };
  const again = sealed({ ...heard, allocations: [scheduled] }, R + 1 + gap, { site: at(R + 1 + gap) }, apply);
  const silent = sealed({ ...good(again), allocations: [] }, R + 2 + gap, { site: null }, apply);
  return [again, silent].map((next) =>
    typeof next === 'string' ? next.split(':')[0] : (next.instance?.limits.margin_W ?? 0) / margin_W,
  );
}
const ROOM = [
  [1, 3],
  [2, 4],
  [3, 5],
  [4, 'site-missing'],
];

test('an average over several rounds is as old as the first: room is kept for each, and after four no round is sealed on it alone', () => {
  expect([1, 2, 3, 4].map((gap) => roomAfter(gap))).toEqual(ROOM);
});

test.each([
  ['limits.margin_W * (next - metered.averagedFrom_round)', 'limits.margin_W * (next - metered.round)'],
  ['unmetered_W + moved_W);', 'unmetered_W);'],
  ['round - 2 - metered.averagedFrom_round >', 'round - 2 - metered.round >'],
])('without %s an average counts as newer than it is', async (find, replace) => {
  const patch = { file: 'firmware/protocol/seal.ts', find, replace };
  const source = { folders: ['firmware'], entry: 'firmware/protocol/block.ts', patches: [patch] };
  const room = await withPatched(find, source, (mutant: { readonly applyBlock: typeof applyBlock }) =>
    [1, 2, 3, 4].map((gap) => roomAfter(gap, mutant.applyBlock)),
  );
  expect(room).not.toEqual(ROOM);
});

test('a head meter whose registers stand still has said nothing; where one of the two has moved, it has', () => {
  const [hung, imports, exports] = [read(R + 1, R), read(R + 1, R + 1), read(R + 1, R, 1)];
  expect(sealed(begun, R + 1, { site: hung })).toMatch(/bad-site.*stand still/);
  expect(good(sealed(begun, R + 1, { site: imports })).site?.imported_Wh).toBe(R + 1);
  expect(good(sealed(begun, R + 1, { site: exports })).site?.exported_Wh).toBe(1);

  const pool = emptyPool();
  addSite(pool, hung, R + 1);
  expect(sealable(pool, begun, R + 1, sha256).site).toBeNull(); // nor does a leader carry it
});

test('a registrar changes a whole street at once, and no more than that', () => {
  const leaving = (count: number): RegistryChange => ({
    type: 'REGISTRY',
    number: 1,
    amendments: Array.from({ length: count }, (): Amendment => ({ op: 'remove', node: CP })),
  });
  const heard = (count: number) => () => {
    const change = { epoch: 0, round: R, view: 0, sender: REGISTRAR, body: leaving(count) };
    return readPayload(payloadOf(change, registry.tag), registry.tag, () => {
      throw new Error('nothing is inside');
    });
  };
  expect(heard(AMENDMENTS_MOST)).not.toThrow();
  expect(heard(AMENDMENTS_MOST + 1)).toThrow('65 amendments');
  expect(heard(0)).toThrow('0 amendments');
});
