/**
 * An invented neighbourhood of any size: charge points of four kinds, one head meter, and behind it the registrar, if there
 * is one. Whoever joins comes after them.
 */
import { createHash } from 'node:crypto';
import type { Neighbourhood } from '../../firmware/protocol/genesis.ts';
import type { Amendment } from '../../firmware/protocol/messages.ts';

const KINDS = [
  { kind: 'slow', charge_W: 3000, discharge_W: 3000 },
  { kind: 'fast', charge_W: 7360, discharge_W: 7360 },
  { kind: 'fast', charge_W: 11_000, discharge_W: 11_000 },
  { kind: 'rapid', charge_W: 50_000, discharge_W: 11_000 },
] as const;

/**
 * `wide`: the connection carries more than everybody together. `tight`: about a third of what the connectors could
 * draw beside the households' peak, and a margin for what a forecast can be wrong by, so that safety has work to do.
 * `bare`: as tight, with hardly a margin, so that what else keeps the limit shows (for mutants: the households alone may
 * break this one).
 */
export type Sizing = 'wide' | 'tight' | 'bare';

const PEAK_W = 132_000;
const MARGIN_W = 10_000;
const BARE_MARGIN_W = 2000;

const key = (owner: number | string): string => createHash('sha256').update(`key ${owner}`).digest('hex');

/** A charge point's key, new. */
export const rotate = (node: number): Amendment => ({ op: 'rotate', node, publicKey: key(`${node}, new`) });

/** A charge point joins. */
export const add = (name: string): Amendment => ({
  op: 'add',
  name,
  publicKey: key(name),
  connector: KINDS[1],
  safeShare_W: 1380,
});

export function neighbourhoodOf(chargePoints: number, sizing: Sizing = 'wide', registrar = false): Neighbourhood {
  return {
    microgrid: 'simulated',
    roundTime_s: 300,
    capacity_W: sizing === 'wide' ? 800_000 : PEAK_W + MARGIN_W + 6000 * chargePoints,
    exportLimit_W: sizing === 'wide' ? 800_000 : MARGIN_W,
    margin_W: { wide: 0, tight: MARGIN_W, bare: BARE_MARGIN_W }[sizing],
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
      ...(registrar
        ? [{ name: 'registrar', publicKey: key('registrar'), role: 'registrar' as const, safeShare_W: 0 }]
        : []),
    ],
  };
}
