/** The compliance suites against both implementations of each port: in memory, and the driver on the wire. */
import { describe } from 'vitest';
import { phoenixEmCpPpEth } from '../../hal/connectors/phoenix-em-cp-pp-eth.ts';
import { ModbusConnector } from '../../hal/drivers/modbus-connector.ts';
import { ModbusMeter } from '../../hal/drivers/modbus-meter.ts';
import { sdm630 } from '../../hal/meters/sdm630.ts';
import { unixMillis } from '../../hal/units.ts';
import { worldConnector, worldMeter, worldRelays } from '../../sim-hardware/ports/memory.ts';
import { listenModbus } from '../../sim-hardware/wires/modbus-slave.ts';
import { phoenixRegisters } from '../../sim-hardware/wires/phoenix.ts';
import { sdm630Registers } from '../../sim-hardware/wires/sdm630.ts';
import type { MeterTruth } from '../../sim-hardware/world.ts';
import { busAt, evening, ManualTimer, relaysOnWire, smallWorld, untilPluggedIn } from './bench.ts';
import { connectorCompliance } from './connector.ts';
import { meterCompliance } from './meter.ts';
import { relayBankCompliance } from './relay-bank.ts';

const truthOf = (): MeterTruth => ({ imported_Wh: 1000, exported_Wh: 0, power_W: 0, currents_A: [0, 0, 0] });

describe('meter in memory', () => {
  meterCompliance(async () => {
    let now: number = evening;
    const truth = truthOf();
    const meter = worldMeter(
      'meter',
      () => truth,
      () => unixMillis(now),
    );
    const setNow = (to: number) => {
      now = to;
    };
    return { meter, truth, setNow, teardown: () => meter.close() };
  });
});

describe('SDM630 on a wire', () => {
  meterCompliance(async () => {
    let now: number = evening;
    const truth = truthOf();
    const server = await listenModbus({ unit: 1, registers: sdm630Registers(() => truth) });
    const bus = busAt(server.port);
    const meter = new ModbusMeter({ id: 'meter', bus, unit: 1, table: sdm630, now: () => unixMillis(now) });
    const teardown = async () => {
      await bus.close();
      await server.close();
    };
    const setNow = (to: number) => {
      now = to;
    };
    return { meter, truth, setNow, teardown };
  });
});

describe('relays in memory', () => {
  relayBankCompliance(async () => {
    const world = smallWorld();
    const timer = new ManualTimer();
    const relays = worldRelays('relays', world, 'cp1', timer.after);
    const settle = () => world.step(unixMillis(world.now + 20));
    return {
      relays,
      settle,
      pass: (time_ms) => {
        timer.pass(time_ms);
        settle();
      },
      weld: (at) => world.setContactFault('cp1', at, 'welded'),
      teardown: () => relays.close(),
    };
  });
});

describe('johnny-five relays on a Firmata wire', () => {
  relayBankCompliance(async () => {
    const bench = await relaysOnWire();
    return {
      ...bench,
      pass: (time_ms) => {
        bench.timer.pass(time_ms);
        bench.settle();
      },
      weld: (at) => bench.world.setContactFault('cp1', at, 'welded'),
    };
  });
});

describe('connector in memory', () => {
  connectorCompliance(async () => {
    const world = smallWorld();
    const connector = worldConnector('connector', world, 'cp1', () => world.now);
    return {
      connector,
      offered_A: () => world.offered_A('cp1'),
      plugIn: () => untilPluggedIn(world),
      step: () => world.step(unixMillis(world.now + 1_000)),
      teardown: () => connector.close(),
    };
  });
});

describe('EM-CP-PP-ETH on a wire', () => {
  connectorCompliance(async () => {
    const world = smallWorld();
    const server = await listenModbus({ unit: 180, registers: phoenixRegisters(world, 'cp1') });
    const bus = busAt(server.port);
    const table = phoenixEmCpPpEth;
    const connector = new ModbusConnector({ id: 'connector', bus, unit: 180, table, now: () => world.now });
    return {
      connector,
      offered_A: () => world.offered_A('cp1'),
      plugIn: () => untilPluggedIn(world),
      step: () => world.step(unixMillis(world.now + 1_000)),
      teardown: async () => {
        await bus.close();
        await server.close();
      },
    };
  });
});
