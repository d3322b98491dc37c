/** The simulated world obeys physics, keeps count of what must not happen, and is the same for the same seed. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unixMillis } from '../../hal/units.ts';
import { neighbourhoodLoad } from '../../sim-hardware/households.ts';
import { vehicleModels, visits } from '../../sim-hardware/visits.ts';
import { connectorTypes, World, type WorldEvent } from '../../sim-hardware/world.ts';
import { evening } from '../compliance/bench.ts';

const hour_ms = 3_600_000;

/** A world with every type of connector, its events, and time in minutes since it began. */
function neighbourhood(seed: number, change: Partial<ConstructorParameters<typeof World>[0]> = {}) {
  const events: WorldEvent[] = [];
  const chargePoints = Object.entries(connectorTypes).map(([id, type]) => ({ id, type }));
  const onEvent = (event: WorldEvent) => void events.push(event);
  const world = new World({ seed, start: evening, chargePoints, capacity_W: 800_000, onEvent, ...change });
  return { world, events, run: (minutes: number) => world.step(unixMillis(world.now + minutes * 60_000)) };
}

function connect(world: World, id: string, contact: 'charge' | 'discharge', offered_A = 32) {
  world.lease(id, true);
  world.offer(id, offered_A);
  world.drive(id, [contact === 'charge' ? 'closed' : 'open', contact === 'discharge' ? 'closed' : 'open']);
}

describe('households', () => {
  test('200 of them draw what a neighbourhood draws, and most in the evening', () => {
    const load = neighbourhoodLoad(200, 1);
    const day = Array.from({ length: 24 }, (_, hour) => load(evening + (hour - 16) * hour_ms) / 1000);
    for (const load_kW of day) expect(load_kW).toBeGreaterThan(10);
    for (const load_kW of day) expect(load_kW).toBeLessThan(250);
    expect(day.indexOf(Math.max(...day))).toBeGreaterThanOrEqual(17);
  });

  test('linear between minutes, the same every day', () => {
    const load = neighbourhoodLoad(200, 1);
    expect(load(evening + 30_000)).toBeCloseTo((load(evening) + load(evening + 60_000)) / 2, 6);
    expect(load(evening + 24 * hour_ms)).toBe(load(evening));
  });
});

describe('vehicles', () => {
  test('the real models were read', () => {
    expect(vehicleModels).toHaveLength(8);
    expect(vehicleModels[0]).toMatchObject({ name: 'Tesla Model 3', battery_Wh: 57_500, acCharge_W: 11_000 });
  });

  test('most are there within 90 s, all within 20 minutes, a third with more than enough', () => {
    const { world, events, run } = neighbourhood(3);
    run(1.6);
    const early = events.filter(({ kind }) => kind === 'plugged-in').length;
    expect(early).toBe(6);
    run(20);
    const cards = world.ids.map((id) => world.vehicle(id)!);
    expect(cards.filter(({ needed_Wh }) => needed_Wh === 0).length).toBeGreaterThanOrEqual(2);
    for (const card of cards.filter(({ needed_Wh }) => needed_Wh === 0)) expect(card.maySell).toBe(true);
  });

  test('any visit is possible: target and reserve fit the battery, the need fits the time', () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.nat(20), (seed, index) => {
        const next = visits(seed, index, evening, 3_000);
        let free = Number(evening);
        for (let visit = 0; visit < 5; visit++) {
          const { arrival, departure, model, stored_Wh, target_Wh, reserve_Wh } = next(free);
          expect(arrival).toBeGreaterThan(free);
          expect(departure - arrival).toBeGreaterThanOrEqual(1.5 * hour_ms - 60_000);
          expect(target_Wh).toBeLessThanOrEqual(model.battery_Wh);
          expect(reserve_Wh).toBeLessThanOrEqual(stored_Wh);
          expect(target_Wh - stored_Wh).toBeLessThanOrEqual((3_000 * (departure - arrival)) / hour_ms);
          free = departure;
        }
      }),
      { numRuns: 50 },
    );
  });

  test('come and go all week; the pilot shows it', () => {
    const { world, events, run } = neighbourhood(5);
    for (let minute = 0; minute < 7 * 1440; minute += 5) run(5);
    const kinds = events.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'left').length).toBeGreaterThan(20);
    for (const id of world.ids) expect(world.pilot(id)).toBe(world.vehicle(id) === undefined ? 'A' : 'B');
  });
});

describe('contacts decide whether current flows', () => {
  test('no current without offer, without contact, or without vehicle', () => {
    const { world, run } = neighbourhood(1);
    connect(world, 'fast-11', 'charge');
    run(0.01);
    expect(world.meter('fast-11').power_W).toBe(0); // nobody there yet
    run(2);
    expect(world.pilot('fast-11')).toBe('C');
    expect(world.meter('fast-11').power_W).toBeGreaterThan(10_000);
    world.offer('fast-11', 0);
    run(0.1);
    expect([world.pilot('fast-11'), world.meter('fast-11').power_W]).toEqual(['B', 0]);
    world.offer('fast-11', 16);
    world.drive('fast-11', ['open', 'open']);
    run(0.1);
    expect([world.pilot('fast-11'), world.meter('fast-11').power_W]).toEqual(['C', 0]);
  });

  test.each([
    // connector   offered A   least of offer, connector, vehicle in W
    ['slow-3', 13, 2_990],
    ['slow-3', 6, 1_380],
    ['fast-7', 32, 7_360],
    ['fast-22', 10, 6_900],
  ] as const)('%s offered %i A draws %i W', (id, offered_A, power_W) => {
    const { world, run } = neighbourhood(1);
    run(25);
    connect(world, id, 'charge', offered_A);
    run(0.1);
    const { power_W: drawn_W, currents_A } = world.meter(id);
    expect(drawn_W).toBe(power_W);
    expect(currents_A[0]).toBeCloseTo(offered_A, 6);
  });

  test('energy is conserved: battery, meter and head meter agree, 93 % each way', () => {
    const { world, run } = neighbourhood(1, { households: 0 });
    run(2);
    const ids = ['fast-11', 'fast-7'] as const; // the second is a seller (every third, visits.ts)
    const soc = () => ids.map((id) => (world.vehicle(id)!.soc_ppm * world.vehicle(id)!.battery_Wh) / 1e6);
    const storedBefore = soc();
    const metersBefore = structuredClone(ids.map((id) => world.meter(id)));
    const head = structuredClone(world.head);
    connect(world, 'fast-11', 'charge');
    connect(world, 'fast-7', 'discharge');
    for (let step = 0; step < 60; step++) run(0.5);
    const gained = soc().map((stored, at) => stored - storedBefore[at]!);
    const imported_Wh = world.meter('fast-11').imported_Wh - metersBefore[0]!.imported_Wh;
    const exported_Wh = world.meter('fast-7').exported_Wh - metersBefore[1]!.exported_Wh;
    expect(imported_Wh).toBeGreaterThan(3_000);
    expect(exported_Wh).toBeGreaterThan(3_000);
    expect(gained[0]).toBeCloseTo(imported_Wh * 0.93, 0);
    expect(gained[1]).toBeCloseTo(-exported_Wh / 0.93, 0);
    const net_Wh = world.head.imported_Wh - head.imported_Wh - (world.head.exported_Wh - head.exported_Wh);
    expect(net_Wh).toBeCloseTo(imported_Wh - exported_Wh, 3);
  });

  test('a battery fills up and no further; it sells down to its reserve and no further', () => {
    const { world, run } = neighbourhood(1);
    run(2);
    connect(world, 'fast-7', 'discharge');
    connect(world, 'fast-11', 'charge', 16);
    const lowest: number[] = [];
    for (let minute = 0; minute < 600; minute++) {
      run(1);
      const card = world.vehicle('fast-7');
      if (card !== undefined) lowest.push(card.soc_ppm - card.reserve_ppm);
      if (card === undefined) break;
    }
    expect(Math.min(...lowest)).toBeGreaterThanOrEqual(0);
    expect(world.violations['battery-out-of-range']).toBe(0);
  });

  test('a welded contact stays closed and goes on conducting; a stuck one never closes', () => {
    const { world, run } = neighbourhood(1);
    run(2);
    connect(world, 'fast-11', 'charge');
    run(0.1);
    world.setContactFault('fast-11', 0, 'welded');
    world.drive('fast-11', ['open', 'open']);
    run(0.1);
    expect(world.contacts('fast-11')).toEqual(['closed', 'open']);
    expect(world.meter('fast-11').power_W).toBeGreaterThan(0);
    world.setContactFault('fast-11', 0, null);
    run(0.1);
    expect(world.contacts('fast-11')).toEqual(['open', 'open']);
    world.setContactFault('fast-11', 0, 'stuck-open');
    connect(world, 'fast-11', 'charge');
    run(0.1);
    expect(world.contacts('fast-11')).toEqual(['open', 'open']);
  });

  test('contacts follow their coils after 15 ms, and operations are counted', () => {
    const { world } = neighbourhood(1);
    const tick = (time_ms: number) => world.step(unixMillis(world.now + time_ms));
    world.drive('slow-3', ['closed', 'open']);
    tick(10);
    expect(world.contacts('slow-3')).toEqual(['open', 'open']);
    tick(5);
    expect(world.contacts('slow-3')).toEqual(['closed', 'open']);
    world.drive('slow-3', ['open', 'open']);
    tick(15);
    expect(world.operations('slow-3')).toEqual([2, 0]);
  });
});

describe('what must not happen is counted, once per episode', () => {
  const none = {
    overlap: 0,
    'closed-without-vehicle': 0,
    'closed-without-lease': 0,
    'over-capacity': 0,
    'battery-out-of-range': 0,
  };

  test('nothing, while nobody does anything wrong', () => {
    const { world, run } = neighbourhood(1);
    run(2);
    connect(world, 'fast-11', 'charge');
    for (let minute = 0; minute < 60; minute++) run(1);
    expect(world.violations).toEqual(none);
  });

  test('both contacts closed: no power, one overlap', () => {
    const { world, run } = neighbourhood(1);
    run(2);
    world.lease('fast-11', true);
    world.offer('fast-11', 16);
    world.drive('fast-11', ['closed', 'closed']);
    run(1);
    expect(world.violations).toEqual({ ...none, overlap: 1 });
    expect(world.meter('fast-11').power_W).toBe(0);
    world.drive('fast-11', ['open', 'open']);
    run(1);
    world.drive('fast-11', ['closed', 'closed']);
    run(1);
    expect(world.violations.overlap).toBe(2);
  });

  test('a contact closed for ten seconds with no vehicle, or without a lease', () => {
    const { world, run } = neighbourhood(1);
    world.drive('fast-22', ['closed', 'open']); // its vehicle comes after some minutes (visits.ts)
    world.lease('fast-22', true);
    run(0.1);
    expect(world.violations).toEqual(none);
    run(1);
    expect(world.violations).toEqual({ ...none, 'closed-without-vehicle': 1 });
    world.drive('fast-22', ['open', 'open']);
    run(2);
    world.drive('fast-11', ['closed', 'open']);
    run(1);
    expect(world.violations).toEqual({ ...none, 'closed-without-vehicle': 1, 'closed-without-lease': 1 });
  });

  test('more than the head meter may import', () => {
    const { world, run } = neighbourhood(1, { capacity_W: 1_000 });
    run(1);
    run(1);
    expect(world.violations).toEqual({ ...none, 'over-capacity': 1 });
  });
});

test('the same seed and commands give the same world; another seed another', () => {
  const story = (seed: number) => {
    const { world, events, run } = neighbourhood(seed);
    run(3);
    connect(world, 'fast-11', 'charge');
    for (let minute = 0; minute < 300; minute++) run(1);
    return JSON.stringify([events, world.head, world.meter('fast-11')]);
  };
  expect(story(7)).toBe(story(7));
  expect(story(8)).not.toBe(story(7));
});

test('an unknown charge point is named', () => {
  const { world } = neighbourhood(1);
  expect(() => world.meter('cp9')).toThrow(/no charge point cp9 .*slow-3/);
});
