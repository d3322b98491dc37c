/** Seeded instances of one round's problem, for the tests and the bench of the benefit and its solver. */
import type { Instance, PendingOrder } from '../../firmware/protocol/benefit/instance.ts';

/** Mulberry32: a small seeded generator, 0 <= x < 1. */
export function seeded(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export type Draw = (low: number, high: number) => number;
/** Whole numbers, both ends included. */
export const drawFrom = (seed: number): Draw => {
  const random = seeded(seed);
  return (low, high) => low + Math.floor(random() * (high - low + 1));
};

const POWERS_W = [3000, 7400, 11_000, 22_000, 43_000, 50_000, 120_000] as const;

export interface Shape {
  readonly orders: number;
  /** H. */
  readonly rounds: number;
  /** W. */
  readonly window: number;
  readonly divisible?: number;
  readonly capacity_W?: number;
  /** How far metered rounds lie apart: a day that has been flattened is about 20 kW, any day 200 kW. */
  readonly roughness_W?: number;
}

export function randomInstance(seed: number, shape: Shape): Instance {
  const random = seeded(seed);
  const whole = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
  const scale = Math.max(1, shape.orders / 60);
  const loads = Array.from({ length: shape.window + shape.rounds }, (_, i) =>
    Math.round(scale * (90_000 + 50_000 * Math.sin(i / 7) + whole(-5000, 5000))),
  );
  const pending = Array.from({ length: shape.orders }, (_, i): PendingOrder => {
    const power_W = POWERS_W[whole(0, POWERS_W.length - 1)]!;
    return {
      id: i.toString(16).padStart(4, '0'),
      node: i,
      side: random() < 2 / 3 ? 'buy' : 'sell',
      power_W,
      remainingWait_rounds: whole(0, 2),
      curtailed_rounds: 0,
      divisible: random() < (shape.divisible ?? 0),
      minimum_W: 1380,
    };
  });
  const flow = (mean_W: number): number[] =>
    Array.from({ length: shape.rounds }, () => Math.round(scale * whole(0, 2 * mean_W)));
  return {
    round: 48 * 7 + whole(0, 47),
    roundTime_s: 1800,
    slotsPerDay: shape.window,
    theta_W: loads
      .slice(0, shape.window)
      .map((load) => load + Math.round(scale * whole(0, shape.roughness_W ?? 200_000))),
    load_W: loads.slice(shape.window),
    loadBetween_W: { least_W: loads[shape.window], most_W: loads[shape.window] },
    buyForecast_W: flow(280_000),
    sellForecast_W: flow(140_000),
    surprise: flow(0).map(() => Math.round((1200 * scale ** 0.5) ** 2)),
    maxWait_rounds: 2,
    closes: false,
    chargingEfficiency_ppm: 930_000,
    dischargingEfficiency_ppm: 930_000,
    limits: {
      capacity_W: shape.capacity_W ?? Number.MAX_SAFE_INTEGER,
      exportLimit_W: Number.MAX_SAFE_INTEGER,
      margin_W: 0,
      safeShares_W: [],
      lostParts: 0,
      connectors: [],
    },
    pending,
    directions: [],
  };
}
