/**
 * The round and its hours (protocol README, "One round"). Round = floor(UTC / ROUNDTIME) names a delivery interval;
 * it is decided in the interval before it. All offsets are fractions of ROUNDTIME, so that they scale with it.
 */
import type { LedgerEntry } from '../ports.ts';
import { SCHEDULE_VIEWS, SEAL_VIEWS, VIEWS_PER_ROUND } from './limits.ts';
import type { Registry } from './registry.ts';

/** Offsets in ms from the start of the deciding interval. */
export interface Hours {
  readonly round_ms: number;
  /** Δ, the bound on a message's way that liveness (never safety) relies on. */
  readonly delta_ms: number;
  /** T_ord: orders, SITE and METER statements held by now must be in the SEAL. */
  readonly orders_ms: number;
  readonly seal_ms: number;
  readonly solve_ms: number;
  /** T_hdr: honest candidates send no later. */
  readonly headers_ms: number;
  /** T_lock: the best verified header held by now binds the vote. */
  readonly lock_ms: number;
  readonly schedule_ms: number;
  /** T_act: without a FINAL certificate by now the round is terminated. */
  readonly act_ms: number;
}

export function hours(roundTime_s: number): Hours {
  const at = (of300: number): number => Math.floor((roundTime_s * 1000 * of300) / 300);
  return {
    round_ms: roundTime_s * 1000,
    delta_ms: at(2),
    orders_ms: at(90),
    seal_ms: at(94),
    solve_ms: at(156),
    headers_ms: at(192),
    lock_ms: at(194),
    schedule_ms: at(196),
    act_ms: at(262),
  };
}

/** The round decided at a moment: the one whose delivery starts next. */
export const decidedAt = (now_ms: number, round_ms: number): number => Math.floor(now_ms / round_ms) + 1;

/** The UTC day of a round's delivery; ROUNDTIME divides a day. */
export const dayOf = (round: number, roundTime_s: number): number => Math.floor((round * roundTime_s) / 86_400);

/** When the interval begins in which the round is decided. */
export const decisionStart = (round: number, round_ms: number): number => (round - 1) * round_ms;

export type Kind = 'SEAL' | 'SCHEDULE';

/** Views are counted globally, over rounds and their two decisions: one line, so that ranges can be skipped. */
export const firstView = (round: number, kind: Kind): number =>
  round * VIEWS_PER_ROUND + (kind === 'SEAL' ? 0 : SEAL_VIEWS);
export const lastView = (round: number, kind: Kind): number =>
  firstView(round, kind) + (kind === 'SEAL' ? SEAL_VIEWS : SCHEDULE_VIEWS) - 1;
export const roundOfView = (view: number): number => Math.floor(view / VIEWS_PER_ROUND);
export const kindOfView = (view: number): Kind => (view % VIEWS_PER_ROUND < SEAL_VIEWS ? 'SEAL' : 'SCHEDULE');

/**
 * Who may propose in a view: rotates by one a view, and starts anywhere for each decision (Fibonacci hashing: a plain
 * multiple of the round would visit a few nodes only, wherever it shares a factor with n).
 */
export function leaderOf(registry: Registry, view: number): number {
  const round = roundOfView(view);
  const kind = kindOfView(view);
  const decision = Math.imul(2 * round + (kind === 'SEAL' ? 0 : 1), 0x9e3779b1) >>> 8;
  return registry.leaders[(decision + view - firstView(round, kind)) % registry.n];
}

/** The round about which an entry of the ledger is signed, if it is: a METER is said while the second round after its own is decided. */
export function signedAbout(entry: LedgerEntry): number[] {
  if (entry.kind === 'vote') return [roundOfView(entry.vote.to)];
  return entry.kind === 'statement' ? [entry.statement.round + (entry.statement.kind === 'METER' ? 2 : 0)] : [];
}
