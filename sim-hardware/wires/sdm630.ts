/**
 * The registers of an Eastron SDM630 (function 4, float32, high word first), filled from a meter of the world.
 * Written from the same public map as hal/meters/sdm630.ts (volkszaehler/mbmd, BSD-3-Clause) but apart from it,
 * so that a wrong address in one of them is noticed. Addresses without a quantity read as zero, as on the device.
 */
import type { MeterTruth } from '../world.ts';
import type { Registers } from './modbus-slave.ts';

const lastRegister = 382;
const longestRead = 80;

export function sdm630Registers(meter: () => Readonly<MeterTruth>): Registers {
  return {
    readInput(address, count) {
      if (count < 1 || count > longestRead || address + count > lastRegister) return undefined;
      const image = sdm630Image(meter());
      return Array.from({ length: count }, (_, at) => image.getUint16(2 * (address + at)));
    },
  };
}

export function sdm630Image({ imported_Wh, exported_Wh, power_W, currents_A }: Readonly<MeterTruth>): DataView {
  const image = new DataView(new ArrayBuffer(2 * lastRegister));
  const put = (address: number, value: number) => image.setFloat32(2 * address, value);
  for (const [phase, current_A] of currents_A.entries()) {
    put(2 * phase, 230); // L to N, V
    put(6 + 2 * phase, current_A);
    put(12 + 2 * phase, current_A * 230 * Math.sign(power_W));
  }
  put(52, power_W);
  put(70, 50); // Hz
  put(72, imported_Wh / 1000);
  put(74, exported_Wh / 1000);
  put(342, (imported_Wh + exported_Wh) / 1000);
  return image;
}
