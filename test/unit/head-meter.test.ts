/**
 * The head meter among a meter in memory and a real runtime: which SITE readings it signs, when, and when it says
 * nothing rather than something it did not see. Each rule with its mutants.
 */
import * as module from '../../firmware/head-meter.ts';
import { millis } from '../../hal/units.ts';
import { Bench, type BenchOptions } from './devices-bench.ts';
import { protect } from './protections.ts';

type Module = typeof module;

/** The neighbourhood's connection, at which 60 kW are drawn. */
function connected({ startHeadMeter }: Module, options: BenchOptions = {}) {
  const bench = new Bench(options);
  bench.power_W = 60_000;
  const runtime = bench.startRuntime(bench.registry.headMeter);
  return { bench, headMeter: startHeadMeter(bench.meter(), millis(1000), bench.lifeClock(), runtime) };
}

protect<Module>('firmware/head-meter.ts', module, [
  {
    rule: 'one SITE a round, at 26 % of its interval: the registers at its beginning and the power since',
    story: async (module) => {
      const { bench } = connected(module);
      await bench.pass(39);
      bench.power_W = 30_000;
      await bench.pass(400);
      return bench.every('SITE');
    },
    told: [
      '78.0 SITE: 45000 W on average since 0 s, from 50000 Wh',
      '378.0 SITE: 30000 W on average since 300 s, from 52825 Wh',
    ],
    mutants: [
      {
        meaning: 'every reading is signed',
        find: 'sent >= round || ',
        replace: '',
        tells: '79.0 SITE: 44794 W on average since 0 s, from 50000 Wh',
      },
      {
        meaning: 'it does not wait',
        find: ' || offset < SENT_AT * round_ms',
        replace: '',
        tells: '39.0 SITE: 60000 W on average since 0 s, from 50000 Wh',
      },
      {
        meaning: 'the power of the moment counts',
        find: 'Math.floor((energy_Wh * 3_600_000) / elapsed_ms)',
        replace: 'reading.power',
        tells: '78.0 SITE: 30000 W on average since 0 s, from 50000 Wh',
      },
    ],
  },
  {
    rule: 'no SITE for an interval whose beginning was not read',
    story: async (module) => {
      const { bench } = connected(module, { second: 20 });
      await bench.pass(560);
      bench.silent.add('meter');
      await bench.pass(40);
      bench.silent.delete('meter');
      await bench.pass(400);
      return bench.every('SITE');
    },
    told: [
      '358.0 SITE: 60000 W on average since 280 s, from 54666 Wh',
      '958.0 SITE: 60000 W on average since 880 s, from 64666 Wh',
    ],
    mutants: [
      {
        meaning: 'the first reading counts whenever it comes',
        find: ' && offset < BEGINS_WITHIN * round_ms',
        replace: '',
        tells: '658.0 SITE: 60000 W on average since 601 s, from 60016 Wh',
      },
    ],
  },
  {
    rule: 'a reading asked before the interval is not its beginning, however late it comes',
    story: async (module) => {
      const { bench } = connected(module);
      await bench.pass(298.5);
      bench.delay.meter = 1300;
      await bench.pass(130);
      return bench.every('SITE').slice(1);
    },
    told: ['380.1 SITE: 60015 W on average since 300.32 s, from 55005 Wh'],
    mutants: [
      {
        meaning: 'the answer counts when it comes',
        find: ' && offset >= 0',
        replace: '',
        tells: '380.1 SITE: 60015 W on average since 299 s, from 54983 Wh',
      },
    ],
  },
  {
    rule: 'no SITE for an interval in which the meter was exchanged',
    story: async (module) => {
      const { bench } = connected(module);
      await bench.pass(50);
      bench.imported_mJ = 0;
      await bench.pass(400);
      return bench.every('SITE');
    },
    told: ['378.0 SITE: 60000 W on average since 300 s, from 4166 Wh'],
    mutants: [
      {
        meaning: 'registers may go back',
        find: 'reading.imported < start.reading.imported || reading.exported < start.reading.exported',
        replace: 'reading.imported < 0',
        tells: '78.0 SITE: -2286185 W on average since 0 s, from 50000 Wh',
      },
    ],
  },
  {
    rule: 'of a meter that hangs the power until it did, and no SITE until its registers move again',
    story: async (module) => {
      const { bench } = connected(module);
      await bench.pass(60);
      bench.power_W = 0; // its registers stand still, whatever flows
      await bench.pass(840);
      bench.power_W = 60_000;
      await bench.pass(300);
      return bench.every('SITE');
    },
    told: [
      '78.0 SITE: 60000 W on average since 0 s, from 50000 Wh',
      '978.0 SITE: 60000 W on average since 900 s, from 51000 Wh',
    ],
    mutants: [
      {
        meaning: 'the time in which it hung counts',
        find: 'const elapsed_ms = moved.takenAt - start.reading.takenAt',
        replace: 'const elapsed_ms = reading.takenAt - start.reading.takenAt',
        tells: '78.0 SITE: 46153 W on average since 0 s, from 50000 Wh',
      },
      {
        meaning: 'registers may stand still',
        find: ' || elapsed_ms < MOVED_AT * round_ms',
        replace: '',
        tells: '378.0 SITE: 0 W on average since 300 s, from 51000 Wh',
      },
    ],
  },
  {
    rule: 'the power is shown until the meter has been silent for 10 s, the trouble at once',
    story: async (module) => {
      const { bench, headMeter } = connected(module);
      const shown = (when: string) => `${when}: ${headMeter.power} W, trouble: ${headMeter.trouble}`;
      await bench.pass(1);
      const lines = [shown('heard')];
      bench.silent.add('meter');
      await bench.pass(9);
      lines.push(shown('silent for 9 s'));
      await bench.pass(1);
      lines.push(shown('silent for 10 s'));
      await headMeter.stop();
      return lines;
    },
    told: [
      'heard: 60000 W, trouble: null',
      'silent for 9 s: 60000 W, trouble: meter: timeout',
      'silent for 10 s: null W, trouble: meter: timeout',
    ],
    mutants: [
      {
        meaning: 'the last power is shown for ever',
        find: ' && sense.last.age < SILENT_ms',
        replace: '',
        tells: 'silent for 10 s: 60000 W, trouble: meter: timeout',
      },
    ],
  },
]);
