/** Every pilot controller that a configuration may name. */
import { phoenixEmCpPpEth } from './phoenix-em-cp-pp-eth.ts';
import type { ConnectorTable } from './table.ts';

export const connectorModels = {
  'phoenix-em-cp-pp-eth': phoenixEmCpPpEth,
} as const satisfies Record<string, ConnectorTable>;
