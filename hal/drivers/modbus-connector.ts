/**
 * The pilot controller of a connector on a Modbus bus, from its table. The device counts in whole amperes, so a
 * limit is rounded down, and one below its least (6 A in IEC 61851-1) withdraws the offer.
 */
import type { ConnectorTable } from '../connectors/table.ts';
import { HalError } from '../errors.ts';
import type { Connector, ConnectorFault, ConnectorStatus, PilotState } from '../ports.ts';
import { type Milliamps, milliamps, type UnixMillis } from '../units.ts';
import type { ModbusBus } from './modbus-bus.ts';

export interface ModbusConnectorOptions {
  readonly id: string;
  readonly bus: ModbusBus;
  readonly unit: number;
  readonly table: ConnectorTable;
  /** The clock of `takenAt`. */
  readonly now: () => UnixMillis;
}

export class ModbusConnector implements Connector {
  readonly id: string;
  readonly #options: ModbusConnectorOptions;

  constructor(options: ModbusConnectorOptions) {
    this.id = options.id;
    this.#options = options;
  }

  async read(signal: AbortSignal): Promise<ConnectorStatus> {
    const { bus, unit, table, now } = this.#options;
    const { address, count, pilot, cable_A, errors } = table.status;
    const words = await bus.readRegisters(this.id, unit, 4, address, count, signal);
    const state = String.fromCharCode(words[pilot]! & 0xff);
    if (!/^[A-F]$/.test(state)) this.#refuse(`pilot state is 0x${words[pilot]!.toString(16)}, possible are A to F`);
    const cable = words[cable_A]!;
    if (cable > table.limit.most_A) this.#refuse(`cable rating is ${cable} A`);
    const faults = table.faults.filter(({ bit }) => (words[errors]! >> bit) & 1).map(({ fault }) => fault);
    return {
      takenAt: now(),
      pilot: state as PilotState,
      ...(cable > 0 && { cableRating: milliamps(cable * 1000) }),
      faults: new Set<ConnectorFault>(faults),
    };
  }

  async offer(limit: Milliamps | 'none', signal: AbortSignal): Promise<void> {
    const { bus, unit, table } = this.#options;
    const { address, least_A, most_A } = table.limit;
    const limit_A = limit === 'none' ? 0 : Math.min(Math.floor(limit / 1000), most_A);
    const offered = limit_A >= least_A;
    // The limit first: the vehicle must never see an old, higher one.
    if (offered) await bus.writeRegister(this.id, unit, address, limit_A, signal);
    await bus.writeCoil(this.id, unit, table.enable.address, offered, signal);
  }

  async close(): Promise<void> {}

  #refuse(detail: string): never {
    throw new HalError(this.id, { code: 'implausible', detail });
  }
}
