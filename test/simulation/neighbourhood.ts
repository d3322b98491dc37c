/** An invented neighbourhood of any size: charge points of four kinds and one head meter, always the last node. */
import { createHash } from 'node:crypto';
import type { Neighbourhood } from '../../firmware/protocol/genesis.ts';

const KINDS = [
  { kind: 'slow', charge_W: 3000, discharge_W: 3000 },
  { kind: 'fast', charge_W: 7360, discharge_W: 7360 },
  { kind: 'fast', charge_W: 11_000, discharge_W: 11_000 },
  { kind: 'rapid', charge_W: 50_000, discharge_W: 11_000 },
] as const;

export function neighbourhoodOf(chargePoints: number): Neighbourhood {
  const key = (index: number): string => createHash('sha256').update(`key ${index}`).digest('hex');
  return {
    microgrid: 'simulated',
    roundTime_s: 300,
    capacity_W: 800_000,
    exportLimit_W: 800_000,
    margin_W: 0,
    maxWait_rounds: 2,
    lookAhead_rounds: 12,
    chargingEfficiency_ppm: 930_000,
    dischargingEfficiency_ppm: 930_000,
    nodes: [
      ...Array.from({ length: chargePoints }, (_, i) => ({
        name: `cp${i + 1}`,
        publicKey: key(i),
        role: 'charge-point' as const,
        connector: KINDS[i % KINDS.length],
        safeShare_W: 1380,
      })),
      { name: 'head', publicKey: key(chargePoints), role: 'head-meter' as const, safeShare_W: 0 },
    ],
  };
}
