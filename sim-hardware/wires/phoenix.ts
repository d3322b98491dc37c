/**
 * The registers of a Phoenix Contact EM-CP-PP-ETH (facts from evcc-io/evcc and gonium/go-EM-CP-PP-ETH, see
 * hal/connectors), filled from a connector of the world: input 100 pilot state in ASCII, 101 cable, 107 errors,
 * holding 300 current limit in A, coil 400 enable.
 */
import type { World } from '../world.ts';
import type { Registers } from './modbus-slave.ts';

const contactorError = 1 << 11;

export function phoenixRegisters(world: World, id: string, cable_A = 0): Registers {
  let limit_A = 6;
  let enabled = false;
  const offer = () => world.offer(id, enabled ? limit_A : 0);
  const window = (first: number, words: readonly number[], address: number, count: number) =>
    address >= first && count >= 1 && address + count <= first + words.length
      ? words.slice(address - first, address - first + count)
      : undefined;
  return {
    readInput(address, count) {
      const words = new Array<number>(42).fill(0);
      words[0] = world.pilot(id).charCodeAt(0);
      words[1] = cable_A;
      words[7] = world.contactFault(id) === 'welded' ? contactorError : 0;
      return window(100, words, address, count);
    },
    readHolding: (address, count) => window(300, [limit_A], address, count),
    readCoils: (address, count) => (address === 400 && count === 1 ? [enabled] : undefined),
    writeRegister(address, value) {
      if (address !== 300) return false;
      if (value < 6 || value > 80) return 'illegal value';
      limit_A = value;
      offer();
      return true;
    },
    writeCoil(address, on) {
      if (address !== 400) return false;
      enabled = on;
      offer();
      return true;
    },
  };
}
