/**
 * From a path of net EV power to a plan: which orders run when, so that the sums follow the path. Whatever the
 * path asks, the result is feasible: caps, connectors and safety come first. A divisible order is planned as a whole
 * one here; its parts are `improve`'s.
 *
 * Within a round and a side the order with the nearest cap goes first, since what can wait longest is worth most
 * next round. All-or-nothing orders are fitted to the sum by `choose`; the forecast orders of later rounds are
 * divisible and close what is left of the gap.
 */
import { curtailment } from '../protocol/benefit/curtailment.ts';
import type { ForecastShares, Instance, PlanAhead } from '../protocol/benefit/instance.ts';
import { PPM, siteEffect_W } from '../protocol/benefit/instance.ts';
import type { Running } from '../protocol/benefit/safety.ts';
import { breach } from '../protocol/benefit/safety.ts';
import { buckets } from '../protocol/benefit/tube.ts';

export interface Item {
  readonly index: number;
  /** What it adds to the site, W; negative for a sell. */
  readonly effect_W: number;
  /** Rounds until it has to run, what its connector allows taken into account. */
  readonly due: number;
  /** Its contact has to close for it: the connector did not run in that direction in the round before. */
  readonly switches: boolean;
}

/** Chooses from `items` a set whose effects sum close to `need_W`. */
export type Choose = (items: readonly Item[], need_W: number) => readonly Item[];

/** The orders as items. Orders that cannot share a connector get deadlines of their own, one round apart. */
export function itemsOf(instance: Instance): Item[] {
  const { pending, limits } = instance;
  const due = pending.map((order) => order.remainingWait_rounds);
  if (limits.connectors.length > 0) {
    const byNode = new Map<number, number[]>();
    pending.forEach((order, i) => {
      byNode.set(order.node, [...(byNode.get(order.node) ?? []), i]);
    });
    for (const indices of byNode.values()) {
      if (
        indices.length === 1 ||
        breach(
          instance,
          indices.map((index) => ({ index, power_W: pending[index]!.power_W })),
        ) !== 'connector'
      )
        continue;
      let next = Number.POSITIVE_INFINITY;
      for (const i of indices.sort((a, b) => due[b]! - due[a]! || b - a)) {
        due[i] = Math.max(0, Math.min(due[i]!, next - 1));
        next = due[i]!;
      }
    }
  }
  return pending.map((order, index) => ({
    index,
    effect_W: siteEffect_W(instance, order.side, order.power_W),
    due: due[index]!,
    switches: (instance.directions[order.node] ?? 'idle') !== (order.side === 'buy' ? 'charge' : 'discharge'),
  }));
}

/** The plan that follows `path_W` (net EV power by round) as closely as `choose` can. */
export function assign(instance: Instance, path_W: ArrayLike<number>, choose: Choose, chooseNow = choose): PlanAhead {
  const rounds = instance.load_W.length;
  const items = itemsOf(instance);
  const now = runNow(instance, items, path_W[0]!, chooseNow);
  const granted = curtailment(instance);
  const waits = new Map<number, number>();
  for (const { index } of now) waits.set(index, 0);
  const orders: (number | number[])[] = instance.pending.map(() => 0);

  let rest = items.filter(({ index }) => !waits.has(index));
  const late = rest.filter(({ index }) => granted.has(index)); // held back for safety: they run next round
  for (const { index } of late) waits.set(index, 1);
  rest = rest.filter(({ index }) => !waits.has(index));
  const sums = new Float64Array(rounds);
  for (const { index, effect_W } of late) if (rounds > 1 && index >= 0) sums[1]! += effect_W;

  const forecast = buckets({ ...instance, pending: [] }).map((bucket) => ({
    ...bucket,
    left_W: bucket.site_W,
    served: new Array<number>(instance.maxWait_rounds + 1).fill(0),
  }));
  const cap = (index: number): number => instance.pending[index]!.remainingWait_rounds;
  for (let k = 1; k < rounds; k++) {
    const serve = (bucket: (typeof forecast)[number], site_W: number): void => {
      bucket.left_W -= site_W;
      bucket.served[k - bucket.arrives]! += site_W;
      sums[k]! += bucket.side === 'buy' ? site_W : -site_W;
    };
    const run = ({ index, effect_W }: Item): void => {
      waits.set(index, k);
      sums[k]! += effect_W;
    };
    const open = forecast.filter((bucket) => bucket.arrives <= k && bucket.left_W > 0);
    for (const item of rest) if (cap(item.index) <= k) run(item);
    for (const bucket of open) if (bucket.due <= k) serve(bucket, bucket.left_W);
    rest = rest.filter(({ index }) => !waits.has(index));
    for (const item of choose(rest, path_W[k]! - sums[k]!)) run(item);
    rest = rest.filter(({ index }) => !waits.has(index));
    for (const bucket of open) {
      const gap_W = (path_W[k]! - sums[k]!) * (bucket.side === 'buy' ? 1 : -1);
      if (gap_W > 0 && bucket.left_W > 0) serve(bucket, Math.min(gap_W, bucket.left_W));
    }
  }
  for (const { index } of rest) waits.set(index, Math.min(cap(index), rounds)); // beyond the look-ahead

  for (const [index, wait] of waits) orders[index] = wait;
  for (const { index, power_W } of now) {
    const left_W = instance.pending[index]!.power_W - power_W;
    if (left_W > 0) orders[index] = [power_W, left_W]; // safety grants a divisible order a part
  }
  const shares = Array.from({ length: rounds - 1 }, (_, i): ForecastShares => {
    const of = (side: 'buy' | 'sell') => {
      const bucket = forecast.find((candidate) => candidate.arrives === i + 1 && candidate.side === side)!;
      return ppmShares(bucket.served, bucket.site_W, bucket.due - bucket.arrives);
    };
    return { buy_ppm: of('buy'), sell_ppm: of('sell') };
  });
  return { orders, shares };
}

/** Whole parts of a million; what was not served within the look-ahead waits as long as it may. */
function ppmShares(served: readonly number[], total_W: number, longest: number): number[] {
  const shares = served.map((part_W) => (total_W > 0 ? Math.floor((part_W / total_W) * PPM) : 0));
  shares[longest]! += PPM - shares.reduce((sum, share) => sum + share, 0);
  return shares;
}

/** What runs in the round that binds: everything forced that safety lets run, and the best choice besides. */
function runNow(instance: Instance, items: readonly Item[], target_W: number, choose: Choose): Running[] {
  const whole = ({ index }: Item): Running => ({ index, power_W: instance.pending[index]!.power_W });
  const forced = items.filter(({ due }) => due === 0);
  const free = items.filter(({ due }) => due > 0);
  const sum = (list: readonly Item[]): number => list.reduce((total, { effect_W }) => total + effect_W, 0);
  let base = forced.map(whole);
  let helped: Running[] | null = null;
  if (breach(instance, base) !== null) {
    helped = helpForced(instance, base, free);
    const granted = curtailment(instance);
    if (helped === null) {
      base = base
        .filter(({ index }) => instance.pending[index]!.remainingWait_rounds === 0)
        .map(({ index, power_W }) => ({ index, power_W: granted.get(index) ?? power_W }))
        .filter(({ power_W }) => power_W > 0);
      if (granted.size > 0) return serveMore(instance, base, free, granted);
    }
  }
  const taken = new Set(base.map(({ index }) => index));
  const usable = withoutConflicts(
    instance,
    base,
    items.filter(({ index }) => !taken.has(index)),
  );
  const chosen = choose(usable, target_W - sum(items.filter(({ index }) => taken.has(index))));
  return longestSafe(instance, base, chosen) ?? helped ?? base;
}

/** Voluntary orders that make room for the forced ones, or null when none do. */
function helpForced(instance: Instance, base: readonly Running[], free: readonly Item[]): Running[] | null {
  for (const sign of [-1, 1]) {
    const helpers = withoutConflicts(
      instance,
      base,
      free.filter(({ effect_W }) => Math.sign(effect_W) === sign),
    );
    helpers.sort((a, b) => Math.abs(b.effect_W) - Math.abs(a.effect_W) || a.index - b.index);
    let low = 0;
    let high = helpers.length;
    const running = (count: number): Running[] => [
      ...base,
      ...helpers.slice(0, count).map(({ index }) => ({ index, power_W: instance.pending[index]!.power_W })),
    ];
    if (breach(instance, running(high)) !== null) continue;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (breach(instance, running(middle)) === null) high = middle;
      else low = middle + 1;
    }
    return running(high);
  }
  return null;
}

/**
 * Where forced orders cannot all run, whatever helps: all voluntary orders of the other side run, and make room for
 * as many of those that were to be held back as fit, the most often curtailed first. Else a reserve would be kept
 * for later while orders that are due go without.
 */
function serveMore(
  instance: Instance,
  base: readonly Running[],
  free: readonly Item[],
  granted: ReadonlyMap<number, number>,
): Running[] {
  const { pending } = instance;
  const held = [...granted.keys()].sort((a, b) => pending[b]!.curtailed_rounds - pending[a]!.curtailed_rounds || a - b);
  const full = (index: number): Running => ({ index, power_W: pending[index]!.power_W });
  const broken = breach(instance, [...base.filter(({ index }) => !granted.has(index)), ...held.map(full)]);
  if (broken === 'connector') return [...base];
  const sign = broken === 'capacity' ? -1 : 1;
  const helpers = withoutConflicts(
    instance,
    base,
    free.filter(({ effect_W }) => Math.sign(effect_W) === sign),
  ).map(({ index }) => full(index));
  const running = (count: number): Running[] => {
    const served = new Set(held.slice(0, count));
    return [...base.filter(({ index }) => !served.has(index)), ...held.slice(0, count).map(full), ...helpers];
  };
  if (breach(instance, running(0)) !== null) return [...base];
  let low = 0;
  let high = held.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (breach(instance, running(middle)) === null) low = middle;
    else high = middle - 1;
  }
  return running(low);
}

/** At most one voluntary order a connector, none where a forced one runs; the nearest cap first. */
function withoutConflicts(instance: Instance, base: readonly Running[], items: readonly Item[]): Item[] {
  if (instance.limits.connectors.length === 0) return [...items];
  const busy = new Set(base.map(({ index }) => instance.pending[index]!.node));
  return [...items]
    .sort((a, b) => a.due - b.due || a.index - b.index)
    .filter(({ index }) => {
      const { node, side, power_W } = instance.pending[index]!;
      const rating = instance.limits.connectors[node];
      if (busy.has(node) || power_W > ((side === 'buy' ? rating?.charge_W : rating?.discharge_W) ?? 0)) return false;
      busy.add(node);
      return true;
    });
}

/** The most of `chosen` that is safe beside `base`: buys are dropped when import is short of room, sells for export. Null when that does not help. */
function longestSafe(instance: Instance, base: readonly Running[], chosen: readonly Item[]): Running[] | null {
  let kept = [...chosen].sort(
    (a, b) => a.due - b.due || Math.abs(b.effect_W) - Math.abs(a.effect_W) || a.index - b.index,
  );
  const running = (list: readonly Item[]): Running[] => [
    ...base,
    ...list.map(({ index }) => ({ index, power_W: instance.pending[index]!.power_W })),
  ];
  for (;;) {
    const broken = breach(instance, running(kept));
    if (broken === null) return running(kept);
    const sign = broken === 'capacity' ? 1 : -1;
    const droppable = kept.filter(({ effect_W }) => Math.sign(effect_W) === sign);
    if (droppable.length === 0) return null;
    const without = (count: number): Item[] => {
      const dropped = new Set(droppable.slice(droppable.length - count));
      return kept.filter((item) => !dropped.has(item));
    };
    let low = 1;
    let high = droppable.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (breach(instance, running(without(middle))) === broken) low = middle + 1;
      else high = middle;
    }
    kept = without(high);
  }
}
