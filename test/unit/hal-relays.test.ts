/**
 * The relay driver when the link or the board fails: contacts open by the board's lease, a board without the
 * lease is refused, and nothing stale is ever reported. Mutants: boards that forget a protection.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { JohnnyFiveRelays } from '../../hal/drivers/johnny-five-relays.ts';
import type { HalError } from '../../hal/errors.ts';
import { millis } from '../../hal/units.ts';
import type { WireFault } from '../../sim-hardware/faults.ts';
import { FirmataBoard } from '../../sim-hardware/wires/firmata-board.ts';
import { listen } from '../../sim-hardware/wires/listen.ts';
import { boardPins, listenBoard } from '../../sim-hardware/wires/serve.ts';
import { ManualTimer, quickly, relaysOnWire, smallWorld } from '../compliance/bench.ts';
import { patience } from '../compliance/meter.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function bench(timer = new ManualTimer()) {
  const parts = await relaysOnWire(smallWorld(), timer);
  ends.push(parts.teardown);
  const drive = async (charge: 'open' | 'closed') => {
    await parts.relays.drive([charge, 'open'], millis(1_000), patience());
    parts.settle();
  };
  return { ...parts, drive };
}

const faultOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: HalError) => error.fault,
  );

/** Charging, then the link dies; what the contacts are when the lease is over. */
async function linkDies(timer: ManualTimer) {
  const { relays, faults, world, settle, drive } = await bench(timer);
  await drive('closed');
  faults.set('silence');
  expect((await faultOf(relays.observe(patience())))?.code).toBe('timeout');
  expect(world.contacts('cp1')).toEqual(['closed', 'open']);
  timer.pass(1_001);
  settle();
  return world.contacts('cp1');
}

test('the link dies while charging: observe says so, and the contacts open by the lease', async () => {
  expect(await linkDies(new ManualTimer())).toEqual(['open', 'open']);
});

test('mutant: on a board whose lease never ends the contact stays closed', async () => {
  class NeverEnds extends ManualTimer {
    override pass(): void {}
  }
  expect(await linkDies(new NeverEnds())).toEqual(['closed', 'open']);
});

test('a lost link does not open a contact that the lease still holds, and the driver comes back', async () => {
  const { relays, faults, world, settle, drive } = await bench();
  await drive('closed');
  faults.set('reset');
  expect((await faultOf(relays.observe(patience())))?.code).toBe('disconnected');
  faults.set(null);
  expect(await relays.observe(patience())).toEqual(['closed', 'open']);
  settle();
  await drive('closed');
  expect(world.operations('cp1')).toEqual([1, 0]);
});

const menu: readonly [WireFault, string][] = [
  ['silence', 'timeout'],
  ['late-reply', 'timeout'],
  ['short-frame', 'timeout'],
  ['half-open', 'timeout'],
  ['slow-trickle', 'timeout'],
  ['reset', 'disconnected'],
];
test.each(menu)('%s on the board’s wire is %s, and passes when mended', async (fault, code) => {
  const { relays, faults, drive } = await bench();
  await drive('open');
  faults.set(fault);
  expect((await faultOf(relays.drive(['open', 'open'], millis(1_000), patience())))?.code).toBe(code);
  faults.set(null);
  await drive('closed');
  expect(await relays.observe(patience())).toEqual(['closed', 'open']);
});

/** A board that is changed on its way to the wire; the driver that talks to it. */
async function strangeBoard(reply: (bytes: Buffer) => Buffer, receive = (bytes: Buffer) => bytes) {
  let output = false;
  const hardware = {
    outputs: (levels: readonly boolean[]) => (output = levels[2]!),
    input: () => false,
    lease: () => undefined,
  };
  const board = new FirmataBoard(hardware);
  const server = await listen((socket) => {
    board.attach((bytes) => socket.write(reply(bytes)));
    socket.on('data', (bytes) => board.receive(receive(bytes)));
  });
  const endpoint = { kind: 'tcp', host: '127.0.0.1', port: server.port } as const;
  const relays = new JohnnyFiveRelays({ id: 'relays', endpoint, contacts: boardPins, ...quickly });
  ends.push(
    () => relays.close(),
    async () => board.off(),
    () => server.close(),
  );
  return { relays, isHigh: () => output };
}

const isLease = (bytes: Buffer) => bytes[0] === 0xf0 && bytes[1] === 0x01;

describe('boards that cannot be trusted', () => {
  test('one that does not speak the lease (StandardFirmata) is refused', async () => {
    const { relays } = await strangeBoard((bytes) => (isLease(bytes) ? Buffer.alloc(0) : bytes));
    expect(await faultOf(relays.drive(['closed', 'open'], millis(1_000), patience()))).toEqual({
      code: 'refused',
      exceptionCode: 1,
    });
  });

  test('one that answers an older lease is refused', async () => {
    const { relays } = await strangeBoard((bytes) => {
      const stale = Buffer.from(bytes);
      if (isLease(stale)) stale[2] = (stale[2]! + 1) & 0x7f;
      return stale;
    });
    expect((await faultOf(relays.drive(['open', 'open'], millis(1_000), patience())))?.code).toBe('refused');
  });

  test('one whose outputs do not follow is garbled', async () => {
    const { relays } = await strangeBoard((bytes) => {
      const wrong = Buffer.from(bytes);
      if (wrong[1] === 0x6e && wrong[2] === 2) wrong[4] = 0;
      return wrong;
    });
    expect(await faultOf(relays.drive(['closed', 'open'], millis(1_000), patience()))).toEqual({
      code: 'garbled',
      detail: 'output 2 is not 1 after driving it',
    });
  });

  test('one that sends rubbish fails the call, not the program', async () => {
    let rubbish = false;
    const { relays } = await strangeBoard((bytes) =>
      rubbish ? Buffer.from([0xf0, 0x6e, 0xf7, 0xf0, 0x6c, 1, 2, 3, 0xf7, 0xf0, 0x6a, 0xf7, 9, 0xff]) : bytes,
    );
    await relays.drive(['open', 'open'], millis(1_000), patience());
    rubbish = true;
    expect(['disconnected', 'timeout']).toContain((await faultOf(relays.observe(patience())))?.code);
    rubbish = false;
    expect(await relays.observe(patience())).toEqual(['open', 'open']);
  });

  test('one that restarted has its pins set again', async () => {
    let restart = true;
    const { relays, isHigh } = await strangeBoard(
      (bytes) => bytes,
      (bytes) => (restart ? bytes : Buffer.concat([Buffer.from([0xff]), bytes])),
    );
    await relays.drive(['closed', 'open'], millis(1_000), patience());
    expect(isHigh()).toBe(true);
    restart = false; // every packet from now on begins with a reset: outputs are inputs again
    expect((await faultOf(relays.drive(['closed', 'open'], millis(1_000), patience())))?.code).toBe('garbled');
    restart = true;
    await relays.drive(['closed', 'open'], millis(1_000), patience());
    expect(isHigh()).toBe(true);
  });
});

test('where there is no auxiliary contact, observe says unknown', async () => {
  const parts = await relaysOnWire();
  const server = await listenBoard(parts.board);
  const endpoint = { kind: 'tcp', host: '127.0.0.1', port: server.port } as const;
  const contacts = [{ output: 2, auxiliary: 4 }, { output: 3 }];
  const half = new JohnnyFiveRelays({ id: 'half', endpoint, contacts, ...quickly });
  ends.push(
    () => half.close(),
    () => server.close(),
    parts.teardown,
  );
  expect(await half.observe(patience())).toEqual(['open', 'unknown']);
});
