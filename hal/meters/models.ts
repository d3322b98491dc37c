/** Every meter model that a configuration may name. */
import { sdm630 } from './sdm630.ts';
import type { MeterTable } from './table.ts';

export const meterModels = { 'eastron-sdm630': sdm630 } as const satisfies Record<string, MeterTable>;
