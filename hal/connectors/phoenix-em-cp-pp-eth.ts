/**
 * Phoenix Contact EM-CP-PP-ETH, a pilot controller for AC connectors with Modbus TCP. The register map is as
 * documented by evcc-io/evcc charger/phoenix-em-eth.go (100, 300, 400) and gonium/go-EM-CP-PP-ETH statuscache.go
 * (101, 107 and its bits); facts only, no code. DIP switch 10 must be ON for remote enabling.
 */
import type { ConnectorTable } from './table.ts';

export const phoenixEmCpPpEth: ConnectorTable = {
  model: 'phoenix-em-cp-pp-eth',
  source: 'evcc-io/evcc charger/phoenix-em-eth.go; gonium/go-EM-CP-PP-ETH statuscache.go',
  unit: 180,
  status: { address: 100, count: 8, pilot: 0, cable_A: 1, errors: 7 },
  faults: [
    { bit: 2, fault: 'pilot-out-of-range' }, // proximity value invalid
    { bit: 3, fault: 'pilot-out-of-range' }, // control pilot value invalid
    { bit: 8, fault: 'overcurrent' },
    { bit: 11, fault: 'welded-contact' }, // the contactor does not follow
    { bit: 12, fault: 'pilot-out-of-range' }, // no diode in the vehicle
  ],
  limit: { address: 300, least_A: 6, most_A: 80 },
  enable: { address: 400 },
};
