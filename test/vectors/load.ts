/**
 * Streets for whoever writes another implementation of "The chain's numbers" (firmware/protocol/README.md): readings and METERs that
 * come, come late, or are lost, meters that are exchanged, clocks that are off, rounds that come to nothing; and what each SEAL makes
 * of it. Frozen in load.json, a street a line; `node test/vectors/load.ts --write` makes it anew after a change of the protocol
 * version. npm run test:second has a program in another language compute them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { type Draw, drawFrom } from '../unit/random-instance.ts';
import { registry } from './messages.ts';
import { emptyStreet, type Limits, meterOf, type Reading, scheduled, sealed } from './street.ts';

const FIRST = 1000;
const CHARGE_POINTS = 4;
const { roundTime_s } = registry.neighbourhood;
const RATING_W = 11_000;
/** As many of the last rounds are compared at each SEAL: no METER changes an older one, where none is left out. */
const SHOWN_ROUNDS = 15;

/** Node, round, imported and exported Wh of the last statement by the node's own notes, and now. */
type MeterRow = readonly [number, number, number, number, number, number];

interface Step {
  readonly round: number;
  readonly site: Reading | null;
  readonly meters: readonly MeterRow[];
  /** load[0] of the problem that is posed; none where nothing is sealed. */
  readonly forecast_W: number | null;
  /** Node, W at the head meter; empty where the round is terminated. */
  readonly allocations: readonly (readonly [number, number])[];
}

interface Street {
  readonly street: Limits & { readonly roundTime_s: number };
  readonly steps: readonly Step[];
}

const statementOf = ([node, round, importedBefore_Wh, exportedBefore_Wh, imported_Wh, exported_Wh]: MeterRow) =>
  meterOf(node, round, { importedBefore_Wh, exportedBefore_Wh, imported_Wh, exported_Wh });

/** What this implementation makes of a street. */
function lived({ street, steps }: Street) {
  const { roundTime_s: _, ...limits } = street;
  let chain = emptyStreet(limits);
  const forecasts: (number | null)[] = [];
  const seals = steps.map(({ round, site, meters, allocations }) => {
    const next = sealed(chain, round, { site, meters: meters.map(statementOf) });
    forecasts.push(next?.instance?.load_W[0] ?? null);
    if (next === null) return 'site-missing';
    const told_W = Array.from({ length: CHARGE_POINTS }, () => 0);
    for (const [node, told] of allocations) told_W[node]! += told;
    chain = allocations.length > 0 ? scheduled(next, told_W) : next;
    return {
      rounds: next.rounds
        .slice(-SHOWN_ROUNDS)
        .map(({ round: of, vehicles_W, averagedFrom_round = null, theta_W = null, load_W = null }) => [
          of,
          vehicles_W,
          averagedFrom_round,
          theta_W,
          load_W,
        ]),
      alone: next.registers.slice(0, CHARGE_POINTS).map((registers) => registers?.alone ?? null),
      ...next.instance!.loadBetween_W,
    };
  });
  return { street, steps: steps.map((step, i) => ({ ...step, forecast_W: forecasts[i]! })), seals };
}

/** A meter of the world: what it has counted since it was put in. */
class Meter {
  private imported_J: number;
  private exported_J: number;

  constructor(imported_Wh: number, exported_Wh: number) {
    this.imported_J = imported_Wh * 3600;
    this.exported_J = exported_Wh * 3600;
  }

  count(power_W: number): void {
    this.imported_J += Math.max(0, power_W) * roundTime_s;
    this.exported_J += Math.max(0, -power_W) * roundTime_s;
  }

  read(): readonly [number, number] {
    return [Math.floor(this.imported_J / 3600), Math.floor(this.exported_J / 3600)];
  }
}

/** In one of so many rounds or of whatever else is drawn for. */
const oneIn = (draw: Draw, many: number): boolean => draw(1, many) === 1;
/** Another meter in its place: its registers are behind, or one of them is, or is ahead by about what no street draws in a round. */
function exchanged(draw: Draw, meter: Meter): Meter {
  const [imported_Wh, exported_Wh] = meter.read();
  const ahead_Wh = draw(5000, 25_000);
  return [
    new Meter(draw(0, 90), draw(0, 90)),
    new Meter(imported_Wh + 500, 0),
    new Meter(imported_Wh + ahead_Wh, exported_Wh),
    new Meter(imported_Wh, exported_Wh + ahead_Wh),
  ][draw(0, 3)]!;
}

/** How long after the interval's beginning the head meter was read, in ms: at once, some seconds, a tenth of a round and just beyond, or another day. */
const lateBy_ms = (draw: Draw): number =>
  oneIn(draw, 6) ? [30_000, 30_001, -60_000, 86_400_000][draw(0, 3)]! : oneIn(draw, 2) ? 0 : draw(1, 4000);

function drawn(seed: number): Street {
  const draw = drawFrom(seed);
  const limits = {
    capacity_W: draw(40, 100) * 1000,
    exportLimit_W: draw(20, 60) * 1000,
    margin_W: draw(0, 3) * 500,
    rating_W: RATING_W,
    safeShares_W: Array.from({ length: CHARGE_POINTS }, () => draw(0, 2) * 1380),
  };
  let head = new Meter(10_000, 3000);
  const cars = limits.safeShares_W.map((share_W) => ({
    share_W,
    meter: new Meter(draw(2000, 3000), draw(2000, 3000)),
    noted: [0, 0] as readonly [number, number],
    told_W: 0,
    silentFrom: FIRST + (oneIn(draw, 2) ? 0 : draw(1, 5)),
    silent_rounds: oneIn(draw, 3) ? draw(4, 15) : 1,
  }));
  let load_W = draw(-10, 40) * 1000;
  let chain = emptyStreet(limits);
  const underWay: { readonly from: number; readonly row: MeterRow }[] = [];
  const steps: Step[] = [];
  const rounds = draw(12, 22);
  const outage = oneIn(draw, 2) ? FIRST + draw(4, rounds - 3) : 0;
  let outage_rounds = oneIn(draw, 2) ? draw(10, 11) : draw(1, 13); // about as long as allocations are kept
  const unreadFrom = oneIn(draw, 3) ? FIRST + draw(2, 6) : 0;
  const unreadUntil = unreadFrom + draw(3, 12);

  for (let round = FIRST; steps.length < rounds; round++) {
    // What is read at the beginning of this interval ends with round - 2; round - 1 is being delivered.
    const [imported_Wh, exported_Wh] = head.read();
    for (const [node, car] of cars.entries()) {
      const isSilent = round >= car.silentFrom && round < car.silentFrom + car.silent_rounds;
      if (round === FIRST || isSilent || oneIn(draw, 6)) continue;
      const row = [node, round - 2, ...car.noted, ...car.meter.read()] as const;
      car.noted = car.meter.read();
      if (!oneIn(draw, 10)) underWay.push({ from: round + (oneIn(draw, 4) ? draw(1, 4) : 0), row });
    }
    if (oneIn(draw, 25)) head = exchanged(draw, head);
    let power_W = load_W;
    for (const car of cars) {
      if (oneIn(draw, 30)) {
        car.meter = exchanged(draw, car.meter);
        car.noted = car.meter.read();
      }
      const did_W = [car.told_W, car.told_W, car.told_W, 0, Math.trunc(car.told_W / 2), car.share_W][draw(0, 5)]!;
      car.meter.count(did_W);
      power_W += did_W;
      car.told_W = 0;
    }
    head.count(power_W);
    load_W += draw(-limits.margin_W, limits.margin_W);
    if (round >= outage && outage > 0 && outage_rounds-- > 0) continue;

    const isRead = !oneIn(draw, 6) && !(round >= unreadFrom && round < unreadUntil);
    const stands = chain.site?.imported_Wh === imported_Wh && chain.site.exported_Wh === exported_Wh; // then no reading is stated
    const site =
      isRead && !stands
        ? { takenAt_ms: (round - 1) * 1000 * roundTime_s + lateBy_ms(draw), imported_Wh, exported_Wh, power_W }
        : null;
    const meters = underWay
      .filter(({ from, row: [node, of] }) => from <= round && of >= round - 12 && of > roundOf(chain, node))
      .map(({ row }) => row)
      .sort(([nodeA, a], [nodeB, b]) => a - b || nodeA - nodeB);
    const next = sealed(chain, round, { site, meters: meters.map(statementOf) });
    const isTerminated = next === null || oneIn(draw, 6);
    const allocations = isTerminated ? [] : cars.map((car, node) => [node, wish(draw, car.share_W)] as const);
    for (const [node, told_W] of allocations) cars[node]!.told_W = told_W;
    if (next !== null)
      chain = isTerminated
        ? next
        : scheduled(
            next,
            cars.map((car) => car.told_W),
          );
    steps.push({ round, site, meters, forecast_W: null, allocations });
  }
  return { street: { roundTime_s, ...limits }, steps };
}

const roundOf = (chain: ReturnType<typeof emptyStreet>, node: number): number => chain.registers[node]?.round ?? -1;
const wish = (draw: Draw, share_W: number): number =>
  [0, draw(0, share_W), draw(1380, RATING_W), -draw(1, 9000)][draw(0, 3)]!;

const FILE = new URL('load.json', import.meta.url);
export const frozenLoad = (): string => readFileSync(FILE, 'utf8');

/** The file: one street a line. */
const write = (streets: readonly Street[]): string =>
  `[\n${streets.map((each) => JSON.stringify(lived(each))).join(',\n')}\n]\n`;

/** The frozen streets as this implementation lives through them: the same file, if it does so right. */
export const recomputedLoad = (): string => write(JSON.parse(frozenLoad()));

if (import.meta.main && process.argv.includes('--write'))
  writeFileSync(FILE, write(Array.from({ length: 25 }, (_, i) => drawn(1 + i))));
