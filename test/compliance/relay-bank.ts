/** What every RelayBank of two contacts must do. `settle` lets the contacts follow; `pass` lets wall time go by. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HalError } from '../../hal/errors.ts';
import type { RelayBank } from '../../hal/ports.ts';
import { millis } from '../../hal/units.ts';
import { patience } from './meter.ts';

export interface RelayBankUnderTest {
  readonly relays: RelayBank;
  settle(): void;
  /** Wall time of the board, milliseconds. */
  pass(time_ms: number): void;
  weld(at: 0 | 1): void;
  teardown(): Promise<void>;
}

export function relayBankCompliance(setup: () => Promise<RelayBankUnderTest>): void {
  let subject: RelayBankUnderTest;
  beforeEach(async () => {
    subject = await setup();
  });
  afterEach(() => subject.teardown());

  const drive = async (charge: 'open' | 'closed', discharge: 'open' | 'closed', holdFor_ms = 1_000) => {
    await subject.relays.drive([charge, discharge], millis(holdFor_ms), patience());
    subject.settle();
    return subject.relays.observe(patience());
  };

  test('all contacts are open before anything was driven', async () => {
    expect(subject.relays.size).toBe(2);
    expect(await subject.relays.observe(patience())).toEqual(['open', 'open']);
  });

  test('contacts follow what is driven, together', async () => {
    expect(await drive('closed', 'open')).toEqual(['closed', 'open']);
    expect(await drive('open', 'closed')).toEqual(['open', 'closed']);
    expect(await drive('open', 'open')).toEqual(['open', 'open']);
  });

  test('contacts open by themselves when nobody renews', async () => {
    await drive('closed', 'open', 1_000);
    subject.pass(999);
    expect(await subject.relays.observe(patience())).toEqual(['closed', 'open']);
    subject.pass(2);
    expect(await subject.relays.observe(patience())).toEqual(['open', 'open']);
  });

  test('renewing in time keeps them closed', async () => {
    await drive('closed', 'open', 1_000);
    for (let time = 0; time < 5; time++) {
      subject.pass(800);
      expect(await drive('closed', 'open', 1_000)).toEqual(['closed', 'open']);
    }
  });

  test('a welded contact is observed closed though it is driven open', async () => {
    await drive('closed', 'open');
    subject.weld(0);
    expect(await drive('open', 'open')).toEqual(['closed', 'open']);
  });

  test('a wrong number of contacts or no time to hold is the caller’s mistake', async () => {
    await expect(subject.relays.drive(['open'], millis(100), patience())).rejects.toThrow(RangeError);
    await expect(subject.relays.drive(['open', 'open'], millis(0), patience())).rejects.toThrow(RangeError);
  });

  test('a caller that gave up gets a timeout, and nothing is driven', async () => {
    const failure = await subject.relays
      .drive(['closed', 'open'], millis(1_000), AbortSignal.abort())
      .catch((error) => error);
    expect(failure).toBeInstanceOf(HalError);
    expect(failure.fault.code).toBe('timeout');
    subject.settle();
    expect(await subject.relays.observe(patience())).toEqual(['open', 'open']);
  });
}
