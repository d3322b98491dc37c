/** An independent program reads the simulated meter: mbpoll (Debian package mbpoll, libmodbus). */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { listenModbus } from '../../sim-hardware/wires/modbus-slave.ts';
import { sdm630Registers } from '../../sim-hardware/wires/sdm630.ts';

const run = promisify(execFile);

test('mbpoll reads an SDM630: power, import, export', async () => {
  const truth = {
    imported_Wh: 8_123_250,
    exported_Wh: 125,
    power_W: -1234.5,
    currents_A: [1.5, 0, 2] as [number, number, number],
  };
  const server = await listenModbus({ unit: 1, registers: sdm630Registers(() => truth) });
  try {
    // Zero-based addresses, input registers as 32-bit floats, high word first, once.
    const read = async (address: number, count: number) => {
      const format = ['-m', 'tcp', '-p', String(server.port), '-a', '1', '-0', '-t', '3:float', '-B', '-1', '-q'];
      const { stdout } = await run('mbpoll', [...format, '-r', String(address), '-c', String(count), '127.0.0.1']);
      return [...stdout.matchAll(/^\[\d+\]:\s+(\S+)/gm)].map(([, value]) => Number(value));
    };
    expect(await read(6, 3)).toEqual([1.5, 0, 2]);
    expect(await read(52, 1)).toEqual([-1234.5]);
    expect(await read(72, 2)).toEqual([8123.25, 0.125]);
  } finally {
    await server.close();
  }
});
