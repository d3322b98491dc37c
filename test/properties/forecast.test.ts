/** The forecast's short ways against plain ones: windows that slide, sums in numbers, lists for maps. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as forecast from '../../firmware/protocol/benefit/forecast.ts';
import {
  FORECAST_DAYS,
  forecastSeries,
  persistence_ppm,
  profile,
  type Series,
  type SeriesForecast,
  surprise,
  Timeline,
} from '../../firmware/protocol/benefit/forecast.ts';
import { floorDiv } from '../../firmware/protocol/benefit/instance.ts';
import { withPatched } from '../mutate.ts';

const mod = (a: number, b: number): number => ((a % b) + b) % b;

/** As the specification says it: each slot's mean over the window's days and, with falling weight, its neighbours'. */
function plainProfile(series: Series, f: SeriesForecast): (number | undefined)[] {
  const reach = Math.max(1, Math.floor(f.reach_s / f.roundTime_s));
  return Array.from({ length: f.slotsPerDay }, (_, slot) => {
    let [total, weights] = [0, 0];
    for (let round = f.known - FORECAST_DAYS * f.slotsPerDay; round < f.known; round++)
      for (let d = 1 - reach; d < reach; d++) {
        const value = series.get(round);
        if (value === undefined || mod(slot + d, f.slotsPerDay) !== mod(round, f.slotsPerDay)) continue;
        total += (reach - Math.abs(d)) * value;
        weights += reach - Math.abs(d);
      }
    return weights > 0 ? floorDiv(total, weights) : undefined;
  });
}

function plainPersistence(series: Series, mean: readonly (number | undefined)[], f: SeriesForecast): number {
  let [squares, products] = [0n, 0n];
  const deviation = (round: number): bigint | undefined => {
    const [value, usual] = [series.get(round), mean[mod(round, f.slotsPerDay)]];
    return value === undefined || usual === undefined ? undefined : BigInt(value - usual);
  };
  for (let round = f.known - FORECAST_DAYS * f.slotsPerDay + 1; round < f.known; round++) {
    const [before, now] = [deviation(round - 1), deviation(round)];
    if (before === undefined || now === undefined) continue;
    squares += before * before;
    products += before * now;
  }
  if (squares === 0n) return 1_000_000;
  const ppm = (products * 1_000_000n) / squares;
  return Number(ppm < 0n ? 0n : ppm > 1_000_000n ? 1_000_000n : ppm);
}

/** Values small and as large as a site's may be, in runs and with gaps, some beyond the window; negative rounds too. */
const cases = fc
  .record({
    slotsPerDay: fc.integer({ min: 1, max: 48 }),
    reach: fc.integer({ min: 0, max: 60 }),
    known: fc.integer({ min: -20, max: 500 }),
    prior: fc.boolean(),
    unknown: fc.constantFrom('persists', 'zero'),
    values: fc.array(fc.option(fc.oneof(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -1e8, max: 1e8 }))), {
      maxLength: 420,
    }),
  })
  .map(({ slotsPerDay, reach, known, prior, unknown, values }) => {
    const first = known - values.length + 1;
    const timeline = new Timeline(first, values.length);
    const map = new Map<number, number>();
    values.forEach((value, i) => {
      if (value === null) return;
      timeline.set(first + i, value);
      map.set(first + i, value);
    });
    const f: SeriesForecast = {
      known,
      round: known + 1,
      rounds: 3,
      slotsPerDay,
      roundTime_s: 300,
      reach_s: reach * 300,
      unknown,
      ...(unknown === 'persists' && prior && { prior: Array.from({ length: slotsPerDay }, (_, slot) => slot) }),
    };
    return { timeline, map, f };
  });

it('the sliding window gives the mean of the plain one', () => {
  fc.assert(
    fc.property(cases, ({ map, f }) => {
      expect(profile(map, f)).toEqual(plainProfile(map, f));
    }),
  );
});

it('sums of products are exact, whatever their size', () => {
  fc.assert(
    fc.property(cases, ({ map, f }) => {
      const mean = plainProfile(map, f);
      expect(persistence_ppm(map, mean, f)).toBe(plainPersistence(map, mean, f));
    }),
  );
});

// Pairs of deviations of which one is the other's fifth, 25th, .. part: a sum that is rounded anywhere gives a ppm less.
it.each([5, 25, 125, 625])('a persistence of 1/%i is exact in sums far beyond 2^53', (part) => {
  const pairs = new Map<number, number>();
  for (let i = 0; i < 100; i++) {
    const deviation = Math.floor(1e8 / part) - 2 * i * i - 1;
    pairs.set(3 * i, part * deviation).set(3 * i + 1, deviation);
  }
  const hours = { known: 300, round: 301, rounds: 1, slotsPerDay: 48, roundTime_s: 1800, reach_s: 0 };
  const usual = Array.from({ length: 48 }, () => 0);
  expect(persistence_ppm(pairs, usual, { ...hours, unknown: 'zero' })).toBe(1_000_000 / part);
});

/** floor(a b / 1,000,000). */
const ppmOf = (a: number, b: number): number => {
  const product = BigInt(a) * BigInt(b);
  return Number(product / 1_000_000n - (product < 0n && product % 1_000_000n !== 0n ? 1n : 0n));
};

/** The deviation as it fades: from the latest known round on, times rho each round, each rounded down. */
function plainForecast(series: Series, f: SeriesForecast, level_ppm: number): number[] {
  const mean = plainProfile(series, f).map((value) => (value === undefined ? value : ppmOf(value, level_ppm)));
  const rho = plainPersistence(series, mean, f);
  const last = series.get(f.known);
  return Array.from({ length: f.rounds }, (_, k) => {
    const slot = mod(f.round + k, f.slotsPerDay);
    const source = mean[slot] === undefined ? (f.prior ?? []) : mean;
    const [at, usual] = [source[slot], source[mod(f.known, f.slotsPerDay)]];
    if (at === undefined) return f.unknown === 'persists' ? (last ?? 0) : 0;
    let left = last === undefined || usual === undefined ? 0 : last - usual;
    for (let round = f.known; round < f.round + k; round++) left = ppmOf(left, rho);
    return f.unknown === 'persists' ? at + left : Math.max(0, at + left);
  });
}

/** By slot, the smoothed mean of what each round was off its forecast of the round before, squared in (100 W)^2. */
function plainSurprise(series: Series, f: SeriesForecast): number[] {
  const mean = plainProfile(series, f);
  const rho = plainPersistence(series, mean, f);
  const first = f.known - FORECAST_DAYS * f.slotsPerDay;
  const deviation = (round: number): number | undefined => {
    const [value, usual] = [series.get(round), mean[mod(round, f.slotsPerDay)]];
    return round < first || round >= f.known || value === undefined || usual === undefined ? undefined : value - usual;
  };
  const squares: Series = {
    get(round) {
      const off = deviation(round);
      return off === undefined ? undefined : floorDiv(off - ppmOf(deviation(round - 1) ?? 0, rho), 100) ** 2;
    },
  };
  return plainProfile(squares, f).map((value) => value ?? 0);
}

/** What came since midnight over what comes by then on usual days, both with four hours of a usual day added. */
function plainLevel(series: Series, mean: readonly (number | undefined)[], f: SeriesForecast): number {
  const day = mean.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const rounds = Array.from(
    { length: f.slotsPerDay },
    (_, slot) => f.known - mod(f.known, f.slotsPerDay) + slot,
  ).filter(
    (round) => round <= f.known && series.get(round) !== undefined && mean[mod(round, f.slotsPerDay)] !== undefined,
  );
  const sixth = floorDiv(day, 6);
  const came = rounds.reduce((sum, round) => sum + series.get(round)!, sixth);
  const usual = rounds.reduce((sum, round) => sum + mean[mod(round, f.slotsPerDay)]!, sixth);
  if (usual <= 0) return 1_000_000;
  const [a, b] = [BigInt(came) * 1_000_000n, BigInt(usual)];
  return Number(a / b - (a < 0n && a % b !== 0n ? 1n : 0n));
}

type Forecast = typeof forecast;

/** Whether each function differs from its plain twin on the case. */
const differs = (
  {
    forecastSeries: series,
    surprise: surprises,
    dayLevel_ppm: level,
  }: Pick<Forecast, 'forecastSeries' | 'surprise' | 'dayLevel_ppm'>,
  { map, f }: { map: ReadonlyMap<number, number>; f: SeriesForecast },
) => {
  const far = { ...f, round: f.known + 3, rounds: 5 };
  const mean = plainProfile(map, f);
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
  return {
    forecastSeries: !same(series(map, far, 1_200_000), plainForecast(map, far, 1_200_000)),
    surprise: !same(surprises(map, f), plainSurprise(map, f)),
    dayLevel_ppm: level(map, mean, f) !== plainLevel(map, mean, f),
  };
};

it('forecast, surprise and level of the day are what they are stated to be', () => {
  fc.assert(
    fc.property(cases, (one) => {
      expect(differs(forecast, one)).toEqual({ forecastSeries: false, surprise: false, dayLevel_ppm: false });
    }),
  );
});

it.each([
  ['forecastSeries', 'k < f.round; k++', 'k < f.known; k++'],
  ['forecastSeries', 'along(f.prior ?? [])', 'f.prior ?? []'],
  ['forecastSeries', '? (value ?? given[k] ?? last ?? 0)', '? Math.max(0, value ?? given[k] ?? last ?? 0)'],
  ['surprise', 'deviation - mulDiv(before, rho, PPM)', 'deviation'],
  ['dayLevel_ppm', 'let usual = prior', 'let usual = 0'],
] as const)('another %s is noticed', async (name, find, replace) => {
  const file = 'firmware/protocol/benefit/forecast.ts';
  const source = { folders: ['firmware'], entry: file, patches: [{ file, find, replace }] };
  const noticed = await withPatched(`another ${name}`, source, (mutant: Forecast) =>
    fc.sample(cases, { numRuns: 300, seed: 7 }).some((one) => differs(mutant, one)[name]),
  );
  expect(noticed).toBe(true);
});

it('a list of rounds is the same series as a map of them', () => {
  fc.assert(
    fc.property(cases, ({ timeline, map, f }) => {
      expect(forecastSeries(timeline, f)).toEqual(forecastSeries(map, f));
      expect(surprise(timeline, f)).toEqual(surprise(map, f));
    }),
  );
});
