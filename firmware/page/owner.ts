/**
 * The owner's commands as they come over HTTP, and their one check at the door. Inside, an OwnerRequest is
 * well-formed; whether it can be done now (a departure in the past, nothing to clear) is the answer's matter.
 */
import { z } from 'zod';

const wattHours = z.int().min(0).max(1_000_000);

const need = z
  .strictObject({
    /** Usable capacity of the vehicle's battery. */
    battery_Wh: wattHours.min(1).optional(),
    /** State of charge now, in millionths. */
    soc_ppm: z.int().min(0).max(1_000_000).optional(),
    /** Energy to be in the battery, beyond what is there, by the departure. */
    energyMissing_Wh: wattHours,
    departure_ms: z.int().positive(),
    maySell: z.boolean(),
    /** Never sold. */
    reserve_Wh: wattHours.optional(),
  })
  .refine((value) => (value.reserve_Wh ?? 0) <= (value.battery_Wh ?? Number.POSITIVE_INFINITY), {
    path: ['reserve_Wh'],
    message: 'the reserve is larger than the battery',
  });

/** What the owner asks for the vehicle at the connector. */
export type OwnerNeed = Readonly<z.infer<typeof need>>;

const override = z.strictObject({ override: z.enum(['stop', 'charge', 'none']) });

export type OwnerRequest =
  | { readonly kind: 'need'; readonly need: OwnerNeed }
  | ({ readonly kind: 'override' } & Readonly<z.infer<typeof override>>)
  | { readonly kind: 'clear-weld' };

/** `message` is shown to the owner: what was done, or why not and what to do. */
export interface OwnerReply {
  readonly done: boolean;
  readonly message: string;
}

/** Method, path and body of each command. */
export const COMMANDS = {
  '/api/need': { method: 'PUT', body: need.transform((need): OwnerRequest => ({ kind: 'need', need })) },
  '/api/override': {
    method: 'PUT',
    body: override.transform((body): OwnerRequest => ({ kind: 'override', ...body })),
  },
  '/api/clear-weld': {
    method: 'POST',
    body: z.strictObject({}).transform((): OwnerRequest => ({ kind: 'clear-weld' })),
  },
} as const;
