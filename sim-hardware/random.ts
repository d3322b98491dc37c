/** Named random streams from one seed: a new user of chance does not shift what the others draw. */

/** Uniform in [0, 1); the same seed and name give the same sequence on every machine. */
export function randomStream(seed: number, name: string): () => number {
  let state = seed >>> 0;
  for (const letter of name) state = (Math.imul(state ^ letter.codePointAt(0)!, 0x9e3779b1) + 0x7f4a7c15) >>> 0;
  return () => {
    // mulberry32, by Tommy Ettinger (public domain)
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const between = (random: () => number, least: number, most: number): number => least + random() * (most - least);
