/** What every Connector must do. `offered_A` is what the vehicle sees; `step` lets the vehicle react. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HalError } from '../../hal/errors.ts';
import type { Connector } from '../../hal/ports.ts';
import { milliamps } from '../../hal/units.ts';
import { patience } from './meter.ts';

export interface ConnectorUnderTest {
  readonly connector: Connector;
  offered_A(): number;
  /** A vehicle that wants energy comes. */
  plugIn(): void;
  step(): void;
  teardown(): Promise<void>;
}

export function connectorCompliance(setup: () => Promise<ConnectorUnderTest>): void {
  let subject: ConnectorUnderTest;
  beforeEach(async () => {
    subject = await setup();
  });
  afterEach(() => subject.teardown());

  const pilot = async () => (await subject.connector.read(patience())).pilot;

  test('A without a vehicle, B with one, C when it is offered current, B when the offer is withdrawn', async () => {
    expect(await pilot()).toBe('A');
    subject.plugIn();
    expect(await pilot()).toBe('B');
    await subject.connector.offer(milliamps(16_000), patience());
    subject.step();
    expect(await pilot()).toBe('C');
    await subject.connector.offer('none', patience());
    subject.step();
    expect(await pilot()).toBe('B');
  });

  test.each([
    ['whole amperes are offered as they are', 13_000, 13],
    ['a fraction is never rounded up', 13_999, 13],
    ['the least that IEC 61851-1 can say', 6_000, 6],
    ['less than the least is no offer', 5_999, 0],
    ['more than the device can say is its most', 174_000, 80],
    ['zero is no offer', 0, 0],
  ])('%s: %i mA', async (_why, limit_mA, offered_A) => {
    await subject.connector.offer(milliamps(10_000), patience());
    await subject.connector.offer(milliamps(limit_mA), patience());
    expect(subject.offered_A()).toBe(offered_A);
  });

  test('a caller that gave up gets a timeout', async () => {
    const failure = await subject.connector.read(AbortSignal.abort()).catch((error) => error);
    expect(failure).toBeInstanceOf(HalError);
    expect(failure.fault.code).toBe('timeout');
  });
}
