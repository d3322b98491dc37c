/**
 * One cycle of the contacts' control: perceive, arbitrate, sequence. Level-triggered: nothing is remembered that
 * the senses can tell again, and what is wanted is commanded anew every cycle. Pure; the caller reads the
 * devices, drives the relay bank with a hold-for lease, makes the offer, and keeps the state.
 *
 * Assumes cycles of about a second of the clock's time at most, and a monotonic `now`.
 */
import { arbitrate, defaultRules, type Rules } from './arbiter.ts';
import { faultsOf } from './faults.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { perceive } from './perceive.ts';
import { sequence } from './sequence.ts';
import type { ControlState, Decision, Senses } from './types.ts';

export function control(
  before: ControlState,
  senses: Senses,
  rules: Rules = defaultRules,
  limits: Limits = defaultLimits,
): Decision {
  const at = { senses, limits, state: perceive({ state: before, senses, limits }) };
  const { state, reason } = sequence(at, arbitrate(at, rules));
  return {
    state,
    contacts: [state.charge.wanted, state.discharge.wanted],
    offer: state.offer.limit,
    reason,
    faults: faultsOf(at),
  };
}
