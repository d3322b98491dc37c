/**
 * The fault menu of controller.md section 4: each fault of a wire maps to exactly one HalError code, and after it
 * is mended the next answers are right again. The mutants are buses that keep a connection that failed.
 */
import { connect, createServer } from 'node:net';
import modbus from 'modbus-serial';
import { afterEach, describe, expect, test } from 'vitest';
import { phoenixEmCpPpEth } from '../../hal/connectors/phoenix-em-cp-pp-eth.ts';
import { ModbusBus } from '../../hal/drivers/modbus-bus.ts';
import { ModbusConnector } from '../../hal/drivers/modbus-connector.ts';
import { ModbusMeter } from '../../hal/drivers/modbus-meter.ts';
import type { HalError, HalFault } from '../../hal/errors.ts';
import { sdm630 } from '../../hal/meters/sdm630.ts';
import { millis, unixMillis } from '../../hal/units.ts';
import { FaultSwitch, type WireFault } from '../../sim-hardware/faults.ts';
import { type Framing, listenModbus } from '../../sim-hardware/wires/modbus-slave.ts';
import { phoenixRegisters } from '../../sim-hardware/wires/phoenix.ts';
import { sdm630Registers } from '../../sim-hardware/wires/sdm630.ts';
import { busAt, evening, quickly, smallWorld } from '../compliance/bench.ts';
import { patience } from '../compliance/meter.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A meter on a wire that can break; late replies come when the driver has given up. */
async function breakableMeter(framing: Framing, Bus = ModbusBus) {
  const truth = { imported_Wh: 5000, exported_Wh: 0, power_W: 700, currents_A: [1, 1, 1] as [number, number, number] };
  const faults = new FaultSwitch(1, 'meter', { late_ms: 220, trickle_ms: 60 });
  const server = await listenModbus({ unit: 1, framing, faults, registers: sdm630Registers(() => truth) });
  const kind = framing === 'mbap' ? 'tcp' : 'rtu-gateway';
  const bus = new Bus({ kind, host: '127.0.0.1', port: server.port }, quickly);
  const meter = new ModbusMeter({ id: 'meter', bus, unit: 1, table: sdm630, now: () => evening });
  ends.push(
    () => bus.close(),
    () => server.close(),
  );
  return { truth, faults, bus, meter };
}

const codeOf = (work: Promise<unknown>): Promise<HalFault['code'] | 'none'> =>
  work.then(
    () => 'none' as const,
    (error: HalError) => error.fault.code,
  );

const menu: readonly [WireFault, HalFault['code'], HalFault['code']][] = [
  // fault            MBAP            RTU
  ['silence', 'timeout', 'timeout'],
  ['late-reply', 'timeout', 'timeout'],
  ['short-frame', 'garbled', 'timeout'], // RTU has no length: the rest may still come
  ['bad-checksum', 'garbled', 'garbled'],
  ['wrong-unit', 'garbled', 'timeout'], // on a shared line another unit's frame is not for us
  ['exception', 'refused', 'refused'],
  ['implausible', 'implausible', 'implausible'],
  ['reset', 'disconnected', 'disconnected'],
  ['half-open', 'timeout', 'timeout'],
  ['slow-trickle', 'timeout', 'timeout'],
];

describe.each(menu)('%s', (fault, onMbap, onRtu) => {
  test.each([
    ['mbap', onMbap],
    ['rtu', onRtu],
  ] as const)('on %s is %s, and passes when mended', async (framing, code) => {
    const { faults, meter } = await breakableMeter(framing);
    expect((await meter.read(patience())).power).toBe(700);
    faults.set(fault);
    expect(await codeOf(meter.read(patience()))).toBe(code);
    faults.set(null);
    expect((await meter.read(patience())).power).toBe(700);
  });
});

test('a connector’s pilot state that is no letter A to F is implausible', async () => {
  const world = smallWorld();
  const faults = new FaultSwitch();
  const server = await listenModbus({ unit: 180, faults, registers: phoenixRegisters(world, 'cp1') });
  const bus = busAt(server.port);
  ends.push(
    () => bus.close(),
    () => server.close(),
  );
  const table = phoenixEmCpPpEth;
  const connector = new ModbusConnector({ id: 'connector', bus, unit: 180, table, now: () => evening });
  expect((await connector.read(patience())).pilot).toBe('A');
  faults.set('implausible');
  expect(await codeOf(connector.read(patience()))).toBe('implausible');
});

test('a welded contactor and a cable’s rating are seen in the connector’s status', async () => {
  const world = smallWorld();
  const server = await listenModbus({ unit: 180, registers: phoenixRegisters(world, 'cp1', 20) });
  const bus = busAt(server.port);
  ends.push(
    () => bus.close(),
    () => server.close(),
  );
  const table = phoenixEmCpPpEth;
  const connector = new ModbusConnector({ id: 'connector', bus, unit: 180, table, now: () => evening });
  world.setContactFault('cp1', 0, 'welded');
  const status = await connector.read(patience());
  expect(status.cableRating).toBe(20_000);
  expect([...status.faults]).toEqual(['welded-contact']);
});

describe('a late reply is never taken for the next answer', () => {
  /** Asks for two registers in turn; the first answer comes late, while the second is waited for. */
  async function askTwice(framing: Framing, Bus: typeof ModbusBus) {
    const { faults, bus } = await breakableMeter(framing, Bus);
    const read = (address: number) => bus.readRegisters(`register ${address}`, 1, 4, address, 2, patience());
    faults.set('late-reply');
    await codeOf(read(52));
    // The device now answers at once to nothing: only the late reply is on its way.
    faults.set('silence');
    return read(72).catch((error: HalError) => error.fault.code);
  }

  /** The mutant: goes on with the connection that failed, and does not wait. */
  class KeepsConnection extends ModbusBus {
    protected override drop(): number {
      return 0;
    }
  }

  test('RTU: the bus asks again only when it has passed', async () => {
    expect(await askTwice('rtu', ModbusBus)).toBe('timeout');
  });

  test('RTU mutant: a bus that keeps its connection gets register 52’s value for register 72', async () => {
    expect(await askTwice('rtu', KeepsConnection)).toEqual([0x442f, 0]); // 700 W
  });

  test('MBAP: dies with the connection', async () => {
    expect(await askTwice('mbap', ModbusBus)).toBe('timeout');
  });
});

test('mutant: bare modbus-serial waits for its deadline when the connection is reset', async () => {
  const server = createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  ends.push(async () => server.close());
  const bare = new modbus.default();
  await bare.connectTCP('127.0.0.1', { port });
  bare.setTimeout(80);
  await expect(bare.readInputRegisters(52, 2)).rejects.toMatchObject({ errno: 'ETIMEDOUT' });
  const bus = busAt(port);
  ends.push(() => bus.close());
  expect(await codeOf(bus.readRegisters('meter', 1, 4, 52, 2, patience()))).toBe('disconnected');
});

describe('a dead device', () => {
  /** A bus whose clock the test moves, on a port where nobody listens any more. */
  async function deadDevice() {
    let now = 0;
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const options = {
      timeout: millis(100),
      firstPause: millis(500),
      longestPause: millis(2_000),
      monotonic: () => now,
    };
    const bus = new ModbusBus({ kind: 'tcp', host: '127.0.0.1', port }, options);
    let before: HalError | undefined;
    const ask = async () => {
      const error: HalError = await bus.readRegisters('meter', 1, 4, 52, 2, patience()).then(
        () => Promise.reject(new Error('answered')),
        (failure) => failure,
      );
      const asked = error !== before;
      before = error;
      expect(error.message).toBe(`meter: disconnected: connect ECONNREFUSED 127.0.0.1:${port}`); // also meanwhile
      return asked ? 'asked' : 'left alone';
    };
    const pass = (time_ms: number) => {
      now += time_ms;
    };
    return { ask, pass };
  }

  test('is asked again at once, then after pauses that double up to the longest', async () => {
    const { ask, pass } = await deadDevice();
    const story: string[] = [];
    for (const time_ms of [0, 0, 499, 1, 999, 1, 1_999, 1, 1_999, 1]) {
      pass(time_ms);
      story.push(`+${time_ms} ${await ask()}`);
    }
    expect(story).toEqual([
      '+0 asked',
      '+0 asked',
      '+499 left alone',
      '+1 asked',
      '+999 left alone',
      '+1 asked',
      '+1999 left alone',
      '+1 asked',
      '+1999 left alone',
      '+1 asked',
    ]);
  });

  test('does not keep the others on its bus waiting', async () => {
    const { bus } = await breakableMeter('mbap');
    const dead = () => codeOf(bus.readRegisters('dead', 9, 4, 52, 2, patience()));
    expect([await dead(), await dead()]).toEqual(['timeout', 'timeout']);
    const since = performance.now();
    expect(await dead()).toBe('timeout'); // its last failure stands; it is not asked
    expect(performance.now() - since).toBeLessThan(50);
    expect(await codeOf(bus.readRegisters('meter', 1, 4, 52, 2, patience()))).toBe('none');
  });
});

test('a caller that gives up while others are asked is answered at once', async () => {
  const { faults, bus } = await breakableMeter('mbap');
  faults.set('silence');
  const first = codeOf(bus.readRegisters('slow', 1, 4, 52, 2, patience()));
  const giveUp = new AbortController();
  const second = codeOf(bus.readRegisters('other', 1, 4, 52, 2, giveUp.signal));
  giveUp.abort();
  expect(await Promise.race([first.then(() => 'first'), second])).toBe('timeout');
  expect(await first).toBe('timeout');
});

test('two requests are never on the wire at the same time', async () => {
  let answering = 0;
  let most = 0;
  const registers = sdm630Registers(() => ({ imported_Wh: 1, exported_Wh: 0, power_W: 0, currents_A: [0, 0, 0] }));
  const server = await listenModbus({ unit: 1, registers });
  // Between bus and device, a wire that notices overlapping requests.
  const wire = createServer((socket) => {
    const device = connect(server.port, '127.0.0.1');
    socket.on('data', (bytes) => {
      answering += bytes.length / 12;
      most = Math.max(most, answering);
      device.write(bytes);
    });
    device.on('data', (bytes) => {
      answering--;
      socket.write(bytes);
    });
    socket.on('close', () => device.destroy());
  });
  await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve));
  const bus = busAt((wire.address() as { port: number }).port);
  ends.push(
    () => bus.close(),
    async () => wire.close(),
    () => server.close(),
  );
  await Promise.all([52, 72, 6, 8].map((address) => bus.readRegisters('meter', 1, 4, address, 2, patience())));
  expect(most).toBe(1);
});

describe('counters and time', () => {
  async function meterOverTime(rating_mA?: number) {
    let now: number = evening;
    const truth = { imported_Wh: 5000, exported_Wh: 0, power_W: 0, currents_A: [0, 0, 0] as [number, number, number] };
    const server = await listenModbus({ unit: 1, registers: sdm630Registers(() => truth) });
    const bus = busAt(server.port);
    ends.push(
      () => bus.close(),
      () => server.close(),
    );
    const rating = rating_mA === undefined ? {} : { rating: rating_mA as never };
    const meter = new ModbusMeter({ id: 'meter', bus, unit: 1, table: sdm630, now: () => unixMillis(now), ...rating });
    const read = (after_ms: number) => {
      now += after_ms;
      return codeOf(meter.read(patience()));
    };
    return { truth, read };
  }

  test('a register that goes back is refused once, then followed', async () => {
    const { truth, read } = await meterOverTime();
    expect(await read(0)).toBe('none');
    truth.imported_Wh = 10;
    expect(await read(1_000)).toBe('implausible');
    expect(await read(1_000)).toBe('none');
  });

  test('more energy than the installation can carry in the time is refused', async () => {
    const { truth, read } = await meterOverTime(16_000);
    expect(await read(0)).toBe('none');
    truth.imported_Wh += 920; // 11.04 kW for 5 minutes
    expect(await read(300_000)).toBe('none');
    truth.imported_Wh += 920;
    expect(await read(1_000)).toBe('implausible');
  });

  test('a clock that steps back does not make an honest register implausible', async () => {
    const { truth, read } = await meterOverTime(16_000);
    expect(await read(0)).toBe('none');
    truth.imported_Wh += 500;
    expect(await read(-3_600_000)).toBe('none');
  });

  test('a power beyond the rating is refused', async () => {
    const { truth, read } = await meterOverTime(16_000);
    truth.power_W = 22_000;
    expect(await read(0)).toBe('implausible');
  });
});
