/**
 * Fair lanes before the door: one for each name under which the broker lets somebody publish. Whoever publishes pays:
 * the processor time that a lane has cost is its debt, which fades with time. The lane with the least debt is served
 * first and the fullest one drops first, so that nobody but the flooder, and who shares its name, feels a flood.
 */
import { LANES } from '../protocol/limits.ts';

export interface Lanes<T> {
  /** Takes an item into a lane; returns how many of the oldest had to go for it, by name. A name without a lane drops. */
  offer(name: string, item: T, bytes: number): ReadonlyMap<string, number>;
  /** The next item in turn; undefined when nothing waits, or what waits has used up its share. */
  next(): { readonly name: string; readonly item: T } | undefined;
  /** What the work on an item of this lane has cost. */
  charge(name: string, cost_ms: number): void;
  /** Lets a lane off its debt: what comes next was asked for. */
  forgive(name: string): void;
  /** Bytes that wait, each item with the overhead of LANES. */
  readonly waiting: number;
}

/** A debt that fades by this share of the time that passes. `now` is in milliseconds and never goes back. */
function createDebt(percent: number, now: () => number) {
  let owed_ms = 0;
  let at_ms = now();
  return {
    owed(present_ms = now()): number {
      owed_ms = Math.max(0, owed_ms - (percent * (present_ms - at_ms)) / 100);
      at_ms = present_ms;
      return owed_ms;
    },
    add(cost_ms: number): void {
      owed_ms = this.owed() + cost_ms;
    },
    clear(): void {
      owed_ms = 0;
    },
  };
}

/** A lane for every name that is offered: who may have one is for the caller to say. */
export function createLanes<T>(now: () => number, limits = LANES): Lanes<T> {
  const begin = (name: string) => ({
    name,
    items: [] as { readonly item: T; readonly weight: number }[],
    weight: 0,
    served: 0,
    debt: createDebt(limits.share_percent, now),
  });
  type Lane = ReturnType<typeof begin>;
  const lanes = new Map<string, Lane>();
  const laneOf = (name: string): Lane => {
    const lane = lanes.get(name) ?? begin(name);
    lanes.set(name, lane);
    return lane;
  };
  /** Those in which something waits: of a hundred lanes, mostly a few. */
  const queues = new Set<Lane>();
  const together = createDebt(limits.shareTogether_percent, now);
  let waiting = 0;
  let served = 0;

  const take = (lane: Lane): T => {
    const { item, weight } = lane.items.shift() as { item: T; weight: number };
    if (lane.items.length === 0) queues.delete(lane);
    lane.weight -= weight;
    waiting -= weight;
    return item;
  };

  return {
    get waiting() {
      return waiting;
    },
    offer(name, item, bytes) {
      const lane = laneOf(name);
      const weight = bytes + limits.overhead_bytes;
      lane.items.push({ item, weight });
      queues.add(lane);
      lane.weight += weight;
      waiting += weight;
      const dropped = new Map<string, number>();
      const drop = (from: Lane): void => {
        take(from);
        dropped.set(from.name, (dropped.get(from.name) ?? 0) + 1);
      };
      while (lane.weight > limits.lane_bytes) drop(lane);
      while (waiting > limits.together_bytes) drop([...queues].reduce((a, b) => (b.weight > a.weight ? b : a)));
      return dropped;
    },
    next() {
      const present_ms = now();
      if (waiting === 0 || together.owed(present_ms) >= limits.burstTogether_ms) return undefined;
      let first: { readonly lane: Lane; readonly owed_ms: number } | undefined;
      for (const lane of queues) {
        const owed_ms = lane.debt.owed(present_ms);
        if (owed_ms >= limits.burst_ms) continue;
        if (first === undefined || (owed_ms - first.owed_ms || lane.served - first.lane.served) < 0)
          first = { lane, owed_ms };
      }
      if (first === undefined) return undefined;
      served += 1;
      first.lane.served = served;
      return { name: first.lane.name, item: take(first.lane) };
    },
    charge(name, cost_ms) {
      laneOf(name).debt.add(cost_ms);
      together.add(cost_ms);
    },
    forgive(name) {
      const { debt } = laneOf(name);
      together.add(-debt.owed());
      debt.clear();
    },
  };
}
