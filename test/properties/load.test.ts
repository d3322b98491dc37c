/**
 * Where the load is taken to lie, it lies: on streets whose readings and METERs are late, lost or of several rounds, whose vehicles do
 * what they were told, a part of it, nothing, or draw their safe share, and whose load moves by no more than the margin a round.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyBlock } from '../../firmware/protocol/block.ts';
import type { MeterStatement, Signed } from '../../firmware/protocol/messages.ts';
import { withPatched } from '../mutate.ts';
import { emptyStreet, meterOf, scheduled as scheduledAfter, sealed } from '../vectors/street.ts';

const FIRST = 1000;
/** A watt hour in five minutes: what flows is whole multiples, so that registers are exact. */
const STEP_W = 12;
const MARGIN_W = 500 * STEP_W;
const SHARE_W = 115 * STEP_W;
/** More than a vehicle can draw in nine rounds, less than in twelve. */
const AHEAD_Wh = 60_000;

/** What happens in a round, each chance in percent. */
interface Luck {
  readonly load: number;
  readonly site: boolean;
  readonly scheduled: boolean;
  /** By charge point: what it is told and does in steps of 120 W, whether it makes a METER of the round, and whether that arrives in time. */
  readonly nodes: readonly {
    readonly told: number;
    readonly does: 'all' | 'nothing' | 'half' | 'share';
    readonly meters: boolean;
    readonly inTime: boolean;
    /** Another meter in place of the one before, its registers far ahead. */
    readonly swapped: boolean;
  }[];
}
const often = fc.integer({ min: 1, max: 100 }).map((percent) => percent <= 80);
const luck = fc.record<Luck>({
  load: fc.integer({ min: -500, max: 500 }),
  site: often,
  scheduled: often,
  nodes: fc.array(
    fc.record({
      told: fc.oneof(fc.constant(0), fc.integer({ min: -400, max: 400 })),
      does: fc.constantFrom('all', 'all', 'all', 'nothing', 'half', 'share'),
      meters: often,
      inTime: often,
      swapped: fc.integer({ min: 1, max: 100 }).map((percent) => percent > 97),
    }),
    { minLength: 4, maxLength: 4 },
  ),
});
const streets = fc.array(luck, { minLength: 6, maxLength: 30 });
/** The same where all goes as it should. */
const quiet = streets.map((rounds) =>
  rounds.map(({ load, nodes }) => ({
    load,
    site: true,
    scheduled: true,
    nodes: nodes.map(({ told }) => ({ told, does: 'all' as const, meters: true, inTime: true, swapped: false })),
  })),
);

interface Seen {
  readonly round: number;
  readonly load_W: number;
  readonly least_W: number;
  readonly most_W: number;
  readonly forecast_W: number;
}

const street = emptyStreet({
  capacity_W: 500_000,
  exportLimit_W: 500_000,
  margin_W: MARGIN_W,
  rating_W: 50_000,
  safeShares_W: [SHARE_W, SHARE_W, SHARE_W, SHARE_W],
});

/** Lives through the rounds, and tells of each that was sealed where the load was taken to lie, and where it was. */
function live(rounds: readonly Luck[], apply = applyBlock): Seen[] {
  let chain = street;
  let load_W = 20_000 * STEP_W;
  const head = { imported_Wh: 1_000_000, exported_Wh: 1_000_000 };
  const cars = [0, 1, 2, 3].map(() => ({ imported_Wh: 0, exported_Wh: 0 }));
  const count = (meter: { imported_Wh: number; exported_Wh: number }, power_W: number): void => {
    if (power_W >= 0) meter.imported_Wh += power_W / STEP_W;
    else meter.exported_Wh -= power_W / STEP_W;
  };
  const waiting: { readonly inTime: boolean; readonly statement: Signed<MeterStatement> }[] = [];
  const seen: Seen[] = [];
  let told_W = [0, 0, 0, 0];
  rounds.forEach(({ load, site, scheduled, nodes }, i) => {
    const round = FIRST + i;
    // What is metered at the beginning of this interval is the state after round - 2; round - 1 is being delivered.
    const headBefore = { ...head };
    const carsBefore = cars.map((car) => ({ ...car }));
    const powers_W = nodes.map(({ does }, node) => {
      if (does === 'share') return SHARE_W;
      if (does === 'nothing') return 0;
      return does === 'all' ? told_W[node] : Math.trunc(told_W[node] / 2 / STEP_W) * STEP_W;
    });
    for (const [node, { swapped }] of nodes.entries()) if (swapped) cars[node].imported_Wh += AHEAD_Wh;
    const power_W = load_W + powers_W.reduce((sum, power) => sum + power, 0);
    nodes.forEach(({ meters, inTime }, node) => {
      if (!meters || i === 0) return;
      const registers = { ...carsBefore[node]!, importedBefore_Wh: 0, exportedBefore_Wh: 0 };
      waiting.push({ inTime, statement: meterOf(node, round - 2, registers) });
    });
    count(head, power_W);
    for (const [node, power] of powers_W.entries()) count(cars[node], power);

    const meters = waiting.filter(
      ({ inTime, statement: { round: of, sender } }) =>
        (inTime || of < round - 2) && of >= round - 12 && of > (chain.registers[sender]?.round ?? -1),
    );
    const next = sealed(
      chain,
      round,
      {
        site: site ? { takenAt_ms: (round - 1) * 300_000, ...headBefore, power_W } : null,
        meters: meters.map(({ statement }) => statement),
      },
      apply,
    );
    load_W += load * STEP_W; // the load of this round, from here on
    told_W = [0, 0, 0, 0];
    if (next === null) return;
    const { loadBetween_W, load_W: forecast } = next.instance!;
    seen.push({ round, load_W, ...loadBetween_W, forecast_W: forecast[0]! });
    chain = next;
    if (!scheduled) return;
    told_W = nodes.map(({ told }) => told * 10 * STEP_W);
    chain = scheduledAfter(chain, told_W);
  });
  return seen;
}

type Apply = typeof applyBlock;
/** What comes of load.ts with a rule replaced. */
const changed = <T>(what: string, find: string, replace: string, run: (apply: Apply) => T): Promise<T> =>
  withPatched(
    what,
    {
      folders: ['firmware'],
      entry: 'firmware/protocol/block.ts',
      patches: [{ file: 'firmware/protocol/load.ts', find, replace }],
    },
    (mutant: { readonly applyBlock: Apply }) => run(mutant.applyBlock),
  );

/** Averages are rounded down, twice. */
const ROUNDING_W = 2;
/** More than the vehicles of the street can do and the load can move. */
const WILD_W = 600_000;
const misses = (seen: readonly Seen[]): Seen[] =>
  seen.filter(
    ({ load_W, least_W, most_W }) =>
      load_W < least_W - ROUNDING_W || load_W > most_W + ROUNDING_W || most_W - least_W > WILD_W,
  );

describe('the load of the round that is sealed', () => {
  it('lies where it is taken to lie', () => {
    fc.assert(
      fc.property(streets, (rounds) => {
        expect(misses(live(rounds))).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it('is taken to lie within two margins of where it was, or of its forecast, where all goes as it should', () => {
    fc.assert(
      fc.property(quiet, (rounds) => {
        for (const { load_W, least_W, most_W, forecast_W } of live(rounds).slice(2)) {
          expect(most_W - Math.max(load_W, forecast_W)).toBeLessThanOrEqual(4 * MARGIN_W);
          expect(Math.min(load_W, forecast_W) - least_W).toBeLessThanOrEqual(4 * MARGIN_W);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('is anywhere between the load metered and the one shown, where these lie further apart than they should', async () => {
    const idle = { told: 0, does: 'nothing', meters: true, inTime: true, swapped: false } as const;
    const calm: Luck = { load: 0, site: true, scheduled: true, nodes: [idle, idle, idle, idle] };
    const before_W = 20_000 * STEP_W;
    const after_W = before_W + 10 * MARGIN_W;
    /** The load jumps with the round that is decided in the third interval. */
    const jump = [calm, calm, { ...calm, load: (10 * MARGIN_W) / STEP_W }, calm];
    const spans = ({ least_W, most_W }: Seen): boolean =>
      least_W <= before_W - MARGIN_W && most_W >= after_W + MARGIN_W;
    expect(live(jump).map(spans)).toEqual([false, false, false, true]);
    const believed = await changed('the newer is right', 'Math.min(...least_W)', 'least_W.at(-1)!', (apply) =>
      live(jump, apply),
    );
    expect(believed.map(spans)).toEqual([false, false, false, false]);
  });

  it.each([
    [
      'the range is not widened by what vehicles may have done',
      'round <= metered && ((alone',
      'round <= round || ((alone',
    ],
    [
      'a METER of several rounds counts as exact',
      '((alone >> (metered - round)) & 1) === 1) continue;',
      'true) continue;',
    ],
    ['nobody draws its safe share', 'Math.max(told_W, share_W)', 'Math.max(told_W, 0)'],
    ['vehicles draw what they are told at least', 'Math.min(0, told_W)', 'told_W'],
    ['an average is as new as its last round', 'round - 1 - first', 'round - 1 - last'],
    ['a metered load stays', 'const moved_W = margin_W * (round - 1 - first);', 'const moved_W = first - first;'],
    ['an average may be more than a vehicle can', 'isExact ? each_W :', 'before ? each_W :'],
    ['what another meter says counts as exact', 'isExact: false', 'isExact: true'],
  ])('%s: noticed', async (what, find, replace) => {
    const noticed = await changed(what, find, replace, (apply) =>
      fc.sample(streets, { numRuns: 300, seed: 8 }).some((rounds) => misses(live(rounds, apply)).length > 0),
    );
    expect(noticed).toBe(true);
  });
});
