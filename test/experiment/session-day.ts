/**
 * Five-minute days drawn from a scenario file. There a charging session orders again every round, so rounds depend on each
 * other and the slots of drawn-day.ts do not apply. A session is taken to start at a rate by the hour, with the power of a
 * session of the file, and to go on to the next round with one probability.
 */
import type { Side } from '../../firmware/protocol/benefit/instance.ts';
import type { Scenario } from '../../firmware/simulate/scenario.ts';
import { seeded } from '../unit/random-instance.ts';
import { asHistory } from './drawn-day.ts';

export interface Session {
  readonly side: Side;
  readonly power_W: number;
}

export interface Model {
  /** Probability that a session orders in the next round, too. */
  readonly stays: number;
  /** Sessions that start, by round of the day: an hour's mean. */
  readonly starts: readonly number[];
  readonly kinds: readonly Session[];
}

export function modelOf({ orders, rounds }: Scenario): Model {
  const byRound = Array.from({ length: rounds }, () => [] as Session[]);
  for (const { round, side, power_w } of orders) byRound[round]!.push({ side, power_W: power_w });
  const kinds: Session[] = [];
  const started = byRound.map((list, round) => {
    const before = [...(byRound[round - 1] ?? [])];
    const fresh = list.filter(({ side, power_W }) => {
      const i = before.findIndex((session) => session.side === side && session.power_W === power_W);
      if (i >= 0) before.splice(i, 1);
      return i < 0;
    });
    kinds.push(...fresh);
    return fresh.length;
  });
  const hour = rounds / 24;
  const starts = started.map((_, round) => {
    const near = started.slice(Math.max(0, round - hour / 2), round + hour / 2 + 1);
    return near.reduce((sum, count) => sum + count, 0) / near.length;
  });
  return { stays: 1 - kinds.length / orders.length, starts, kinds };
}

/** The sessions of the next round. */
export function step(model: Model, running: readonly Session[], round: number, random: () => number): Session[] {
  const next = running.filter(() => random() < model.stays);
  const gap = (): number => -Math.log(1 - random());
  for (let due = gap(); due < (model.starts[round] ?? 0); due += gap())
    next.push(model.kinds[Math.floor(random() * model.kinds.length)]!);
  return next;
}

export const power_W = (sessions: readonly Session[], side: Side): number =>
  sessions.reduce((sum, session) => sum + (session.side === side ? session.power_W : 0), 0);

export function drawnSessions(model: Model, like: Scenario, seed: number): Scenario {
  const random = seeded(seed);
  const orders = (): Scenario['orders'] => {
    let sessions: Session[] = [];
    return model.starts.flatMap((_, round) => {
      sessions = step(model, sessions, round, random);
      return sessions.map(({ side, power_W: power_w }, i) => ({ id: `${round}-${i}`, round, side, power_w }));
    });
  };
  const load = (): number[] => like.history[Math.floor(random() * like.history.length)]!.load_w;
  const day = (): Scenario => ({ ...like, load_w: load(), orders: orders() });
  return { ...day(), name: `${like.name}, drawn ${seed}`, history: Array.from({ length: 7 }, () => asHistory(day())) };
}
