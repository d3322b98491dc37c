/**
 * A Modbus device on TCP, in MBAP frames or, as behind a serial gateway, in RTU frames. Written for the bench
 * because modbus-serial's server cannot listen on port 0, formats every frame for its log, and gives no way to
 * spoil a frame. Function codes 1, 3, 4, 5, 6.
 */
import type { Socket } from 'node:net';
import { FaultSwitch, type WireFault } from '../faults.ts';
import { type Listening, listen } from './listen.ts';

/** A device's registers; undefined or false where it has none, which the master gets as exception 2. */
export interface Registers {
  readInput?(address: number, count: number): readonly number[] | undefined;
  readHolding?(address: number, count: number): readonly number[] | undefined;
  readCoils?(address: number, count: number): readonly boolean[] | undefined;
  /** 'illegal value' becomes exception 3. */
  writeRegister?(address: number, value: number): boolean | 'illegal value';
  writeCoil?(address: number, on: boolean): boolean;
}

export type Framing = 'mbap' | 'rtu';

export interface ModbusSlaveOptions {
  readonly unit: number;
  readonly registers: Registers;
  readonly framing?: Framing;
  readonly faults?: FaultSwitch;
}

export function listenModbus({ unit, registers, framing = 'mbap', faults = new FaultSwitch() }: ModbusSlaveOptions) {
  return listen((socket: Socket) => {
    let received = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      received = received.length === 0 ? bytes : Buffer.concat([received, bytes]);
      for (;;) {
        // Every request we serve has six bytes and its unit: the RTU master sends eight with the checksum.
        const length = framing === 'rtu' ? 8 : received.length < 6 ? 6 : 6 + received.readUInt16BE(4);
        if (received.length < length) return;
        const frame = received.subarray(0, length);
        received = received.subarray(length);
        const request = framing === 'rtu' ? frame.subarray(0, -2) : frame.subarray(6);
        if (request[0] !== unit) continue;
        const fault = faults.strike();
        const sound = Buffer.concat([request.subarray(0, 1), answer(registers, request.subarray(1))]);
        const reply = spoil(fault, sound, framing);
        faults.send(socket, framing === 'rtu' ? rtu(reply, fault) : mbap(reply, frame.readUInt16BE(0)), fault);
      }
    });
  }) satisfies Promise<Listening>;
}

/** The answer's protocol data unit to a request's. */
function answer(registers: Registers, pdu: Buffer): Buffer {
  const code = pdu[0]!;
  const exception = (number: number) => Buffer.from([code | 0x80, number]);
  if (pdu.length !== 5) return exception(pdu.length < 5 ? 3 : 1);
  const address = pdu.readUInt16BE(1);
  const second = pdu.readUInt16BE(3);
  switch (code) {
    case 1: {
      const coils = registers.readCoils?.(address, second);
      if (coils === undefined) return exception(2);
      const bytes = Buffer.alloc(2 + Math.ceil(coils.length / 8));
      bytes[0] = code;
      bytes[1] = bytes.length - 2;
      for (const [at, on] of coils.entries()) if (on) bytes[2 + (at >> 3)]! |= 1 << (at & 7);
      return bytes;
    }
    case 3:
    case 4: {
      const words = (code === 3 ? registers.readHolding : registers.readInput)?.call(registers, address, second);
      if (words === undefined) return exception(2);
      const bytes = Buffer.alloc(2 + 2 * words.length);
      bytes[0] = code;
      bytes[1] = 2 * words.length;
      for (const [at, word] of words.entries()) bytes.writeUInt16BE(word, 2 + 2 * at);
      return bytes;
    }
    case 5:
      return registers.writeCoil?.(address, second === 0xff00) ? pdu : exception(2);
    case 6: {
      const written = registers.writeRegister?.(address, second);
      return written === true ? pdu : exception(written === 'illegal value' ? 3 : 2);
    }
    default:
      return exception(1);
  }
}

/** Unit and protocol data unit as the fault leaves them; what frames them is right afterwards. */
function spoil(fault: WireFault | null, reply: Buffer, framing: Framing): Buffer {
  const spoilt = Buffer.from(reply);
  if (fault === 'wrong-unit') spoilt[0]! += 1;
  if (fault === 'bad-checksum' && framing === 'mbap') spoilt[1]! ^= 0x40;
  if (fault === 'short-frame') return spoilt.subarray(0, -1);
  if (fault === 'exception') return Buffer.from([spoilt[0]!, spoilt[1]! | 0x80, 4]);
  if (fault === 'implausible' && (spoilt[1] === 3 || spoilt[1] === 4)) spoilt.fill(0x7f, 3);
  return spoilt;
}

function mbap(reply: Buffer, transaction: number): Buffer {
  const header = Buffer.alloc(6);
  header.writeUInt16BE(transaction, 0);
  header.writeUInt16BE(reply.length, 4);
  return Buffer.concat([header, reply]);
}

function rtu(reply: Buffer, fault: WireFault | null): Buffer {
  const checksum = Buffer.alloc(2);
  checksum.writeUInt16LE(crc16(reply) ^ (fault === 'bad-checksum' ? 1 : 0));
  return Buffer.concat([reply, checksum]);
}

/** Modbus over serial line V1.02, 6.2.2: polynomial 0xA001 (reflected), start 0xFFFF. */
function crc16(bytes: Buffer): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return crc;
}
