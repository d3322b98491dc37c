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
import { frozenLoad, recomputedLoad } from '../vectors/load.ts';
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

/** Whether a round is sealed without a reading after one that averages so many rounds. */
function serves(rounds: number, apply = applyBlock): string {
  const heard = good(sealed(begun, R + 1, { site: read(R + 1, 20_000) }, apply));
  const t = R + 1 + rounds;
  const next = sealed(good(sealed(heard, t, { site: read(t, 30_000) }, apply)), t + 1, { site: null }, apply);
  return typeof next === 'string' ? next.split(':')[0] : 'sealed';
}
const SERVES = ['sealed', 'sealed', 'sealed', 'site-missing'];

test('an average is as old as the first round in it: of four rounds it is too old to serve alone', async () => {
  expect([1, 2, 3, 4].map((rounds) => serves(rounds))).toEqual(SERVES);
  const [find, replace] = ['round - 2 - metered.averagedFrom_round >', 'round - 2 - metered.round >'];
  const patch = { file: 'firmware/protocol/load.ts', find, replace };
  const source = { folders: ['firmware'], entry: 'firmware/protocol/block.ts', patches: [patch] };
  const served = await withPatched(find, source, (mutant: { readonly applyBlock: typeof applyBlock }) =>
    [1, 2, 3, 4].map((rounds) => serves(rounds, mutant.applyBlock)),
  );
  expect(served).not.toEqual(SERVES);
});

test('a reading that was late in its interval counts for as long as it was', () => {
  const { capacity_W } = registry.neighbourhood;
  const late_ms = 15_000;
  const at = (round: number, imported_Wh: number, takenAt_ms: number): Signed<Site> =>
    sign<Site>(HEAD, { type: 'SITE', takenAt_ms, imported_Wh, exported_Wh: 0, power_W: 1 }, { round });
  /** Of 36 kW that stay: Theta of the round between two readings, of which the second is so late. */
  const theta_W = (by_ms: number): number | undefined => {
    const begin_ms = R * 300_000;
    const before = good(sealed(begun, R + 1, { site: at(R + 1, 100_000, begin_ms) }));
    const energy_Wh = 3000 + by_ms / 100;
    const after = good(sealed(before, R + 2, { site: at(R + 2, 100_000 + energy_Wh, begin_ms + 300_000 + by_ms) }));
    return after.rounds.find(({ round }) => round === R)?.theta_W;
  };
  expect([0, late_ms].map(theta_W)).toEqual([36_000, 36_000]);
  expect(theta_W(60_000)).toBe(43_200); // a clock that was set: five minutes count as five minutes
  expect(capacity_W).toBeGreaterThan(36_000);
});

test('another head meter, whose registers are ahead by more than the connection could carry in a round, says nothing of the past', () => {
  const { capacity_W, exportLimit_W } = registry.neighbourhood;
  const most_Wh = Math.floor((2 * Math.max(capacity_W, exportLimit_W)) / 12);
  const thetaAfter = (energy_Wh: number): number | undefined =>
    good(sealed(begun, R + 1, { site: read(R + 1, R + energy_Wh) })).rounds.find(({ round }) => round === R - 1)
      ?.theta_W;
  expect(thetaAfter(most_Wh)).toBe(12 * most_Wh);
  expect(thetaAfter(most_Wh + 1)).toBeUndefined();
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

test("the chain's numbers published for other implementations come out as they are written down", () => {
  expect(recomputedLoad()).toBe(frozenLoad());
});
