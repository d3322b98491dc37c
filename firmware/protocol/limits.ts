/** Every bound of the protocol, each with its reason. Nothing in the core grows without one of these. */

/** Views of the two decisions of a round: 4 x 3Δ fit between T_ord and the solving, 11 x 3Δ between T_lock and T_act. */
export const SEAL_VIEWS = 4;
export const SCHEDULE_VIEWS = 11;
export const VIEWS_PER_ROUND = SEAL_VIEWS + SCHEDULE_VIEWS;

/** Live orders of one charge point: bounds the solver's and the auditor's work (protocol.md C27). */
export const ORDERS_PER_NODE = 4;

/** A charge point of 1 MW is beyond every connector of today; keeps every power in 32 bits. */
export const POWER_MAX_W = 1_000_000;

/** What a head meter may say: a hundred such charge points. A register that jumped further was exchanged. */
export const SITE_MAX_W = 100 * POWER_MAX_W;

/** Price ceiling, 10^-5 EUR/kWh: 10 EUR/kWh. */
export const PRICE_MAX = 1_000_000;

/** Wire size of a message. A SEAL of 100 nodes carries about 35 kB; a page of catch-up is bounded separately. */
export const MESSAGE_MAX_BYTES = 256 * 1024;
export const SYNC_PAGE_BYTES = 64 * 1024;

/** The state of a chain: 0.2 MB at a hundred charge points, so enough for a thousand that all trade. */
export const CHECKPOINT_MAX_BYTES = 4 * 1024 * 1024;

/** Messages that a node may hold for rounds it cannot judge yet. */
export const ORPHANS_MAX = 64;
/** Of one leader: it leads a view in n, and no honest one is further ahead than its next turns. */
export const ORPHANS_PER_LEADER = 8;

/** Headers held per round beside the best: enough to see a tie, too few to hurt (suppression leaves about 8). */
export const HEADERS_PER_ROUND = 128;

/** Proposals kept of one view: the first is voted on, the second is evidence, more are noise. */
export const PROPOSALS_PER_VIEW = 2;

/** Meter statements are accepted for so many rounds back: a controller that was away for an hour still settles. */
export const METER_ROUNDS_BACK = 12;

/** A SITE reading may be missing for so many rounds before no round is sealed any more (protocol.md M13). */
export const SITE_ROUNDS_MISSING = 3;

/** Days of history in the forecast. */
export const HISTORY_DAYS = 7;

/** An order still unserved so many rounds after its own (an outage, lasting curtailment) is void: the car may be gone. */
export const ORDER_EXPIRES_ROUNDS = 12;
