/**
 * Eastron SDM630: three-phase meter, direct (100 A) or on current transformers (MCT). Import is L to N positive.
 * Register map from volkszaehler/mbmd, meters/rs485/sdm.go (Copyright (c) 2015-2019, Mathias Dalheimer, Andreas
 * Goetz; BSD-3-Clause, text in LICENSES/BSD-3-Clause_mbmd.txt). Energies are float32 kWh: below 16,777 kWh one
 * step is at most 1 Wh. The currents are magnitudes, without direction.
 */
import type { MeterTable, Register } from './table.ts';

const float32 = (address: number, scale: number, limits: readonly [number, number], monotonic = false): Register => ({
  address,
  type: 'float32',
  wordOrder: 'ABCD',
  scale,
  plausible: limits,
  monotonic,
});

// What the largest transformers (2,000 A) allow; an installation's own rating narrows it (drivers/modbus-meter.ts).
const current_mA: readonly [number, number] = [0, 2_400_000];
const power_W: readonly [number, number] = [-1_800_000, 1_800_000];
const energy_Wh: readonly [number, number] = [0, 1e10];

export const sdm630: MeterTable = {
  model: 'eastron-sdm630',
  source: 'volkszaehler/mbmd meters/rs485/sdm.go (BSD-3-Clause)',
  functionCode: 4,
  longestRead: 80,
  registers: {
    currentL1: float32(6, 1000, current_mA),
    currentL2: float32(8, 1000, current_mA),
    currentL3: float32(10, 1000, current_mA),
    power: float32(52, 1, power_W),
    imported: float32(72, 1000, energy_Wh, true),
    exported: float32(74, 1000, energy_Wh, true),
  },
};
