/**
 * The session of a vehicle at the connector: what its owner said, and the registers when it was said. Kept in the
 * ledger's facts, so that a restart in the middle of the night forgets nothing.
 */
import { z } from 'zod';
import type { MeterReading } from '../hal/ports.ts';
import { type UnixMillis, unixMillis, type WattHours, wattHours } from '../hal/units.ts';
import type { OwnerDefaults } from './config.ts';
import type { Session as Metered, Need } from './control/need.ts';
import type { OwnerNeed } from './page/owner.ts';

export interface Session {
  readonly since: UnixMillis;
  readonly imported: WattHours;
  readonly exported: WattHours;
  /** Null until the owner has said something, or has not for a while and the defaults count. */
  readonly need: Need | null;
  readonly maySell: boolean;
}

export const FACT = 'session';

/** How long the owner has for a word of their own before the configured defaults count. */
export const OWNER_SPEAKS_WITHIN_ms = 120_000;

export const begin = (reading: MeterReading, since: UnixMillis): Session => ({
  since,
  imported: reading.imported,
  exported: reading.exported,
  need: null,
  maySell: false,
});

/** The owner's word counts from now on: energy is metered from here. */
export function stated(session: Session, said: OwnerNeed, reading: MeterReading, largest: WattHours): Session {
  const battery = wattHours(said.battery_Wh ?? largest);
  const soc = said.soc_ppm === undefined ? 'unknown' : wattHours(Math.floor((battery * said.soc_ppm) / 1_000_000));
  const reserve = wattHours(said.reserve_Wh ?? 0);
  // Nothing missing, and free to sell: what lies above the reserve is more than enough.
  const spare = said.maySell && said.energyMissing_Wh === 0 && soc !== 'unknown' ? Math.max(0, soc - reserve) : 0;
  return {
    ...session,
    imported: reading.imported,
    exported: reading.exported,
    maySell: said.maySell,
    need: {
      battery,
      soc,
      missing: wattHours(said.energyMissing_Wh - spare),
      departure: unixMillis(said.departure_ms),
      reserve,
    },
  };
}

/** Nobody said anything: what the configuration says, by the next departure. */
export const assumed = (session: Session, owner: OwnerDefaults, now: UnixMillis, largest: WattHours): Session => ({
  ...session,
  maySell: false, // the state of charge is unknown: nothing is sold on a guess
  need: {
    battery: owner.battery ?? largest,
    soc: 'unknown',
    missing: owner.energy,
    departure: nextDeparture(owner, now),
    reserve: owner.reserve,
  },
});

export const metered = (session: Session, reading: MeterReading): Metered => ({
  imported: wattHours(Math.max(0, reading.imported - session.imported)),
  exported: wattHours(Math.max(0, reading.exported - session.exported)),
});

/** The next time that the wall in the owner's time zone shows the configured hour. Found by looking, minute by minute. */
export function nextDeparture({ departure, timeZone }: OwnerDefaults, now: UnixMillis): UnixMillis {
  const shown = new Intl.DateTimeFormat('en-GB', { timeZone, hour: 'numeric', minute: 'numeric', hourCycle: 'h23' });
  const wanted = `${String(departure.hour).padStart(2, '0')}:${String(departure.minute).padStart(2, '0')}`;
  const minute_ms = 60_000;
  const first = Math.ceil((now + 1) / minute_ms) * minute_ms;
  for (let at = first; at < first + 26 * 3_600_000; at += minute_ms)
    if (shown.format(at) === wanted) return unixMillis(at);
  return unixMillis(first + 86_400_000); // an hour that the change to summer time leaves out
}

const wh = z.int().transform(wattHours);
const shape = z.strictObject({
  since: z.int().transform(unixMillis),
  imported: wh,
  exported: wh,
  maySell: z.boolean(),
  need: z
    .strictObject({
      battery: wh,
      soc: z.union([wh, z.literal('unknown')]),
      missing: wh,
      departure: z.int().transform(unixMillis),
      reserve: wh,
    })
    .nullable(),
});

/** A fact of the ledger as JSON; undefined when there is none or it is not JSON. */
export function parsed(fact: string | undefined): unknown {
  try {
    return fact === undefined || fact === '' ? undefined : JSON.parse(fact);
  } catch {
    return undefined;
  }
}

/** What the ledger kept; null when it is not a session of this version: the owner is asked anew. */
export const revive = (fact: string | undefined): Session | null => shape.safeParse(parsed(fact)).data ?? null;
