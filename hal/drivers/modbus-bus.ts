/**
 * A Modbus bus: TCP, serial RTU, or RTU frames through a serial gateway. modbus-serial neither queues nor
 * reconnects, keeps one unit id per connection, and takes a late RTU reply for the answer to the next request;
 * so requests take turns here, and a connection that failed is never used again (Line).
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import modbus from 'modbus-serial';
import { HalError } from '../errors.ts';
import { Line, type LineOptions } from './line.ts';

export type ModbusEndpoint =
  | { readonly kind: 'tcp' | 'rtu-gateway'; readonly host: string; readonly port: number }
  | {
      readonly kind: 'rtu';
      readonly path: string;
      readonly baudRate: number;
      readonly parity?: 'none' | 'even' | 'odd';
      readonly stopBits?: 1 | 2;
    };

type Client = InstanceType<typeof modbus.default>;

export class ModbusBus {
  readonly #endpoint: ModbusEndpoint;
  readonly #timeout: number;
  readonly #line: Line;
  #client: Client | undefined;
  #hangUp: () => void = () => undefined;

  constructor(endpoint: ModbusEndpoint, options: LineOptions) {
    this.#endpoint = endpoint;
    this.#timeout = options.timeout;
    this.#line = new Line(options, (why) => this.drop(why));
  }

  /** 16-bit words; function code 3 reads holding registers, 4 input registers. Throws HalError. */
  readRegisters(
    device: string,
    unit: number,
    functionCode: 3 | 4,
    address: number,
    count: number,
    signal: AbortSignal,
  ): Promise<readonly number[]> {
    return this.#ask(device, unit, signal, async (client) => {
      const read = functionCode === 3 ? 'readHoldingRegisters' : 'readInputRegisters';
      return (await client[read](address, count)).data;
    });
  }

  /** One holding register (function 6). Throws HalError. */
  async writeRegister(device: string, unit: number, address: number, value: number, signal: AbortSignal) {
    await this.#ask(device, unit, signal, (client) => client.writeRegister(address, value));
  }

  /** One coil (function 5). Throws HalError. */
  async writeCoil(device: string, unit: number, address: number, on: boolean, signal: AbortSignal) {
    await this.#ask(device, unit, signal, (client) => client.writeCoil(address, on));
  }

  async close(): Promise<void> {
    this.#hangUp();
    this.#client = undefined;
  }

  /**
   * Called after every exchange that failed. On TCP a late reply dies with the connection; a serial line has
   * none, so it stays quiet (milliseconds returned) until the reply has passed.
   */
  protected drop(why: HalError): number {
    this.#hangUp();
    this.#client = undefined;
    return why.fault.code === 'timeout' && this.#endpoint.kind !== 'tcp' ? 2 * this.#timeout : 0;
  }

  async #ask<T>(
    device: string,
    unit: number,
    signal: AbortSignal,
    request: (client: Client) => Promise<T>,
  ): Promise<T> {
    return this.#line.exchange(device, signal, async () => {
      this.#client ??= await this.#open();
      this.#client.setID(unit);
      return request(this.#client).catch((error) => translate(device, error));
    });
  }

  async #open(): Promise<Client> {
    const client = new modbus.default();
    client.on('error', () => undefined); // 'close' follows
    const closed = () => {
      if (this.#client !== client) return; // one that was dropped
      this.#client = undefined;
      this.#line.broken('connection closed by the device');
    };
    if (this.#endpoint.kind === 'rtu') {
      const { path, baudRate, parity = 'none', stopBits = 1 } = this.#endpoint;
      this.#hangUp = () => client.close(() => undefined);
      await client.connectRTUBuffered(path, { baudRate, parity, stopBits, dataBits: 8 });
      client.on('close', closed);
    } else {
      // Our own socket: modbus-serial's swallows a reset, and its request would wait for the deadline.
      const { host, port, kind } = this.#endpoint;
      const socket = connect({ host, port, noDelay: true });
      this.#hangUp = () => socket.destroy();
      socket.on('close', closed);
      await once(socket, 'connect');
      if (kind === 'tcp') await client.linkTCP(socket, { port });
      else await client.linkTelnet(socket, { port }); // its name for bare RTU frames over TCP
    }
    return client;
  }
}

/** modbus-serial's errors have no codes but the exception's: the rest is told by what broke in the frame. */
function translate(device: string, error: unknown): never {
  const { modbusCode, message } = error as Error & { modbusCode?: number };
  if (modbusCode !== undefined) throw new HalError(device, { code: 'refused', exceptionCode: modbusCode });
  const frame = /^(CRC error|Data length error|Unexpected data error)/.test(message) || error instanceof RangeError;
  throw new HalError(device, { code: frame ? 'garbled' : 'disconnected', detail: message });
}
