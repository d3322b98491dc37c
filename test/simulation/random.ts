/** One seed, many named streams: a new consumer does not shift the others. sfc32 seeded by a hash of seed and name. */
import { createHash } from 'node:crypto';

export interface Random {
  /** 0 <= x < 1 */
  next(): number;
  /** low..high, both included */
  whole(low: number, high: number): number;
  chance(probability: number): boolean;
}

export function randomStream(seed: number, name: string): Random {
  const words = new Uint32Array(createHash('sha256').update(`${seed}/${name}`).digest().buffer.slice(0, 16));
  let [a, b, c, d] = words;
  const next = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    return (t >>> 0) / 2 ** 32;
  };
  return {
    next,
    whole: (low, high) => low + Math.floor(next() * (high - low + 1)),
    chance: (probability) => next() < probability,
  };
}
