/**
 * What every Meter must do, whatever it is made of. `setup` gives a meter that shows `truth`, and how to change
 * what it shows; the same suite runs against the in-memory meter, the driver on the simulated wire, and by hand
 * against a real meter.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HalError } from '../../hal/errors.ts';
import type { Meter } from '../../hal/ports.ts';
import { unixMillis } from '../../hal/units.ts';
import type { MeterTruth } from '../../sim-hardware/world.ts';

export interface MeterUnderTest {
  readonly meter: Meter;
  readonly truth: MeterTruth;
  /** Sets the clock of `takenAt`. */
  setNow(now: number): void;
  teardown(): Promise<void>;
}

export const patience = () => AbortSignal.timeout(5_000);

export function meterCompliance(setup: () => Promise<MeterUnderTest>): void {
  let subject: MeterUnderTest;
  beforeEach(async () => {
    subject = await setup();
  });
  afterEach(() => subject.teardown());

  test('reads whole Wh, W and mA, taken now', async () => {
    subject.setNow(1_736_956_800_123);
    Object.assign(subject.truth, {
      imported_Wh: 8_123_250,
      exported_Wh: 12_500,
      power_W: 1234.4,
      currents_A: [1.7888, 0, 2],
    });
    const reading = await subject.meter.read(patience());
    expect(reading).toEqual({
      takenAt: unixMillis(1_736_956_800_123),
      imported: 8_123_250,
      exported: 12_500,
      power: 1234,
      phaseCurrents: [1789, 0, 2000],
    });
  });

  test('power is negative when energy flows back', async () => {
    Object.assign(subject.truth, { power_W: -11_000.2 });
    expect((await subject.meter.read(patience())).power).toBe(-11_000);
  });

  test('every reading is fresh: a new value, a new time', async () => {
    const first = await subject.meter.read(patience());
    Object.assign(subject.truth, { imported_Wh: subject.truth.imported_Wh + 7, power_W: 4321 });
    subject.setNow(first.takenAt + 10_000);
    const second = await subject.meter.read(patience());
    expect(second.imported - first.imported).toBe(7);
    expect(second.power).toBe(4321);
    expect(second.takenAt - first.takenAt).toBe(10_000);
  });

  test('readings asked for at the same time are all answered', async () => {
    const readings = await Promise.all([1, 2, 3, 4].map(() => subject.meter.read(patience())));
    expect(new Set(readings.map(({ imported }) => imported)).size).toBe(1);
  });

  test('a caller that gave up gets a timeout, and the next one an answer', async () => {
    const failure = await subject.meter.read(AbortSignal.abort()).catch((error) => error);
    expect(failure).toBeInstanceOf(HalError);
    expect(failure.fault.code).toBe('timeout');
    expect((await subject.meter.read(patience())).power).toBe(0);
  });
}
