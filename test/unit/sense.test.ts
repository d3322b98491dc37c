/** One device asked again and again: when it is asked, what is known of it in between, and whose fault a fault is. */
import { expect, test } from 'vitest';
import * as module from '../../firmware/sense.ts';
import { millis } from '../../hal/units.ts';
import { settled } from './devices-bench.ts';
import { protect } from './protections.ts';
import { ManualClock } from './protocol-driver.ts';

type Module = typeof module;
const PERIOD = millis(1000);

/** When a device that takes its time is asked (s), on a clock so many times faster than the wall. */
async function asked({ startSense }: Module, takes_ms: number, scale = 1): Promise<string> {
  const clock = new ManualClock(0, scale);
  const at: number[] = [];
  const sense = startSense(clock, PERIOD, () => {
    at.push(clock.time / 1000);
    return new Promise<void>((resolve) => clock.after(takes_ms, resolve));
  });
  for (let step = 0; step < 750; step++) {
    if (step === 620) sense.stop(); // while the quick one is being asked
    clock.advance(10);
    await settled();
  }
  return `takes ${takes_ms / 1000} s, clock ${scale}x: asked at ${at.join(', ')}`;
}

/** What is shown of a device that answers 7, fails, and answers 8, a second apart; then it is asked no more. */
async function shown({ startSense }: Module): Promise<string[]> {
  const clock = new ManualClock(0);
  const answers = [async () => 7, async () => Promise.reject(new Error('timeout')), async () => 8];
  let asked = 0;
  const heard: number[] = [];
  const sense = startSense(
    clock,
    PERIOD,
    () => answers[asked++](),
    (value) => heard.push(value),
  );
  const lines: string[] = [];
  for (const look of ['at once', 'answered', 'failed', 'answered again']) {
    if (look === 'failed' || look === 'answered again') clock.advance(PERIOD);
    if (look !== 'at once') await settled();
    lines.push(`${look}: ${JSON.stringify(sense.last)}, trouble: ${sense.trouble}`);
  }
  sense.stop();
  return [...lines, `heard ${heard}`];
}

protect<Module>('firmware/sense.ts', module, [
  {
    rule: 'it is asked once a period, never twice at a time, and with a pause of the wall',
    story: async (module) => [await asked(module, 400), await asked(module, 2500), await asked(module, 400, 100)],
    told: [
      'takes 0.4 s, clock 1x: asked at 0, 1, 2, 3, 4, 5, 6',
      'takes 2.5 s, clock 1x: asked at 0, 2.52, 5.04',
      'takes 0.4 s, clock 100x: asked at 0, 2.4, 4.8',
    ],
    mutants: [
      {
        meaning: 'the time of the answer is added',
        find: 'Math.max(period - (clock.monotonic() - began), ',
        replace: 'Math.max(period, ',
        tells: 'takes 0.4 s, clock 1x: asked at 0, 1.4, 2.8, 4.2, 5.6',
      },
      {
        meaning: 'nobody waits for the answer',
        find: 'const began = clock.monotonic();',
        replace:
          'const began = clock.monotonic();\n    if (!stop.signal.aborted) clock.after(period, () => void round());',
        and: { find: 'cancel = clock.after(millis(Math.ceil(pause)), () => void round());', replace: 'void pause;' },
        tells: 'takes 2.5 s, clock 1x: asked at 0, 1, 2, 3, 4, 5, 6, 7',
      },
      {
        meaning: 'there is no pause',
        find: 'LEAST_PAUSE_WALL_ms * clock.scale',
        replace: '0',
        tells: 'takes 0.4 s, clock 100x: asked at 0, 1, 2, 3, 4, 5, 6',
      },
      {
        meaning: 'a stop is not heard during a question',
        find: 'if (stop.signal.aborted) return;',
        replace: '',
        tells: 'takes 0.4 s, clock 1x: asked at 0, 1, 2, 3, 4, 5, 6, 7',
      },
    ],
  },
  {
    rule: 'its last answer grows old while it fails, and the trouble shows',
    story: shown,
    told: [
      'at once: null, trouble: null',
      'answered: {"value":7,"age":0}, trouble: null',
      'failed: {"value":7,"age":1000}, trouble: timeout',
      'answered again: {"value":8,"age":0}, trouble: null',
      'heard 7,8',
    ],
    mutants: [
      {
        meaning: 'the trouble is not told',
        find: "trouble = typeof answer === 'string' ? answer : null;",
        replace: '',
        tells: 'failed: {"value":7,"age":1000}, trouble: null',
      },
      {
        meaning: 'the trouble never ends',
        find: "trouble = typeof answer === 'string' ? answer : null;",
        replace: "if (typeof answer === 'string') trouble = answer;",
        tells: 'answered again: {"value":8,"age":0}, trouble: timeout',
      },
      {
        meaning: 'a failure makes the last answer new',
        find: '    trouble = ',
        replace:
          "    if (typeof answer === 'string' && last) last = { ...last, at: clock.monotonic() };\n    trouble = ",
        tells: 'failed: {"value":7,"age":0}, trouble: timeout',
      },
    ],
  },
]);

test('a fault of whoever hears the answer is not taken for a trouble of the device', async () => {
  const faults: unknown[] = [];
  const keep = (error: unknown): void => void faults.push(error);
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', keep);
  const sense = module.startSense(
    new ManualClock(0),
    PERIOD,
    async () => 7,
    () => {
      throw new Error('disk full');
    },
  );
  await settled();
  process.off('unhandledRejection', keep);
  for (const other of others) process.on('unhandledRejection', other);
  expect(faults).toEqual([new Error('disk full')]); // in the program this ends the process, with contacts open
  expect(sense.trouble).toBeNull();
  sense.stop();
});
