/**
 * The charge point among devices in memory: what it does to contacts, offers and the neighbourhood, second by second,
 * and what it does when a device, the meter's registers or the process itself fails. Each rule with its mutants.
 */
import * as module from '../../firmware/charge-point.ts';
import { milliamps } from '../../hal/units.ts';
import { Bench, type BenchOptions, NOW, plan, ROUND_ms } from './devices-bench.ts';
import { type Protection, protect } from './protections.ts';

type Module = typeof module;

/** A vehicle is plugged in and a plan of 3.68 kW is in force: 15 s later it charges. */
async function charging({ startChargePoint }: Module, options: BenchOptions = {}) {
  const bench = new Bench(options);
  const chargePoint = await bench.startChargePoint(startChargePoint);
  chargePoint.adopt(plan('charge', 3680));
  await bench.pass(15);
  return { bench, chargePoint };
}

/** A stop that finds the contacts as they are: when it ends, and what it says. */
async function stopped(module: Module, prepare: (bench: Bench) => void, mend = (_bench: Bench): void => undefined) {
  const { bench, chargePoint } = await charging(module);
  prepare(bench);
  const says = chargePoint.stop();
  await bench.pass(1);
  mend(bench);
  await bench.pass(2);
  return `${bench.truth}; seen open: ${await says}`;
}

const need = { energyMissing_Wh: 20_000, departure_ms: (NOW + 100) * ROUND_ms, maySell: false };

const PROTECTIONS: readonly Protection<Module>[] = [
  {
    rule: 'what is about to close is remembered first',
    story: async (module) => (await charging(module)).bench.told('drive', 'contacts'),
    told: [
      '0.0 contacts: seen open open',
      '0.0 drive: open open for 10 s',
      '11.0 drive: closed open for 10 s',
      '11.5 contacts: seen closed open',
    ],
    mutants: [
      {
        meaning: 'it is remembered afterwards',
        find: `    if (memory !== kept) ledger.remember(CONTACTS_FACT, memory); // durable before a contact closes
    kept = memory;
    try {
      await drive(decision.contacts);`,
        replace: `    try {
      await drive(decision.contacts);
      ledger.remember(CONTACTS_FACT, memory);`,
        tells: '11.0 drive: closed open for 10 s, NOT REMEMBERED',
      },
    ],
  },
  {
    rule: 'a contact that was closed when the process died has its rest first',
    story: async (module) => {
      const { bench } = await charging(module);
      bench.crash();
      const next = await bench.startChargePoint(module.startChargePoint);
      await bench.pass(30);
      return [...bench.told('drive').slice(1), next.status().decision?.reason.text ?? ''];
    },
    told: [
      '11.0 drive: closed open for 10 s',
      '15.0 drive: open open for 10 s',
      'waiting: the charge contact rests for another 4 min (charging: plan of block 42)',
    ],
    mutants: [
      {
        meaning: 'the memory is not read at start',
        find: 'boot(ledger.recall(CONTACTS_FACT), {',
        replace: 'boot(undefined, {',
        tells: '26.0 drive: closed open for 10 s',
      },
    ],
  },
  {
    rule: 'a stop withdraws the offer, opens the contacts and sees them open',
    story: async (module) => [
      `sound: ${await stopped(module, () => undefined)}`,
      `contacts stuck: ${await stopped(module, (bench) => {
        bench.stuck = true;
      })}`,
      `contacts not seen: ${await stopped(module, (bench) => {
        bench.unseen = true;
      })}`,
      `board silent for a second: ${await stopped(
        module,
        (bench) => bench.silent.add('drive'),
        (bench) => bench.silent.delete('drive'),
      )}`,
      `pilot controller silent: ${await stopped(module, (bench) => bench.silent.add('connector'))}`,
    ],
    told: [
      'sound: open open, offered none; seen open: true',
      'contacts stuck: closed open, offered none; seen open: false',
      'contacts not seen: open open, offered none; seen open: false',
      'board silent for a second: open open, offered none; seen open: true',
      'pilot controller silent: open open, offered 16 A; seen open: true',
    ],
    mutants: [
      {
        meaning: 'the offer stands',
        find: "await devices.connector.offer('none', AbortSignal.timeout(STOP_WALL_ms)).catch(() => undefined);",
        replace: '',
        tells: 'sound: open open, offered 16 A; seen open: true',
      },
      {
        meaning: 'the contacts are left to the lease',
        find: 'await devices.relays.drive(open, millis(LEASE_LEAST_WALL_ms), AbortSignal.timeout(STOP_WALL_ms));',
        replace: '',
        tells: 'sound: closed open, offered none; seen open: false',
      },
      {
        meaning: 'nobody looks',
        find: "seen.every((contact) => contact === 'open')",
        replace: 'seen.length > 0',
        tells: 'contacts stuck: closed open, offered none; seen open: true',
      },
      {
        meaning: 'unknown counts as open',
        find: "seen.every((contact) => contact === 'open')",
        replace: "seen.every((contact) => contact !== 'closed')",
        tells: 'contacts not seen: open open, offered none; seen open: true',
      },
      {
        meaning: 'one attempt is all',
        find: 'while (clock.monotonic() < until) {',
        replace: 'for (const attempt of [until]) {\n      void attempt;',
        tells: 'board silent for a second: closed open, offered none; seen open: false',
      },
    ],
  },
  {
    rule: 'every half second the board is told again, under a lease of ten seconds of the clock and half a second of the wall',
    story: async ({ startChargePoint }) => {
      const stories = [1, 15, 30].map(async (scale) => {
        const bench = new Bench({ scale });
        await bench.startChargePoint(startChargePoint);
        await bench.pass(1);
        return bench.every('drive').map((line) => `${scale}x: ${line}`);
      });
      return (await Promise.all(stories)).flat();
    },
    told: [
      '1x: 0.0 drive: open open for 10 s',
      '1x: 0.5 drive: open open for 10 s',
      '1x: 1.0 drive: open open for 10 s',
      '15x: 0.0 drive: open open for 0.667 s',
      '15x: 0.5 drive: open open for 0.667 s',
      '15x: 1.0 drive: open open for 0.667 s',
      '30x: 0.0 drive: open open for 0.5 s',
      '30x: 0.6 drive: open open for 0.5 s',
    ],
    mutants: [
      {
        meaning: 'the lease does not follow the clock',
        find: 'Math.ceil(LEASE_ms / clock.scale)',
        replace: 'LEASE_ms',
        tells: '15x: 0.0 drive: open open for 10 s',
      },
      {
        meaning: 'the lease may be shorter than a hiccup',
        find: 'Math.max(Math.ceil(LEASE_ms / clock.scale), LEASE_LEAST_WALL_ms)',
        replace: 'Math.ceil(LEASE_ms / clock.scale)',
        tells: '30x: 0.0 drive: open open for 0.334 s',
      },
      {
        meaning: 'a fast clock floods the board',
        find: 'Math.ceil(Math.max(CYCLE_ms, LEAST_PAUSE_WALL_ms * clock.scale))',
        replace: 'CYCLE_ms',
        tells: '30x: 0.5 drive: open open for 0.5 s',
      },
    ],
  },
  {
    rule: 'a board that refuses is a trouble, and is told again until it obeys, though nothing changes',
    story: async (module) => {
      const { bench, chargePoint } = await charging(module);
      bench.silent.add('drive');
      await bench.pass(8);
      const { troubles } = chargePoint.status();
      bench.silent.delete('drive');
      await bench.pass(12);
      const after = chargePoint.status().troubles;
      return [`refusing: ${troubles}`, ...bench.told('contacts'), `${bench.truth}; troubles: ${after.length}`];
    },
    told: [
      'refusing: drive: timeout',
      '0.0 contacts: seen open open',
      '11.5 contacts: seen closed open',
      'closed open, offered 16 A; troubles: 0',
    ],
    mutants: [
      {
        meaning: 'only what changes is driven',
        find: '      await drive(decision.contacts);\n',
        replace: '      if (decision.contacts.join() !== observed.join()) await drive(decision.contacts);\n',
        tells: '21.0 contacts: the lease has ended',
      },
      {
        meaning: 'it is given up',
        find: '      await drive(decision.contacts);\n',
        replace:
          '      if (drivenAt === null || clock.monotonic() - drivenAt < 2000) await drive(decision.contacts);\n',
        tells: '25.0 contacts: the lease has ended',
      },
      {
        meaning: 'nobody hears of it',
        find: 'await drive(decision.contacts);\n    } catch (error) {\n      relayTrouble = (error as Error).message;',
        replace: 'await drive(decision.contacts);\n    } catch {',
        tells: 'refusing: ',
      },
    ],
  },
  {
    rule: 'nothing closes before meter, pilot and contacts have been heard',
    story: async (module) => {
      const lines = (['meter', 'connector', 'observe'] as const).map(async (device) => {
        const bench = new Bench();
        bench.silent.add(device);
        const chargePoint = await bench.startChargePoint(module.startChargePoint);
        chargePoint.adopt(plan('charge', 3680));
        await bench.pass(12);
        const { decision, troubles } = chargePoint.status();
        return `${troubles}: ${bench.truth}; ${decision?.reason.text}`;
      });
      return Promise.all(lines);
    },
    told: [
      'meter: timeout: open open, offered none; paused: the meter has not been heard yet',
      'connector: timeout: open open, offered none; paused: the connector has not been heard yet',
      'observe: timeout: open open, offered none; paused: the contacts have not been seen yet',
    ],
    mutants: [
      {
        meaning: 'a meter not heard counts as still',
        find: 'meter: meter.last && { reading: meter.last.value, age: meter.last.age, period: meterPeriod },',
        replace:
          'meter: { reading: { power: 0, phaseCurrents: [0, 0, 0] } as unknown as MeterReading, age: millis(0), period: meterPeriod },',
        tells: 'meter: timeout: closed open, offered 16 A; charging: plan of block 42',
      },
      {
        meaning: 'a pilot not heard counts as a vehicle that asks',
        find: 'connector: connector.last && { status: connector.last.value, age: connector.last.age },',
        replace:
          "connector: { status: { pilot: 'C', faults: new Set() } as unknown as ConnectorStatus, age: millis(0) },",
        tells: 'connector: timeout: closed open, offered none; charging: plan of block 42',
      },
      {
        meaning: 'contacts not seen count as open',
        find: 'await look();\n      relayTrouble = null;\n    } catch (error) {',
        replace:
          "await look();\n      relayTrouble = null;\n    } catch (error) {\n      observed = ['open', 'open'];\n      observedAt = clock.monotonic();",
        tells: 'observe: timeout: closed open, offered 16 A; charging: plan of block 42',
      },
    ],
  },
  {
    rule: 'one that is no member draws nothing, however urgent, and says why',
    story: async ({ startChargePoint }) => {
      const bench = new Bench({ name: 'somebody-else' });
      const chargePoint = await bench.startChargePoint(startChargePoint);
      await bench.pass(2);
      chargePoint.owner({ kind: 'need', need });
      await bench.until(NOW + 2, 30);
      const { decision } = chargePoint.status();
      return [...bench.told('drive', 'offer'), `${bench.truth}: ${decision?.reason.text}`];
    },
    told: [
      '0.0 drive: open open for 10 s',
      '0.0 offer: none',
      'open open, offered none: fallback: not a member that may trade; the safe share of 0 kW is below the 1.4 kW a vehicle can follow',
    ],
    mutants: [
      {
        meaning: 'whoever has its number is taken for it',
        find: 'members[config.index]?.name === config.self.name',
        replace: 'members[config.index] !== undefined',
        tells: 'closed open, offered 6 A: fallback: round 1001 was terminated, drawing 1.4 kW inside the safe share',
      },
      {
        meaning: 'it says that the round failed',
        find: "    if (!isKnownTo(members) || !mayTrade[config.index]) return { round, why: 'outside' };\n",
        replace: '',
        tells:
          'open open, offered none: fallback: round 1001 was terminated; the safe share of 0 kW is below the 1.4 kW a vehicle can follow',
      },
    ],
  },
  {
    rule: 'where too few can agree it charges within its safe share, orders nothing and states nothing',
    story: async ({ startChargePoint }) => {
      const bench = new Bench({ chargePoints: 3 });
      const chargePoint = await bench.startChargePoint(startChargePoint);
      const { message } = chargePoint.owner({ kind: 'override', override: 'none' });
      await bench.pass(2);
      chargePoint.owner({ kind: 'need', need });
      await bench.until(NOW + 2, 30);
      const { decision } = chargePoint.status();
      return [message, ...bench.told('drive', 'offer', 'wish'), `${bench.truth}: ${decision?.reason.text}`];
    },
    told: [
      'Charging in time for the departure, within the safe share.',
      '0.0 drive: open open for 10 s',
      '0.0 offer: none',
      '10.0 offer: 6 A',
      '11.0 drive: closed open for 10 s',
      'closed open, offered 6 A: fallback: too few charge points to agree on a plan, drawing 1.4 kW inside the safe share',
    ],
    mutants: [
      {
        meaning: 'it counts as a round that failed',
        find: "    if (!runtime.agrees) return { round, why: 'alone' };\n",
        replace: '',
        tells: 'closed open, offered 6 A: fallback: round 1001 was terminated, drawing 1.4 kW inside the safe share',
      },
      {
        meaning: 'it orders as if somebody could agree',
        find: '      deciding < 0 ||\n',
        replace: '',
        and: {
          find: 'const { deciding } = runtime.state;',
          replace: 'const deciding = Math.floor(clock.now() / round_ms) + 1;',
        },
        tells: '10.0 wish: buy 7360 W',
      },
      {
        meaning: 'the owner is told of a plan',
        find: "runtime.agrees ? 'Following the plan.' : 'Charging in time for the departure, within the safe share.'",
        replace: "'Following the plan.'",
        tells: 'Following the plan.',
      },
    ],
  },
  {
    rule: 'the contacts open when the plan has ended',
    story: async (module) => {
      const { bench } = await charging(module);
      await bench.until(NOW + 1, 10);
      return [...bench.told('drive', 'offer'), bench.truth];
    },
    told: [
      '0.0 drive: open open for 10 s',
      '0.0 offer: none',
      '10.0 offer: 16 A',
      '11.0 drive: closed open for 10 s',
      '300.0 offer: none',
      '301.0 drive: open open for 10 s',
      'open open, offered none',
    ],
    mutants: [
      {
        meaning: 'it is held on to until the next one comes',
        find: '      plans,\n      noPlan',
        replace: '      plans: plans.map((plan) => ({ ...plan, end: unixMillis(plan.end + round_ms) })),\n      noPlan',
        tells: 'closed open, offered 16 A',
      },
    ],
  },
  {
    rule: 'a plan that was adopted is followed after a restart',
    story: async ({ startChargePoint }) => {
      const bench = new Bench();
      const chargePoint = await bench.startChargePoint(startChargePoint);
      chargePoint.adopt(plan('charge', 3680));
      await bench.pass(5);
      bench.crash();
      const next = await bench.startChargePoint(startChargePoint);
      await bench.pass(15);
      return [`${bench.truth}: ${next.status().decision?.reason.text}`];
    },
    told: ['closed open, offered 16 A: charging: plan of block 42'],
    mutants: [
      {
        meaning: 'it is not kept',
        find: 'ledger.remember(PLANS_FACT, JSON.stringify(plans));',
        replace: '',
        tells: 'open open, offered none: fallback: no round has been agreed yet; the owner has stated no need',
      },
      {
        meaning: 'it is not read at start',
        find: 'revivePlans(ledger.recall(PLANS_FACT))',
        replace: 'revivePlans(undefined)',
        tells: 'open open, offered none: fallback: no round has been agreed yet; the owner has stated no need',
      },
    ],
  },
  {
    rule: 'who is not heard any more is not believed: the safe share after 5 s without the meter, open after 10 s',
    story: async (module) => {
      const lines = (['meter', 'connector', 'observe'] as const).map(async (device) => {
        const { bench, chargePoint } = await charging(module);
        bench.silent.add(device);
        await bench.pass(5.5);
        const first = bench.truth;
        await bench.pass(5);
        return `${device}: ${first}; ${bench.truth}; ${chargePoint.status().decision?.reason.text}`;
      });
      return Promise.all(lines);
    },
    told: [
      'meter: closed open, offered 6 A; open open, offered none; paused: meter silent for 11 s',
      'connector: closed open, offered 16 A; open open, offered 16 A; paused: connector silent for 11 s',
      'observe: closed open, offered 16 A; open open, offered none; paused: contacts not seen for 11 s',
    ],
    mutants: [
      {
        meaning: 'the last reading of the meter counts for ever',
        find: 'age: meter.last.age, period',
        replace: 'age: millis(0), period',
        tells: 'meter: closed open, offered 16 A; closed open, offered 16 A; charging: plan of block 42',
      },
      {
        meaning: 'the last state of the pilot counts for ever',
        find: 'status: connector.last.value, age: connector.last.age',
        replace: 'status: connector.last.value, age: millis(0)',
        tells: 'connector: closed open, offered 16 A; closed open, offered 16 A; charging: plan of block 42',
      },
      {
        meaning: 'the last look at the contacts counts for ever',
        find: 'age: millis(now - observedAt),',
        replace: 'age: millis(0),',
        tells: 'observe: closed open, offered 16 A; closed open, offered 16 A; charging: plan of block 42',
      },
    ],
  },
  {
    rule: "the owner's word outlives the process, and ends with the vehicle's stay: state A twice in a row",
    story: async ({ startChargePoint }) => {
      const bench = new Bench();
      let chargePoint = await bench.startChargePoint(startChargePoint);
      const said = (when: string): string => {
        const { need, override } = chargePoint.status();
        return `${when}: ${need === null ? 'no need' : `${need.missing} Wh missing`}, override ${override}`;
      };
      await bench.pass(2);
      chargePoint.owner({ kind: 'need', need });
      const lines = [said('stated')];
      bench.crash();
      await bench.pass(60);
      chargePoint = await bench.startChargePoint(startChargePoint);
      lines.push(said('after a restart'));
      chargePoint.owner({ kind: 'override', override: 'stop' });
      bench.pilots = ['A', 'B', 'A'];
      await bench.pass(2);
      lines.push(said('the plug wiggled'));
      bench.crash();
      chargePoint = await bench.startChargePoint(startChargePoint);
      lines.push(said('after a second restart'));
      bench.plugged = false;
      await bench.pass(0.5);
      bench.plugged = true;
      bench.pilots = ['A'];
      await bench.pass(2);
      lines.push(said('the next vehicle'));
      bench.crash();
      chargePoint = await bench.startChargePoint(startChargePoint);
      return [...lines, said('after a third restart')];
    },
    told: [
      'stated: 20000 Wh missing, override none',
      'after a restart: 20000 Wh missing, override none',
      'the plug wiggled: 20000 Wh missing, override stop',
      'after a second restart: 20000 Wh missing, override stop',
      'the next vehicle: no need, override none',
      'after a third restart: no need, override none',
    ],
    mutants: [
      {
        meaning: 'it is not read at start',
        find: 'revive(ledger.recall(FACT))',
        replace: 'revive(undefined)',
        tells: 'after a restart: no need, override none',
      },
      {
        meaning: 'it is not kept',
        find: "ledger.remember(FACT, next === null ? '' : JSON.stringify(next));",
        replace: '',
        tells: 'after a restart: no need, override none',
      },
      {
        meaning: 'its end is not kept',
        find: "ledger.remember(FACT, next === null ? '' : JSON.stringify(next));",
        replace: 'if (next?.need) ledger.remember(FACT, JSON.stringify(next));',
        tells: 'after a third restart: 20000 Wh missing, override none',
      },
      {
        meaning: 'one look is enough',
        find: "const gone = status.pilot === 'A' && seenGone;",
        replace: "const gone = status.pilot === 'A';",
        tells: 'the plug wiggled: no need, override none',
      },
      {
        meaning: 'the looks need not follow each other',
        find: "    seenGone = status.pilot === 'A';",
        replace: "    seenGone ||= status.pilot === 'A';",
        tells: 'the plug wiggled: no need, override none',
      },
      {
        meaning: 'the override is for whoever comes next, too',
        find: "if (next === null) setOverride('none');",
        replace: '',
        tells: 'the next vehicle: no need, override stop',
      },
      {
        meaning: 'the override ends with the process',
        find: 'ledger.remember(OVERRIDE_FACT, override);',
        replace: '',
        tells: 'after a second restart: 20000 Wh missing, override none',
      },
      {
        meaning: 'the end of the override is not kept',
        find: 'ledger.remember(OVERRIDE_FACT, override);',
        replace: "if (override !== 'none') ledger.remember(OVERRIDE_FACT, override);",
        tells: 'after a third restart: no need, override stop',
      },
    ],
  },
  {
    rule: 'the registers are stated once for each round, by the first reading asked after its end; a gap is one statement',
    story: async ({ startChargePoint }) => {
      const bench = new Bench();
      bench.power_W = 6000; // 500 Wh a round
      const chargePoint = await bench.startChargePoint(startChargePoint);
      chargePoint.adopt(plan('idle', 0, NOW + 1));
      await bench.until(NOW + 2, 30);
      bench.crash();
      await bench.startChargePoint(startChargePoint);
      await bench.pass(30);
      bench.crash();
      await bench.until(NOW + 4, 30);
      await bench.startChargePoint(startChargePoint);
      await bench.until(NOW + 5, -1.5);
      bench.delay.meter = 1300; // the reply to the question of the last second comes in the next round
      await bench.pass(5);
      const statements = bench.ledger.statements.filter(({ kind }) => kind === 'METER').length;
      return [...bench.every('METER'), `${statements} statements of ${bench.stated_Wh} Wh in all`];
    },
    told: [
      '300.0 METER: round 999: 50000 to 50500 Wh, fallback',
      '600.0 METER: round 1000: 50500 to 51000 Wh, lease',
      '1230.0 METER: round 1002: 51000 to 52050 Wh, fallback',
      '1501.7 METER: round 1003: 52050 to 52500 Wh, fallback',
      '4 statements of 2500 Wh in all',
    ],
    mutants: [
      {
        meaning: 'every reading is stated',
        find: 'if (before !== null && before.round >= round) return;',
        replace: '',
        tells: '301.0 METER: round 999: 50500 to 50501 Wh, fallback',
      },
      {
        meaning: 'what was stated is forgotten with the process',
        find: 'ledger.remember(TOLD_FACT, JSON.stringify(told));',
        replace: '',
        tells: '3 statements of 1450 Wh in all',
      },
      {
        meaning: 'what was stated is not read at start',
        find: 'reviveTold(ledger.recall(TOLD_FACT))',
        replace: 'reviveTold(undefined)',
        tells: '3 statements of 1450 Wh in all',
      },
      {
        meaning: 'a reading is dated when it comes',
        find: 'Math.floor(reading.takenAt / round_ms)',
        replace: 'Math.floor(clock.now() / round_ms)',
        tells: '1500.3 METER: round 1003: 52050 to 52498 Wh, fallback',
      },
      {
        meaning: 'the plan does not count',
        find: "led ? 'lease' : 'fallback'",
        replace: "led ? 'fallback' : 'fallback'",
        tells: '600.0 METER: round 1000: 50500 to 51000 Wh, fallback',
      },
    ],
  },
  {
    rule: 'one order a round, from a thirtieth of its interval on until the orders close',
    story: async ({ startChargePoint }) => {
      const bench = new Bench({ second: 120 });
      const chargePoint = await bench.startChargePoint(startChargePoint);
      await bench.pass(2);
      chargePoint.owner({ kind: 'need', need });
      await bench.pass(500);
      return bench.every('wish');
    },
    // The bench commits nothing: an order that no SEAL carried is not open any more in the next round.
    told: ['190.0 wish: buy 7360 W', '490.0 wish: buy 7360 W'],
    mutants: [
      {
        meaning: 'it does not wait for the plan in force',
        find: 'offset_ms < ORDERS_FROM * round_ms ||',
        replace: '',
        tells: '180.0 wish: buy 7360 W',
      },
      {
        meaning: 'it comes when the orders are closed',
        find: 'offset_ms > runtime.state.hours.orders_ms',
        replace: 'false',
        tells: '2.5 wish: buy 7360 W',
      },
      {
        meaning: 'it comes every cycle',
        find: 'if (runtime.state.orderedRound >= deciding) return;',
        replace: '',
        and: { find: 'pending: hasOpenOrder(runtime.state),', replace: 'pending: false,' },
        tells: '190.5 wish: buy 7360 W',
      },
    ],
  },
  {
    rule: 'an offer is repeated now and then, for a pilot controller that has ideas of its own after a reset',
    story: async (module) => {
      const { bench } = await charging(module);
      bench.offered = milliamps(32_000);
      await bench.pass(5.5);
      return [...bench.every('offer'), bench.truth];
    },
    told: ['0.0 offer: none', '10.0 offer: 16 A', '20.0 offer: 16 A', 'closed open, offered 16 A'],
    mutants: [
      {
        meaning: 'what was offered stands',
        find: 'offered.limit === limit && now - offered.at < LEASE_ms',
        replace: 'offered.limit === limit',
        tells: 'closed open, offered 32 A',
      },
      {
        meaning: 'it is said every cycle',
        find: 'if (offered !== null && offered.limit === limit && now - offered.at < LEASE_ms) return;',
        replace: '',
        tells: '0.5 offer: none',
      },
    ],
  },
  {
    rule: 'an offer that failed may have been heard: it is made again at once',
    story: async (module) => {
      const { bench, chargePoint } = await charging(module);
      bench.silent.add('acknowledgement');
      chargePoint.owner({ kind: 'override', override: 'stop' });
      await bench.pass(0.5);
      chargePoint.owner({ kind: 'override', override: 'none' });
      bench.silent.delete('acknowledgement');
      await bench.pass(0.5);
      return [...bench.every('offer').slice(2), bench.truth];
    },
    told: ['15.5 offer: none', '16.0 offer: 16 A', 'open open, offered 16 A'],
    mutants: [
      {
        meaning: 'it counts as not made',
        find: 'offered = null; // its own poller tells the trouble',
        replace: '',
        tells: 'open open, offered none',
      },
    ],
  },
  {
    rule: 'two offers never interleave',
    story: async ({ startChargePoint }) => {
      const bench = new Bench();
      bench.delay.offer = 3000;
      const chargePoint = await bench.startChargePoint(startChargePoint);
      chargePoint.adopt(plan('charge', 3680));
      await bench.pass(11);
      chargePoint.owner({ kind: 'override', override: 'stop' });
      await bench.pass(8);
      return bench.every('offer');
    },
    told: [
      '0.0 offer: none',
      '3.0 offer: none: done',
      '10.0 offer: 16 A',
      '13.0 offer: 16 A: done',
      '13.0 offer: none',
      '16.0 offer: none: done',
    ],
    mutants: [
      {
        meaning: 'the next one does not wait',
        find: 'offering ??= keepOffer(decision.offer);',
        replace: 'offering = keepOffer(decision.offer);',
        tells: '0.5 offer: none',
      },
    ],
  },
];

protect('firmware/charge-point.ts', module, PROTECTIONS);
