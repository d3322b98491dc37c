/**
 * node firmware/launch.cjs test/experiment/hedging.ts FILE... [--days 20]: what is the reserve worth? The FILEs are scenarios of one
 * kind. Their own days and days drawn from theirs are played with the benefit as it is, and with its reserve changed.
 */
import { parseArgs } from 'node:util';
import { withPatched } from '../mutate.ts';
import { daysLike, ofOneKind } from './kind.ts';
import { played_percent } from './played.ts';
import { withError } from './statistic.ts';

const { values, positionals } = parseArgs({
  options: { days: { type: 'string', default: '20' } },
  allowPositionals: true,
});
const { scenarios, like } = ofOneKind(positionals, 'paper-*.json');
const FIRST_SEED = 20_000; // the other experiments draw from 1, 5,000 and 10,001 on
const drawn = daysLike(scenarios, like, Number(values.days), FIRST_SEED);

const MIDDLE = 'KAPPA_ppt = 50;';
const WALLS = 'WALL_PRICE_ppt = 100;';
const ROOM = 'CARE_PRICE_ppt = 350;';
/** A thousandth of a slope's price: the solver's barriers know no price of nothing. */
const none = (constant: string): readonly [string, string] => [constant, constant.replace(/\d+/, '1')];
/** By name, what is changed in reserve.ts. */
const SETTINGS: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'no reserve': [none(MIDDLE), none(WALLS), none(ROOM)],
  'without the middle': [none(MIDDLE)],
  'without the walls': [none(WALLS)],
  'without room under the capacity': [none(ROOM)],
  'walls at two rounds': [['WALL_ROUNDS = 3;', 'WALL_ROUNDS = 2;']],
  'walls at four rounds': [['WALL_ROUNDS = 3;', 'WALL_ROUNDS = 4;']],
};

type Played = { readonly played_percent: typeof played_percent };
const play = (played: Played) => ({
  own: scenarios.map((day) => played.played_percent(day)),
  drawn: drawn.map((day) => played.played_percent(day)),
});
const list = (percents: readonly number[]): string => percents.map((percent) => percent.toFixed(1)).join(', ');

console.log(
  `${scenarios.map(({ name }) => name).join(', ')}, reduction of cbrt(PF), %; ${drawn.length} drawn days, and less the shipped`,
);
const shipped = play({ played_percent });
console.log(`as shipped: ${list(shipped.own)}; drawn ${withError(shipped.drawn)}`);
for (const [name, changes] of Object.entries(SETTINGS)) {
  const file = 'firmware/protocol/benefit/reserve.ts';
  const patches = changes.map(([find, replace]) => ({ file, find, replace }));
  const source = {
    folders: ['firmware', 'test/experiment'],
    entry: 'test/experiment/played.ts',
    patches,
  };
  const changed = await withPatched(name, source, play);
  const difference = changed.drawn.map((percent, i) => percent - shipped.drawn[i]!);
  console.log(`${name}: ${list(changed.own)}; drawn ${withError(changed.drawn)}, ${withError(difference, 2)}`);
}
