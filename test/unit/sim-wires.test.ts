/** The simulated wires as programs that know nothing of us see them: modbus-serial's client, Firmata byte by byte. */
import modbus from 'modbus-serial';
import { afterEach, describe, expect, test } from 'vitest';
import { unixMillis } from '../../hal/units.ts';
import { FaultSwitch } from '../../sim-hardware/faults.ts';
import { FirmataBoard } from '../../sim-hardware/wires/firmata-board.ts';
import { connectorUnit, meterUnit, serve } from '../../sim-hardware/wires/serve.ts';
import { ManualTimer, smallWorld, untilPluggedIn } from '../compliance/bench.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function client(port: number, unit: number) {
  const peer = new modbus.default();
  await peer.connectTCP('127.0.0.1', { port });
  peer.setID(unit);
  peer.setTimeout(100);
  ends.unshift(() => new Promise((resolve) => peer.close(resolve)));
  return peer;
}

async function wires() {
  const world = smallWorld();
  const served = await serve(world);
  ends.push(() => served.close());
  return { world, served, ports: served.chargePoints.get('cp1')! };
}

describe('a world on wires', () => {
  test('SDM630: voltages, frequency, registers; zero between; exceptions beyond', async () => {
    const { world, ports } = await wires();
    const meter = await client(ports.meter, meterUnit);
    const float = async (address: number) => (await meter.readInputRegisters(address, 2)).buffer.readFloatBE(0);
    expect([await float(0), await float(4), await float(70), await float(100)]).toEqual([230, 230, 50, 0]);
    expect(await float(72)).toBeCloseTo(world.meter('cp1').imported_Wh / 1000, 3);
    await expect(meter.readInputRegisters(0, 81)).rejects.toMatchObject({ modbusCode: 2 });
    await expect(meter.readInputRegisters(381, 2)).rejects.toMatchObject({ modbusCode: 2 });
    await expect(meter.readHoldingRegisters(0, 2)).rejects.toMatchObject({ modbusCode: 2 });
    await expect(meter.readDiscreteInputs(0, 1)).rejects.toMatchObject({ modbusCode: 1 });
  });

  test('EM-CP-PP-ETH: state in ASCII, limit and enable written and read back', async () => {
    const { world, ports } = await wires();
    const connector = await client(ports.connector, connectorUnit);
    const state = async () => String.fromCharCode((await connector.readInputRegisters(100, 1)).data[0]!);
    expect(await state()).toBe('A');
    untilPluggedIn(world);
    await connector.writeRegister(300, 16);
    await connector.writeCoil(400, true);
    world.step(unixMillis(world.now + 1_000));
    expect([await state(), world.offered_A('cp1')]).toEqual(['C', 16]);
    expect((await connector.readHoldingRegisters(300, 1)).data).toEqual([16]);
    expect((await connector.readCoils(400, 1)).data[0]).toBe(true);
    await expect(connector.writeRegister(300, 5)).rejects.toMatchObject({ modbusCode: 3 });
    await expect(connector.writeRegister(301, 6)).rejects.toMatchObject({ modbusCode: 2 });
  });

  test('faults by name: only that device, until mended; a wrong name lists the right ones', async () => {
    const { served, ports } = await wires();
    const meter = await client(ports.meter, meterUnit);
    const head = await client(served.headMeter, meterUnit);
    served.setFault('cp1 meter', 'exception');
    await expect(meter.readInputRegisters(52, 2)).rejects.toMatchObject({ modbusCode: 4 });
    expect((await head.readInputRegisters(52, 2)).buffer.readFloatBE(0)).toBeGreaterThan(0);
    served.setFault('cp1 meter', null);
    expect((await meter.readInputRegisters(52, 2)).data).toHaveLength(2);
    expect(() => served.setFault('cp2 meter', 'silence')).toThrow('head meter, cp1 meter, cp1 connector, cp1 relays');
  });
});

test('a fault that strikes a share of the replies does so by its seed', () => {
  const strikes = (seed: number) => {
    const faults = new FaultSwitch(seed, 'meter');
    faults.set('silence', 0.3);
    return Array.from({ length: 200 }, () => (faults.strike() === null ? '.' : 'x')).join('');
  };
  expect(strikes(1)).toBe(strikes(1));
  expect(strikes(1)).not.toBe(strikes(2));
  expect(strikes(1).split('x').length - 1).toBeGreaterThan(40);
  expect(strikes(1).split('x').length - 1).toBeLessThan(80);
});

describe('Firmata, byte by byte', () => {
  /** A board; `say` sends hexadecimal and answers what the board said since. */
  function board() {
    const timer = new ManualTimer();
    let high = '';
    let held = false;
    const hardware = {
      outputs: (levels: readonly boolean[]) => {
        high = levels.flatMap((level, pin) => (level ? [pin] : [])).join(' ');
      },
      input: (pin: number) => pin === 5,
      lease: (now: boolean) => {
        held = now;
      },
    };
    const parts: Buffer[] = [];
    const subject = new FirmataBoard(hardware, timer.after);
    subject.attach((bytes) => parts.push(bytes));
    const heard = () => Buffer.concat(parts.splice(0)).toString('hex');
    const say = (hex: string) => {
      subject.receive(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
      return heard();
    };
    return { heard, say, timer, high: () => high, held: () => held };
  }

  const outputs = 'f40201 f40301'; // pins 2 and 3
  const leaseSecond = 'f0 01 05 68 07 00 f7'; // sequence 5, 1000 ms

  test('announces protocol and firmware when somebody connects, and when asked', () => {
    const { heard, say } = board();
    const announced = heard();
    expect(announced).toMatch(/^f90205f0790205.*f7$/);
    expect(say('f9 f0 79 f7')).toBe(announced);
  });

  test('capabilities, analog mapping, pin state', () => {
    const { heard, say } = board();
    heard();
    expect(say('f0 6b f7')).toBe(`f06c${'000101010b017f'.repeat(20)}f7`);
    expect(say('f0 69 f7')).toBe(`f06a${'7f'.repeat(20)}f7`);
    expect(say(`${outputs} f0 6d 02 f7`)).toBe('f06e020100f7');
  });

  test('without a lease nothing closes; with one it does, and opens 1000 ms later', () => {
    const { say, timer, high, held } = board();
    say(`${outputs} 90 04 00`);
    expect([high(), held()]).toEqual(['', false]);
    expect(say(leaseSecond)).toMatch(/f00105680700f7$/);
    expect(high()).toBe('');
    say('90 0c 00');
    expect([high(), held()]).toEqual(['2 3', true]);
    timer.pass(999);
    expect(high()).toBe('2 3');
    timer.pass(1);
    expect([high(), held()]).toEqual(['', false]);
    expect(say('90 04 00 f0 6d 02 f7')).toBe('f06e020100f7'); // writing does not bring it back
  });

  test('a lease of 0 ms, a reset, and setting the mode open at once', () => {
    for (const ending of ['f0 01 06 00 00 00 f7', 'ff', 'f4 02 01']) {
      const { say, high } = board();
      say(`${outputs} ${leaseSecond} 90 04 00`);
      expect(high()).toBe('2');
      say(ending);
      expect(high()).toBe('');
    }
  });

  test('single pins are written with F5; inputs are reported when asked', () => {
    const { heard, say, high } = board();
    heard();
    say(`${outputs} ${leaseSecond} f5 03 01`);
    expect(high()).toBe('3');
    expect(say('d0 01')).toBe('902000'); // pin 5
  });

  test('messages cut anywhere are put together; rubbish between them is skipped', () => {
    const { heard, say } = board();
    heard();
    expect(say('f0') + say('79')).toBe('');
    expect(say('f7')).toMatch(/^f079/);
    expect(say(`01 02 7f c001 e00000 ${'f0'}${'11'.repeat(70)}f7 f9`)).toMatch(/f90205$/);
  });
});
