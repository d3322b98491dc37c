/**
 * The part of the state that outlives the process: which contact was closed, welds, and the life of the
 * contacts. `memento` changes only when a contact switches or a weld is latched or cleared, so it is cheap to
 * keep; it must be durable before a contact closes. `boot` starts with everything open and nothing seen, hence
 * with the dead time still to come.
 */
import { type Millis, millis, type UnixMillis, unixMillis } from '../../hal/units.ts';
import { opened } from './sequence.ts';
import type { ContactMemory, ControlState } from './types.ts';

const version = 1;

const kept = ({
  wanted,
  welded,
  restingSince,
  closings,
  loadedOpenings,
  operations,
  loadedOperations,
}: ContactMemory) => ({
  wanted,
  welded,
  restingSince,
  closings,
  loadedOpenings,
  operations,
  loadedOperations,
});

/** JSON for `Ledger.remember`. */
export const memento = (state: ControlState): string =>
  JSON.stringify({
    version,
    switched: state.switched,
    charge: kept(state.charge),
    discharge: kept(state.discharge),
  });

const virgin = (now: Millis): ContactMemory => ({
  wanted: 'open',
  since: now,
  delivered: null,
  openSeen: null,
  suspect: null,
  welded: false,
  failedToClose: false,
  restingSince: null,
  closings: [],
  loadedOpenings: [],
  operations: 0,
  loadedOperations: 0,
});

/**
 * The state to start with. A memory that cannot be read may hide a welded contact: both count as welded until a person
 * has looked at them and cleared the alarm.
 * @param memory what `memento` gave last, undefined on a new device
 * @param time both clocks; `utc` null while it is not trusted (then no time counts as passed since the last switching)
 */
export function boot(
  memory: string | undefined,
  time: { readonly now: Millis; readonly utc: UnixMillis | null },
): ControlState {
  const { now } = time;
  const was = memory === undefined ? null : parse(memory);
  const unknown: ContactMemory = { ...virgin(now), welded: memory !== undefined && was === null };
  const revive = (contact: ReturnType<typeof kept>): ContactMemory => {
    const away = was === null || time.utc === null ? 0 : Math.max(0, time.utc - was.switched.utc);
    // Times of the last run's monotonic clock, on this one's.
    const here = (at: Millis): Millis => millis(now - away - (was === null ? 0 : was.switched.now - at));
    const same: ContactMemory = {
      ...virgin(now),
      ...contact,
      restingSince: contact.restingSince === null ? null : here(contact.restingSince),
      closings: contact.closings.map(here),
      loadedOpenings: contact.loadedOpenings.map(here),
    };
    // Closed when the process ended: the board's lease has opened it, nobody knows under which load.
    return contact.wanted === 'closed' ? opened(same, now, false) : same;
  };
  return {
    charge: was === null ? unknown : revive(was.charge),
    discharge: was === null ? unknown : revive(was.discharge),
    slots: [],
    lastRound: -1,
    offer: { limit: 'none', since: now },
    askedSince: null,
    overdrawnSince: null,
    vehicle: { phases: 0, limit_W: null },
    switched: { now, utc: time.utc ?? was?.switched.utc ?? unixMillis(0) },
  };
}

/** After a person has seen to the contacts. If they are still welded, the next looks latch it again. */
export const clearWeld = (state: ControlState): ControlState => ({
  ...state,
  charge: { ...state.charge, welded: false, suspect: null },
  discharge: { ...state.discharge, welded: false, suspect: null },
});

type Memento = {
  switched: ControlState['switched'];
  charge: ReturnType<typeof kept>;
  discharge: ReturnType<typeof kept>;
};

/** Null when it is not one of ours. */
function parse(memory: string): Memento | null {
  let was: { version?: unknown } & Memento;
  try {
    was = JSON.parse(memory);
  } catch {
    return null;
  }
  if (was?.version !== version) return null;
  for (const which of ['charge', 'discharge'] as const) {
    const contact = was[which];
    const whole = [contact?.operations, contact?.loadedOperations].every(Number.isSafeInteger);
    const times = [contact?.closings, contact?.loadedOpenings].every(
      (list) => Array.isArray(list) && list.every(Number.isSafeInteger),
    );
    const rest = contact?.restingSince === null || Number.isSafeInteger(contact?.restingSince);
    const wanted = contact?.wanted === 'open' || contact?.wanted === 'closed';
    if (!whole || !times || !rest || !wanted || typeof contact?.welded !== 'boolean') return null;
  }
  return [was.switched?.now, was.switched?.utc].every(Number.isSafeInteger) ? was : null;
}
