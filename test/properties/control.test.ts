/** Whatever happens to a charge point, an outside observer has nothing to object; broken twins of each rule are caught. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultRules, type Rules } from '../../firmware/control/arbiter.ts';
import type { Limits } from '../../firmware/control/limits.ts';
import type { Rule } from '../../firmware/control/types.ts';
import { milliamps, millis } from '../../hal/units.ts';
import { type Happening, Plant } from './control-plant.ts';

const trouble: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom<Happening>({ what: 'unplug' }, { what: 'crash' }) },
  { weight: 3, arbitrary: fc.constant<Happening>({ what: 'plug' }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('pilot'), error: fc.constantFrom('E', 'F', null, null, null) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('fault'), fault: fc.constantFrom('ground-fault', null, null) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('silent'),
      sense: fc.constantFrom('meter', 'connector', 'relays'),
      silent: fc.constantFrom(true, false, false),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('owner'), wish: fc.constantFrom('stop', 'charge now', 'none') }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('clock'),
      trusted: fc.constantFrom(true, true, false),
      step_ms: fc.constantFrom(0, -90_000, 45_000),
    }),
  },
) as fc.Arbitrary<Happening>;

const plan: fc.Arbitrary<Happening> = fc.record({
  what: fc.constant('plan'),
  direction: fc.constantFrom('charge', 'discharge', 'idle'),
  power_W: fc.constantFrom(1_380, 3_700, 7_360),
});

/** A story: something happens, then the control runs for a while in cycles of its own length. */
const story = (extra: fc.Arbitrary<Happening>) =>
  fc.record({
    dt: fc.constantFrom(100, 200, 500, 1_000),
    acts: fc.array(
      fc.record({
        happening: fc.oneof({ weight: 3, arbitrary: plan }, { weight: 4, arbitrary: extra }),
        lasts: fc.constantFrom(1_000, 7_000, 15_000, 40_000, 70_000),
      }),
      { minLength: 4, maxLength: 25 },
    ),
  });

type Story = { dt: number; acts: { happening: Happening; lasts: number }[] };

// Rest times are shortened so that stories switch often; they guard wear, not safety.
const quick: Partial<Limits> = { minimumOn: millis(5_000), minimumOff: millis(5_000), closingsPerHour: 1_000 };

function play({ dt, acts }: Story, rules: Partial<Rules> = {}, limits: Partial<Limits> = {}): Plant {
  const plant = new Plant(rules, { ...quick, ...limits });
  for (const { happening, lasts } of acts) {
    plant.happen(happening);
    for (let passed = 0; passed < lasts; passed += dt) plant.cycle(dt);
  }
  return plant;
}

const nothingToObject = (extra: fc.Arbitrary<Happening>, rules?: Partial<Rules>, limits?: Partial<Limits>) =>
  fc.property(story(extra), (told) => {
    expect(play(told, rules, limits).objections).toEqual([]);
  });

const weld: fc.Arbitrary<Happening> = fc.constant({ what: 'weld' });
const any = fc.oneof({ weight: 15, arbitrary: trouble }, { weight: 1, arbitrary: weld });
const passes: Rule = (_, below) => below;

describe('a charge point under any trouble', () => {
  it('is never unsafe', () => fc.assert(nothingToObject(any), { numRuns: 400 }), 60_000);

  const gentle =
    (level: keyof Rules): Rule =>
    (at, below) => {
      const target = defaultRules[level](at, below);
      return target.contact === 'none' ? { ...target, urgent: false } : target;
    };

  const twins: [string, Partial<Rules>, Partial<Limits>][] = [
    ['without the interlock', { interlock: passes }, {}],
    ['with half the dead time', {}, { deadTime: millis(5_000) }],
    ['that does not listen to the pilot', { pilot: passes }, {}],
    ['that opens cold when the vehicle has gone', { pilot: gentle('pilot') }, {}],
    ['that does not mind a silent meter', { meter: passes }, {}],
    ['that waits longer for the meter', {}, { meterOpen: millis(12_000) }],
    ['that opens cold on hardware faults', { hardware: gentle('hardware') }, {}],
    ['that does not mind broken hardware', { hardware: passes }, {}],
    ['that never believes in a weld', {}, { confirmWeld: millis(1_000_000) }],
    ['that takes a moving contact for a weld', {}, { settleContact: millis(0), confirmWeld: millis(0) }],
    [
      'that takes a lagging vehicle for a weld',
      {},
      { settleContact: millis(0), settleMeter: millis(-5_000), confirmWeld: millis(0), noCurrent: milliamps(1) },
    ],
  ];
  it.each(twins)(
    'is seen through: a control %s',
    (_name, rules, limits) => {
      expect(fc.check(nothingToObject(any, rules, limits), { numRuns: 400, seed: 11, endOnFailure: true }).failed).toBe(
        true,
      );
    },
    60_000,
  );
});

describe('planned openings', () => {
  const drive = (rules: Partial<Rules>, limits: Partial<Limits>) => {
    const count = { planned: 0, underLoad: 0 };
    fc.assert(
      fc.property(story(plan), (told) => {
        const { openings } = play(told, rules, limits);
        count.planned += openings.planned;
        count.underLoad += openings.underLoad;
      }),
      { numRuns: 60, seed: 7 },
    );
    return count;
  };

  it('are cold', () => {
    const { planned, underLoad } = drive({}, {});
    expect(planned).toBeGreaterThan(50);
    expect(underLoad / planned).toBeLessThan(0.01);
  }, 60_000);

  it('are not when the control does not wait for the current to end', () => {
    const { planned, underLoad } = drive({}, { withdrawal: millis(0) });
    expect(underLoad / planned).toBeGreaterThan(0.5);
  }, 60_000);
});
