/**
 * Cases of the benefit, for whoever writes another implementation (firmware/protocol/benefit/README.md): histories and
 * the problems they pose; plans and whether they are allowed and what they are worth; orders that must run and what
 * curtailment grants them. Frozen in benefit.json, a case a line; `node test/vectors/benefit.ts --write` makes it anew
 * after a change of the protocol version. npm run test:second has a program in another language compute them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { curtailment } from '../../firmware/protocol/benefit/curtailment.ts';
import { evaluate } from '../../firmware/protocol/benefit/evaluate.ts';
import { refusal } from '../../firmware/protocol/benefit/feasible.ts';
import type { Instance, Limits, PendingOrder, PlanAhead } from '../../firmware/protocol/benefit/instance.ts';
import { PPM } from '../../firmware/protocol/benefit/instance.ts';
import { poseInstance, type RoundRecord } from '../../firmware/protocol/benefit/pose.ts';
import { step } from '../../firmware/protocol/benefit/rank.ts';
import { tube } from '../../firmware/protocol/benefit/tube.ts';
import { solve } from '../../firmware/solver/solve.ts';
import { drawFrom } from '../unit/random-instance.ts';

/** Histories with gaps, some loads unknown, with and without a prior; slots of a quarter of an hour to six hours, sun on the roofs. */
function facts(seed: number) {
  const draw = drawFrom(seed);
  const roundTime_s = [900, 1800, 7200, 21_600][draw(0, 3)]!;
  const slots = 86_400 / roundTime_s;
  const round = 9 * slots + draw(0, slots);
  const knownRounds = roundTime_s === 900 ? draw(0, slots) : draw(0, 8) * slots;
  const history: RoundRecord[] = [];
  for (let past = round - knownRounds; past < round; past++) {
    if (draw(0, 19) === 0 && past < round - 1) continue; // a round that was never sealed is no gap on a chain; here it is
    history.push({
      round: past,
      buy_W: draw(0, 3) === 0 ? 0 : draw(0, 90_000),
      sell_W: draw(0, 1) === 0 ? 0 : draw(0, 50_000),
      ...(draw(0, 9) > 0 && { theta_W: draw(-20_000, 200_000) }),
      ...(draw(0, 9) > 0 && { load_W: 10_000 * (past % slots) - 30_000 + draw(-9000, 9000) }),
    });
  }
  return {
    round,
    roundTime_s,
    lookAhead_rounds: draw(1, 8),
    maxWait_rounds: 2,
    dischargingEfficiency_ppm: 930_000 + draw(0, 50_000),
    history,
    arrived: { buy_W: draw(0, 60_000), sell_W: draw(0, 30_000) },
    ...(draw(0, 1) === 1 && { loadProfile_W: Array.from({ length: slots }, () => draw(0, 60_000)) }),
  };
}

const NO_LIMITS: Limits = {
  capacity_W: 0,
  exportLimit_W: 0,
  margin_W: 0,
  safeShares_W: [],
  lostParts: 0,
  connectors: [],
};

function posed(known: ReturnType<typeof facts>) {
  const { load_W, buyForecast_W, sellForecast_W, surprise, theta_W } = poseInstance({
    ...known,
    closes: false,
    chargingEfficiency_ppm: 930_000,
    limits: NO_LIMITS,
    pending: [],
    directions: [],
  });
  return { facts: known, theta_W, load_W, buyForecast_W, sellForecast_W, surprise };
}

const NODES = 6;
/** A neighbourhood of a few connectors with tight limits, so that every rule is at stake somewhere. */
function problem(seed: number, mustRun: boolean): Instance {
  const draw = drawFrom(seed);
  const rounds = draw(1, 5);
  const list = (low: number, high: number): number[] => Array.from({ length: rounds }, () => draw(low, high));
  const pending = Array.from({ length: draw(0, 7) }, (_, i): PendingOrder => {
    const power_W = draw(1, 22) * 1000 + draw(0, 999);
    const curtailed_rounds = draw(0, 3) === 0 ? draw(1, 3) : 0;
    return {
      id: `${seed.toString(16).padStart(4, '0')}${i}`,
      node: draw(0, NODES - 1),
      side: draw(0, 2) > 0 ? 'buy' : 'sell',
      power_W,
      remainingWait_rounds: mustRun || curtailed_rounds > 0 ? 0 : draw(0, 2),
      curtailed_rounds,
      divisible: draw(0, 1) === 1,
      minimum_W: Math.min(1380, power_W),
    };
  });
  const load_W = list(0, draw(0, 1) === 0 ? 20_000 : 60_000);
  return {
    round: 1000 + draw(0, 99),
    roundTime_s: 7200,
    slotsPerDay: 12,
    theta_W: Array.from({ length: draw(0, 13) }, () => draw(-20_000, 90_000)),
    load_W,
    loadBetween_W: { least_W: load_W[0]! - draw(0, 5000), most_W: load_W[0]! + draw(0, 5000) },
    buyForecast_W: list(0, 40_000),
    sellForecast_W: list(0, 20_000),
    surprise: list(0, 40_000),
    maxWait_rounds: 2,
    closes: false,
    chargingEfficiency_ppm: 930_000,
    dischargingEfficiency_ppm: 930_000,
    limits: {
      capacity_W: draw(30, 110) * 1000,
      exportLimit_W: draw(0, 12) * 1000,
      margin_W: draw(0, 5) * 1000,
      safeShares_W: Array.from({ length: NODES }, () => draw(0, 2) * 1380),
      lostParts: draw(1, 2),
      connectors: Array.from({ length: NODES }, () => ({
        charge_W: 22_999,
        discharge_W: Math.min(1, draw(0, 3)) * 22_999,
      })),
    },
    pending,
    directions: Array.from({ length: NODES }, () => (['idle', 'charge', 'discharge'] as const)[draw(0, 2)]!),
  };
}

/** The solver's plan, or one that draws nearly at random, so that many are refused. */
function planFor(instance: Instance, seed: number): PlanAhead {
  const draw = drawFrom(seed);
  if (draw(0, 2) > 0) return solve(instance);
  const split = (total: number, parts: number): number[] => {
    const list = Array.from({ length: parts }, () => 0);
    for (let left = total; left > 0; ) {
      const part = Math.min(left, draw(1, total));
      list[draw(0, parts - 1)]! += part;
      left -= part;
    }
    return list;
  };
  return {
    orders: instance.pending.map(({ divisible, power_W, remainingWait_rounds }) =>
      divisible && draw(0, 2) === 0
        ? split(power_W, remainingWait_rounds + 1)
        : draw(0, remainingWait_rounds + (draw(0, 8) === 0 ? 1 : 0)),
    ),
    shares: instance.load_W.slice(1).map(() => ({ buy_ppm: split(PPM, 3), sell_ppm: split(PPM, 3) })),
  };
}

function judged({ instance, plan }: { readonly instance: Instance; readonly plan: PlanAhead }) {
  const refused = refusal(instance, plan)?.code ?? null;
  if (refused !== null) return { instance, plan, refused };
  const { theta_W, net_W, pfInt, reserve, slopes, lambda, operations } = evaluate(instance, plan);
  const worth = { theta_W, net_W, reserve, slopes, pfInt, lambda, operations, step: step(pfInt, slopes) };
  return { instance, plan, refused, tube: tube(instance), worth };
}

/** Of orders that must all run: what each that is held back is granted, by place. */
const curtailed = ({ instance }: { readonly instance: Instance }) => ({
  instance,
  granted: [...curtailment(instance)],
});

const seeds = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);
const text = (value: unknown): string =>
  JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? `${each}` : each));

type Cases = Readonly<Record<'posed' | 'judged' | 'curtailed', readonly unknown[]>>;

const FILE = new URL('benefit.json', import.meta.url);
export const frozenBenefit = (): string => readFileSync(FILE, 'utf8');

/** The file: one case a line. What may pass 2^53 is text. */
const write = (cases: Cases): string => {
  const groups = Object.entries(cases).map(([name, list]) => `"${name}":[\n${list.map(text).join(',\n')}\n]`);
  return `{${groups.join(',\n')}}\n`;
};

/** The frozen cases as this implementation computes them: the same file, if it does so right. */
export function recomputed(): string {
  const frozen = JSON.parse(frozenBenefit());
  return write({
    posed: frozen.posed.map(({ facts }: { facts: Parameters<typeof posed>[0] }) => posed(facts)),
    judged: frozen.judged.map(judged),
    curtailed: frozen.curtailed.map(curtailed),
  });
}

const drawn = (seed: number) => {
  const instance = problem(seed, false);
  return { instance, plan: planFor(instance, seed + 1) };
};
if (process.argv.includes('--write'))
  writeFileSync(
    FILE,
    write({
      posed: seeds(1, 12).map((seed) => posed(facts(seed))),
      judged: seeds(100, 100).map((seed) => judged(drawn(seed))),
      curtailed: seeds(300, 60).map((seed) => curtailed({ instance: problem(seed, true) })),
    }),
  );
