/**
 * Stories of one charge point, told as transcripts: at each second what changes in the world, and what is then
 * commanded: contact, offer, reason. Between the rows the control runs every half second.
 */
import { describe, expect, it } from 'vitest';
import type { Rules } from '../../firmware/control/arbiter.ts';
import { defaultRules } from '../../firmware/control/arbiter.ts';
import { control } from '../../firmware/control/control.ts';
import { boot, clearWeld, memento } from '../../firmware/control/memory.ts';
import { close } from '../../firmware/control/target.ts';
import type { ControlState, Decision, Installation, NeedNow, Observed, Senses } from '../../firmware/control/types.ts';
import type { Plan } from '../../firmware/protocol/plan.ts';
import type { ConnectorFault, PilotState } from '../../hal/ports.ts';
import { milliamps, millis, unixMillis, wattHours, watts } from '../../hal/units.ts';

const epoch = 1_700_000_100_000; // a round of 300 s starts here
const slow: Installation = {
  phases: 1,
  maxCurrent: milliamps(32_000),
  charge_W: 7_360,
  discharge_W: 7_360,
  safeShare_W: 1_400,
};
const noNeed: NeedNow = {
  missing: wattHours(0),
  toDraw: wattHours(0),
  departure: unixMillis(epoch + 8 * 3_600_000),
  soc: wattHours(30_000),
  reserve: wattHours(10_000),
};
const missing = (energy_Wh: number, hours: number): NeedNow => ({
  ...noNeed,
  missing: wattHours(energy_Wh),
  toDraw: wattHours(energy_Wh),
  departure: unixMillis(epoch + hours * 3_600_000),
});

/** Committed for the n-th round of the story (blocks 1041, 1042, ...). */
const plan = (n: number, direction: Plan['direction'], power_W = 3_680): Plan => ({
  round: n,
  block: 1041 + n,
  start: unixMillis(epoch + n * 300_000),
  end: unixMillis(epoch + (n + 1) * 300_000),
  direction,
  power: watts(direction === 'idle' ? 0 : power_W),
  orders: [],
});

interface World {
  plans: Plan[];
  why: Senses['noPlan']['why'];
  /** 'asks': state C as soon as anything is offered, else B. */
  pilot: PilotState | 'asks';
  faults: ConnectorFault[];
  cable_mA: number | undefined;
  need: NeedNow | null;
  owner: Senses['override'];
  trusted: boolean;
  step_s: number;
  silent: ('meter' | 'connector' | 'relays')[];
  period_ms: number;
  /** What the auxiliary contacts show; 'true' follows the command. */
  shows: readonly [Observed, Observed] | 'true';
  /** Per phase while a contact is closed; 'offered' is a vehicle that takes what it is offered. */
  draws_mA: readonly number[] | 'offered';
  leaks_mA: number;
  installation: Installation;
}

const quiet: World = {
  plans: [],
  why: 'terminated',
  pilot: 'asks',
  faults: [],
  cable_mA: undefined,
  need: noNeed,
  owner: 'none',
  trusted: true,
  step_s: 0,
  silent: [],
  period_ms: 1_000,
  shows: 'true',
  draws_mA: 'offered',
  leaks_mA: 0,
  installation: slow,
};

class Story {
  world: World;
  now = 0;
  state: ControlState = boot(undefined, { now: millis(0), utc: unixMillis(epoch) });
  decision: Decision | undefined;
  switchings = 0;
  private readonly heard = { meter: 0, connector: 0, relays: 0 };
  private readonly rules: Rules;

  constructor(world: Partial<World> = {}, rules: Partial<Rules> = {}) {
    this.world = { ...quiet, ...world };
    this.rules = { ...defaultRules, ...rules };
  }

  /** Runs to the given second, changes the world there, and tells what is commanded then. */
  at(second: number, change: Partial<World> = {}): string {
    while (this.now + 500 < second * 1_000) this.cycle(this.now + 500);
    this.world = { ...this.world, ...change };
    this.cycle(second * 1_000);
    const { contacts, offer, reason } = this.decision!;
    const closed = contacts[0] === 'closed' ? 'charge' : contacts[1] === 'closed' ? 'discharge' : 'open';
    return `${closed} ${offer === 'none' ? '-' : offer / 1000} | ${reason.text}`;
  }

  restart(): void {
    const away = { now: millis(0), utc: unixMillis(epoch + this.now) };
    this.state = boot(memento(this.state), away);
  }

  private cycle(now: number): void {
    this.now = now;
    for (const sense of ['meter', 'connector', 'relays'] as const)
      if (!this.world.silent.includes(sense)) this.heard[sense] = now;
    const before = this.state;
    this.decision = control(this.state, this.senses(), this.rules);
    this.state = this.decision.state;
    for (const which of ['charge', 'discharge'] as const)
      if (before[which].wanted !== this.state[which].wanted) this.switchings++;
  }

  private senses(): Senses {
    const w = this.world;
    const { offer, charge, discharge } = this.state;
    const closed = charge.wanted === 'closed' ? 0 : discharge.wanted === 'closed' ? 1 : null;
    const each = w.draws_mA === 'offered' ? [offer.limit === 'none' ? 0 : offer.limit] : w.draws_mA;
    const currents = [0, 1, 2].map((phase) =>
      milliamps(closed === null ? (phase === 0 ? w.leaks_mA : 0) : (each[phase] ?? 0)),
    );
    const power = (currents.reduce((sum, current) => sum + current, 0) * 230) / 1_000;
    const pilot = w.pilot === 'asks' ? (offer.limit === 'none' ? 'B' : 'C') : w.pilot;
    const age = (sense: 'meter' | 'connector' | 'relays') => millis(this.now - this.heard[sense]);
    const taken = unixMillis(epoch + this.now);
    return {
      now: millis(this.now),
      utc: unixMillis(epoch + this.now + w.step_s * 1_000),
      clockTrusted: w.trusted,
      plans: w.plans,
      noPlan: { round: 17, why: w.why },
      meter: {
        age: age('meter'),
        period: millis(w.period_ms),
        reading: {
          takenAt: taken,
          imported: wattHours(0),
          exported: wattHours(0),
          power: watts(Math.round(closed === 1 ? -power : power)),
          phaseCurrents: [currents[0]!, currents[1]!, currents[2]!],
        },
      },
      connector: {
        age: age('connector'),
        status: {
          takenAt: taken,
          pilot,
          faults: new Set(w.faults),
          ...(w.cable_mA === undefined ? {} : { cableRating: milliamps(w.cable_mA) }),
        },
      },
      relays: {
        age: age('relays'),
        drivenAge: age('relays'),
        contacts: w.shows === 'true' ? [charge.wanted, discharge.wanted] : w.shows,
      },
      need: w.need,
      override: w.owner,
      installation: w.installation,
    };
  }
}

type Row = [second: number, change: Partial<World>, expected: string];
const tell = (story: Story, rows: Row[]) => {
  const told = rows.map(([second, change]) => `${second} s: ${story.at(second, change)}`);
  expect(told).toEqual(rows.map(([second, , expected]) => `${second} s: ${expected}`));
  return story;
};

const charging = 'charge 16 | charging: plan of block 1042';
const passes = (_: unknown, below: Parameters<typeof defaultRules.plan>[1]) => below;

describe('following plans', () => {
  it('starts open, waits out the dead time, offers, closes; the seam of two plans passes unnoticed; ends cold', () => {
    const story = tell(new Story({ plans: [plan(0, 'idle'), plan(1, 'charge'), plan(2, 'charge', 2_300)] }), [
      [0, {}, 'open - | idle: plan of block 1041'],
      [299, {}, 'open - | idle: plan of block 1041'],
      [300, {}, 'open 16 | waiting: 16 A offered, the vehicle does not ask for it (charging: plan of block 1042)'],
      [300.5, {}, 'open 16 | waiting: 16 A offered, the vehicle does not ask for it (charging: plan of block 1042)'],
      [301, {}, charging],
      [599.5, {}, charging],
      [600, {}, 'charge 10 | charging: plan of block 1043'],
      [899.5, {}, 'charge 10 | charging: plan of block 1043'],
      [
        900,
        {},
        'charge - | opening the charge contact when the current has ended (fallback: round 17 was terminated; nothing is missing)',
      ],
      [900.5, {}, 'open - | fallback: round 17 was terminated; nothing is missing'],
    ]);
    expect([story.switchings, story.state.charge.operations, story.state.charge.loadedOperations]).toEqual([2, 1, 0]);
  });

  it('opens after five seconds though the vehicle draws on, and counts that as an operation under load', () => {
    const story = new Story({ plans: [plan(0, 'idle'), plan(1, 'charge')], draws_mA: [9_000] });
    tell(story, [
      [310, {}, charging],
      [
        600,
        {},
        'charge - | opening the charge contact when the current has ended (fallback: round 17 was terminated; nothing is missing)',
      ],
      [
        604.5,
        {},
        'charge - | opening the charge contact when the current has ended (fallback: round 17 was terminated; nothing is missing)',
      ],
      [605, {}, 'open - | fallback: round 17 was terminated; nothing is missing'],
    ]);
    expect(story.state.charge.loadedOperations).toBe(1);
  });

  it('does not close for the rest of a round that began without it', () =>
    void tell(new Story(), [
      [200, { plans: [plan(0, 'charge')] }, 'open - | idle: only 100 s are left of the charging: plan of block 1041'],
    ]));

  it('changes direction with ten seconds between', () =>
    void tell(new Story({ plans: [plan(0, 'idle'), plan(1, 'charge'), plan(2, 'discharge')] }), [
      [310, {}, charging],
      [
        600,
        {},
        'charge - | opening the charge contact when the current has ended (waiting: the charge contact must open first (discharging: plan of block 1043))',
      ],
      [600.5, {}, 'open - | waiting: the charge contact must open first (discharging: plan of block 1043)'],
      [606, {}, 'open - | waiting: the charge contact must be open for another 5 s (discharging: plan of block 1043)'],
      [611, {}, 'open 16 | waiting: 16 A offered, the vehicle does not ask for it (discharging: plan of block 1043)'],
      [612, {}, 'discharge 16 | discharging: plan of block 1043'],
    ]));

  it('keeps to monotonic time when UTC steps; a round that has run out does not come back', () => {
    const rows: Row[] = [
      [310, {}, charging],
      [400, { step_s: -600, trusted: false }, charging],
      [599, {}, charging],
      [601, { trusted: true }, 'open - | fallback: round 17 was terminated; nothing is missing'],
      [901, {}, 'open - | fallback: round 17 was terminated; nothing is missing'],
    ];
    tell(new Story({ plans: [plan(0, 'idle'), plan(1, 'charge')] }), rows);
    const byUtc: Rules['plan'] = (at, below) => {
      const now = at.senses.plans.find((it) => it.start <= at.senses.utc && at.senses.utc < it.end);
      return now?.direction === 'charge' ? close('charge', milliamps(16_000), 'plan', 'charging') : below;
    };
    const twin = new Story({ plans: [plan(1, 'charge')] }, { plan: byUtc });
    twin.at(310);
    twin.at(400, { step_s: -600, trusted: false });
    expect(twin.at(901, { trusted: true })).toMatch(/^charge/);
  });

  it('does not discharge while the clock is not trusted, nor under the reserve', () => {
    const plans = [plan(0, 'idle'), plan(1, 'discharge')];
    tell(new Story({ plans }), [
      [310, {}, 'discharge 16 | discharging: plan of block 1042'],
      [
        320,
        { trusted: false },
        'discharge - | opening the discharge contact when the current has ended (paused: no discharge until the clock is trusted (plan of block 1042))',
      ],
      [321, {}, 'open - | paused: no discharge until the clock is trusted (plan of block 1042)'],
    ]);
    const low = { plans, need: { ...noNeed, soc: wattHours(10_000) } };
    tell(new Story(low), [[310, {}, "open - | paused: the battery is at the owner's reserve of 10 kWh"]]);
    expect(new Story(low, { reserve: passes }).at(310)).toMatch(/^discharge/);
  });

  it('never offers more than cable and connector carry, and refuses what a vehicle cannot follow', () => {
    const plans = [plan(0, 'idle'), plan(1, 'charge', 7_360)];
    tell(new Story({ plans, cable_mA: 20_000 }), [[310, {}, 'charge 20 | charging: plan of block 1042']]);
    expect(new Story({ plans, cable_mA: 20_000 }, { site: passes }).at(310)).toMatch(/^charge 32/);
    tell(new Story({ plans: [plan(0, 'charge', 1_000)] }), [
      [
        20,
        {},
        'open - | idle: 4.3 A is below the 6 A per phase (1.4 kW) a vehicle can follow (charging: plan of block 1041)',
      ],
    ]);
  });

  it('reckons with the phases that the vehicle uses, once seen', () => {
    const threePhase = { ...slow, phases: 3 as const, charge_W: 22_080 };
    const world = { installation: threePhase, plans: [0, 1, 2].map((n) => plan(n, 'charge', 7_360)) };
    const one = new Story({ ...world, draws_mA: [10_600] });
    tell(one, [
      [30, {}, 'charge 10.666 | charging: plan of block 1041'],
      [60, {}, 'charge 32 | charging: plan of block 1041'],
    ]);
    expect(one.state.vehicle).toEqual({ phases: 1, limit_W: null });
    expect(one.at(120) && one.state.vehicle).toEqual({ phases: 1, limit_W: 2_438 });
    expect(one.at(121, { pilot: 'A' }) && one.state.vehicle).toEqual({ phases: 0, limit_W: null });
  });
});

describe('the owner', () => {
  it('stops at once and charges at once, within the safe share', () =>
    void tell(new Story({ plans: [plan(0, 'idle'), plan(1, 'charge'), plan(2, 'discharge')] }), [
      [310, {}, charging],
      [
        320,
        { owner: 'stop' },
        'charge - | opening the charge contact when the current has ended (stopped by the owner)',
      ],
      [320.5, {}, 'open - | stopped by the owner'],
      [
        620,
        { owner: 'charge now' },
        'open - | waiting: the charge contact rests for another 1 s (charging: the owner asked for it now, 1.4 kW inside the safe share)',
      ],
      [625, {}, 'charge 6.086 | charging: the owner asked for it now, 1.4 kW inside the safe share'],
    ]));

  it('a control without the override goes on', () => {
    const story = new Story({ plans: [plan(0, 'charge')] }, { override: passes });
    story.at(20);
    expect(story.at(30, { owner: 'stop' })).toMatch(/^charge 16/);
  });
});

describe('losing a sense', () => {
  const followed = () => new Story({ plans: [plan(0, 'idle'), plan(1, 'charge')] });

  it('meter: safe share after 5 s, open after 10 s, back after the rest', () =>
    void tell(followed(), [
      [310, {}, charging],
      [310.5, { silent: ['meter'] }, charging],
      [314.5, {}, charging],
      [315, {}, 'charge 6.086 | charging: plan of block 1042; at most 1.4 kW, meter silent for 5 s'],
      [319.5, {}, 'charge 6.086 | charging: plan of block 1042; at most 1.4 kW, meter silent for 10 s'],
      [320, {}, 'open - | paused: meter silent for 10 s'],
      [
        330,
        { silent: [] },
        'open - | waiting: the charge contact rests for another 4 min (charging: plan of block 1042)',
      ],
    ]));

  it('a slow meter gets the safe share and its own patience, not random trips', () =>
    void tell(new Story({ plans: [plan(0, 'charge')], period_ms: 10_000 }), [
      [20, {}, 'charge 6.086 | charging: plan of block 1041; at most 1.4 kW, the meter answers only every 10 s'],
      [
        20.5,
        { silent: ['meter'] },
        'charge 6.086 | charging: plan of block 1041; at most 1.4 kW, the meter answers only every 10 s',
      ],
      [49, {}, 'charge 6.086 | charging: plan of block 1041; at most 1.4 kW, the meter answers only every 10 s'],
      [50, {}, 'open - | paused: meter silent for 30 s'],
    ]));

  it('connector and read-back: open after 10 s', () => {
    tell(followed(), [
      [310, { silent: ['connector'] }, charging],
      [319, {}, charging],
      [319.5, {}, 'open - | paused: connector silent for 10 s'],
    ]);
    tell(followed(), [
      [310, { silent: ['relays'] }, charging],
      [319, {}, charging],
      [319.5, {}, 'open - | paused: contacts not seen for 10 s'],
    ]);
  });

  it.each<[Partial<World>, string]>([
    [{ pilot: 'A' }, 'idle: no vehicle is plugged in'],
    [{ pilot: 'E' }, 'paused: pilot circuit in state E'],
    [{ pilot: 'F' }, 'paused: pilot circuit in state F'],
    [{ pilot: 'D' }, 'paused: the vehicle asks for ventilation, which this connector does not have'],
    [{ faults: ['over-temperature', 'ground-fault'] }, 'paused: connector reports ground-fault, over-temperature'],
    [{ shows: ['closed', 'closed'] }, 'paused: the discharge contact is seen closed while the charge contact is'],
  ])('%j opens in the same cycle', (change, reason) => {
    tell(followed(), [
      [310, {}, charging],
      [310.5, change, `open - | ${reason}`],
    ]);
  });

  it('a vehicle that stops asking opens the contact and keeps its offer', () =>
    void tell(followed(), [
      [310, {}, charging],
      [
        320,
        { pilot: 'B' },
        'open 16 | waiting: 16 A offered, the vehicle does not ask for it (charging: plan of block 1042)',
      ],
    ]));

  it('a vehicle that draws more than offered is cut off', () => {
    tell(followed(), [
      [310, { draws_mA: [20_000] }, charging],
      [315, {}, 'open - | paused: the vehicle drew more than it was offered'],
    ]);
    const twin = new Story({ plans: [plan(0, 'charge')], draws_mA: [20_000] }, { site: passes });
    expect(twin.at(200)).toMatch(/^charge/);
  });
});

describe('fallback', () => {
  it('draws the safe share when the need cannot wait, whatever the reason for having no plan', () => {
    tell(new Story({ need: missing(10_000, 6) }), [
      [20, {}, 'charge 6.086 | fallback: round 17 was terminated, drawing 1.4 kW inside the safe share'],
      [
        30,
        { why: 'cut-off' },
        'charge 6.086 | fallback: no contact with the neighbourhood, drawing 1.4 kW inside the safe share',
      ],
      [
        40,
        { why: 'alone' },
        'charge 6.086 | fallback: too few charge points to agree on a plan, drawing 1.4 kW inside the safe share',
      ],
    ]);
    tell(new Story({ need: missing(5_000, 6), why: 'starting' }), [
      [20, {}, 'open - | fallback: no round has been agreed yet; the missing 5 kWh can wait'],
      [
        30,
        { trusted: false },
        'open 6.086 | waiting: 6.1 A offered, the vehicle does not ask for it (fallback: no round has been agreed yet, drawing 1.4 kW inside the safe share)',
      ],
      [40, {}, 'charge 6.086 | fallback: no round has been agreed yet, drawing 1.4 kW inside the safe share'],
    ]);
  });

  it('a twin that lets the need wait for nothing, or takes more than the share, would show in these rows', () => {
    const greedy: Rules['fallback'] = () => close('charge', milliamps(16_000), 'fallback', 'charging');
    expect(new Story({ need: missing(5_000, 6) }, { fallback: greedy }).at(20)).toMatch(/^charge 16/);
  });

  it('draws nothing without a stated need, or when the share is less than a vehicle can follow', () => {
    tell(new Story({ need: null }), [
      [20, {}, 'open - | fallback: round 17 was terminated; the owner has stated no need'],
    ]);
    tell(new Story({ need: missing(10_000, 6), installation: { ...slow, phases: 3 } }), [
      [
        20,
        {},
        'open - | fallback: round 17 was terminated; the safe share of 1.4 kW is below the 4.1 kW a vehicle can follow',
      ],
    ]);
  });

  it('takes over from a plan at its end without opening, at the lower current', () =>
    void tell(new Story({ plans: [plan(0, 'charge')], need: missing(40_000, 6) }), [
      [299, {}, 'charge 16 | charging: plan of block 1041'],
      [300, {}, 'charge 6.086 | fallback: round 17 was terminated, drawing 1.4 kW inside the safe share'],
    ]));
});

describe('contacts', () => {
  const welded = 'open - | out of service: charge contact welded; a person must clear it';

  it('welded: latched within 2 s, kept over a restart, cleared by a person only', () => {
    const story = new Story({ plans: [plan(0, 'idle'), plan(1, 'charge')] });
    tell(story, [
      [310, {}, charging],
      [320, { pilot: 'A', shows: ['closed', 'open'] }, 'open - | idle: no vehicle is plugged in'],
      [321.5, {}, 'open - | idle: no vehicle is plugged in'],
      [322, {}, welded],
      [330, { shows: 'true', pilot: 'asks' }, welded],
    ]);
    expect(story.decision?.faults.map((fault) => fault.code)).toEqual(['welded-contact']);
    story.restart();
    expect(story.state.charge.welded).toBe(true);
    story.state = clearWeld(story.state);
    expect(story.state.charge.welded).toBe(false);
  });

  it('welded, by current alone: the auxiliary contact says open, the meter knows better', () =>
    void tell(new Story({ plans: [plan(0, 'idle')] }), [
      [310, {}, 'open - | fallback: round 17 was terminated; nothing is missing'],
      [320, { leaks_mA: 4_000 }, 'open - | fallback: round 17 was terminated; nothing is missing'],
      [322, {}, welded],
    ]));

  it('no read-back, no closing; one that does not close is opened and rests', () => {
    const plans = [plan(0, 'charge')];
    tell(new Story({ plans, shows: ['open', 'unknown'] }), [
      [30, {}, 'open - | waiting: the discharge contact is not seen open (charging: plan of block 1041)'],
    ]);
    tell(new Story({ plans, shows: ['open', 'absent'] }), [
      [2, {}, 'charge 16 | charging: plan of block 1041'],
      [3, {}, 'charge 16 | charging: plan of block 1041'],
      [4, {}, 'open - | paused: the charge contact did not close, or fell open'],
      [5, {}, 'open - | waiting: the charge contact rests for another 4 min (charging: plan of block 1041)'],
    ]);
  });

  it('after a crash everything is open and the dead time runs again', () => {
    const story = new Story({ plans: [plan(0, 'charge')] });
    expect(story.at(30)).toMatch(/^charge/);
    story.restart();
    story.now = 0;
    expect(story.state.charge).toMatchObject({ wanted: 'open', openSeen: null, operations: 1, loadedOperations: 1 });
    expect(story.at(1, { plans: [plan(0, 'discharge')] })).toMatch('the charge contact must be open for another 10 s');
    expect(story.at(12)).toMatch(/^discharge/);
  });

  it('takes both contacts for welded when it cannot read its memory, until a person has looked', () => {
    const time = { now: millis(0), utc: null };
    const damaged = memento(boot(undefined, time)).replace('"welded":false', '"welded":"no"');
    for (const memory of ['{', '{"version":2}', damaged]) {
      const story = new Story({ plans: [plan(0, 'charge')] });
      story.state = boot(memory, time);
      expect(story.at(30)).toMatch(/^open .*weld/);
      story.state = clearWeld(story.state);
      expect(story.at(45)).toMatch(/^charge/);
    }
    expect(boot(undefined, time).charge.welded).toBe(false); // a new device has nothing to remember
  });
});

describe('the life of the contacts', () => {
  /** Hours of rounds, every second one charging; in how many did the contact close, and how late? */
  const alternate = (hours: number, rules: Partial<Rules> = {}) => {
    const story = new Story({}, rules);
    const late: (number | null)[] = [];
    for (let n = 0; n < hours * 12; n++) {
      const wanted = n % 2 === 1;
      story.at(n * 300, { plans: [plan(n, wanted ? 'charge' : 'idle')] });
      let closedAt: number | null = null;
      for (let s = 0.5; s < 30; s += 0.5) if (story.at(n * 300 + s).startsWith('charge 16')) closedAt ??= s;
      if (wanted) late.push(closedAt);
    }
    return { late, story };
  };

  it('lets every second five-minute round be followed all day, since those operations are cold', () => {
    const { late, story } = alternate(10);
    expect(late).toHaveLength(60);
    expect(Math.max(...late.map((s) => s ?? Number.POSITIVE_INFINITY))).toBeLessThanOrEqual(3);
    expect(story.state.charge).toMatchObject({ operations: 59, loadedOperations: 0 });
  });

  it('refuses the seventh closing of an hour, and the rest after 48 loaded openings in a day; a twin does not', () => {
    const wobble = (rules: Partial<Rules> = {}) => {
      const story = new Story({ need: missing(90_000, 20) }, rules);
      for (let s = 20; s < 3_500; s += 60) story.at(s, { owner: s % 120 === 20 ? 'none' : 'stop' });
      return story.state.charge.closings.length;
    };
    expect(wobble()).toBeLessThanOrEqual(6);
    expect(wobble({ wear: passes })).toBeGreaterThan(20);
    const story = new Story({ plans: [plan(0, 'charge')] });
    const loadedOpenings = Array.from({ length: 48 }, () => millis(0));
    story.state = { ...story.state, charge: { ...story.state.charge, loadedOpenings } };
    expect(story.at(20)).toBe('open - | waiting: the charge contact opened 48 times under load in a day');
  });
});
