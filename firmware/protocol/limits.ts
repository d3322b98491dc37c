/** Every bound of the protocol, each with its reason. Nothing in the core grows without one of these. */

/**
 * Views of the two decisions of a round: 10 x 3Δ fit between T_ord and the solving, 11 x 3Δ between T_lock and T_act. With a
 * third of a hundred nodes silent, all ten leaders of a SEAL are in 5 rounds of a million, four in a row in one of a hundred.
 */
export const SEAL_VIEWS = 10;
export const SCHEDULE_VIEWS = 11;
export const VIEWS_PER_ROUND = SEAL_VIEWS + SCHEDULE_VIEWS;

/**
 * NOTARIZE votes kept of one voter, and as many FINAL: those of two rounds. In an outage an honest one says hardly any, a liar
 * some about every view that is not final; the earliest go, but a certificate stays whole.
 */
export const VOTES_PER_VOTER = 2 * VIEWS_PER_ROUND;

/** Live orders of one charge point: bounds the solver's and the auditor's work (protocol.md C27). */
export const ORDERS_PER_NODE = 4;

/** Byzantine agreement survives one fault with four voters, and nothing with fewer. */
export const SEATS_LEAST = 4;
/** Voters at most: a quorum of votes is 67 signatures, and every node checks them all (protocol.md 2.12). */
export const SEATS_MOST = 100;
/** Numbers of nodes ever given out: those of the largest neighbourhood, and as many again that left. */
export const NODES_MOST = 2048;
/** Entries of one change of the members: a whole street at once is done in a few. */
export const AMENDMENTS_MOST = 64;
/** Messages within messages: a page > a block > evidence > a block > a statement, and one to spare. */
export const NESTING_MOST = 6;
/** Bytes of the proofs that one SEAL carries: it must still fit into a page of catch-up beside its statements. */
export const PROOFS_MAX_BYTES = 64 * 1024;

/** A charge point of 1 MW is beyond every connector of today; keeps every power in 32 bits. */
export const POWER_MAX_W = 1_000_000;

/**
 * What a vehicle draws or feeds at most, of what its connector is rated for: a breaker trips at 145 % within the hour (IEC 60898-1). A
 * register that moved further is that of another meter, or a liar's.
 */
export const VEHICLE_MOST_PERCENT = 150;

/** No site draws or feeds in more than so many times what its connection is for. */
export const SITE_MOST_TIMES = 2;

/** A clock that was set between two readings tells nothing of how long they lie apart: this part of a round is more than it drifts. */
export const CLOCK_OFF_PARTS = 10;

/** Ten digits of kWh, more than meters have; as joules, exact in 53 bits. */
export const REGISTER_MAX_WH = 10 ** 12;

/** What a head meter may say: a hundred such charge points. A register that jumped further was exchanged. */
export const SITE_MAX_W = 100 * POWER_MAX_W;

/** Price ceiling, 10^-5 EUR/kWh: 10 EUR/kWh. */
export const PRICE_MAX = 1_000_000;

/** Wire size of a message. A SEAL of 100 nodes carries about 35 kB; a page of catch-up is bounded separately. */
export const MESSAGE_MAX_BYTES = 256 * 1024;
export const SYNC_PAGE_BYTES = 64 * 1024;

/** Branches of open blocks that a question names: rivals are rare, and an answer may repeat what it need not. */
export const TIPS_MAX = 16;

/** Blocks of a run without a certificate, kept until it ends: at a hundred charge points six hours in which nothing is final. */
export const RUN_MAX_BYTES = 4 * 1024 * 1024;

/** The state of a chain: 0.2 MB at a hundred charge points, so enough for a thousand that all trade. */
export const CHECKPOINT_MAX_BYTES = 4 * 1024 * 1024;

/** Messages that a node may hold for rounds it cannot judge yet. */
export const ORPHANS_MAX = 64;
/** Of one leader: it leads a view in n, and no honest one is further ahead than its next turns. */
export const ORPHANS_PER_LEADER = 8;

/** Headers held per round beside those of voters: enough to see a tie, too few to hurt (suppression leaves about 8). */
export const HEADERS_PER_ROUND = 128;

/** SEALs whose problems are kept, so that a false header can still be proved: its accusers take turns for a hundred seconds. */
export const SEALS_KEPT = 4;

/** Proposals kept of one view: the first is voted on, the second is evidence, more are noise. */
export const PROPOSALS_PER_VIEW = 2;

/**
 * Rounds whose proposals are kept although no quorum wants them, as long as the votes about them. Two of each view are 84 or, with
 * those of the round being decided, 126; with what a block makes of the chain each takes 0.1 to 0.25 MB at a hundred nodes.
 */
export const OPEN_ROUNDS_KEPT = 2;

/**
 * Open blocks on one another up to which a CARRY is put on them: a round of views. Each is an attempt to make what is under it final
 * in its round; where all come to nothing (a network slower than Δ), two blocks a round are added and not twenty.
 */
export const OPEN_PATH_MOST = SEAL_VIEWS + SCHEDULE_VIEWS;

/** A leap of the clock of up to so many rounds is believed at once: a device without a battery for it starts with that of its last day. */
export const CLOCK_LEAP_ROUNDS = 2;

/** Meter statements are accepted for so many rounds back: a controller that was away for an hour still settles. */
export const METER_ROUNDS_BACK = 12;

/** A SITE reading may be missing for so many rounds before no round is sealed any more (protocol.md M13). */
export const SITE_ROUNDS_MISSING = 3;

/** Days of history in the forecast. */
export const HISTORY_DAYS = 7;

/** An order still unserved so many rounds after its own (an outage, lasting curtailment) is void: the car may be gone. */
export const ORDER_EXPIRES_ROUNDS = 12;

// The door. Times are the wall's, since they stand for processor time; the reasons suppose a small ARM board, where a
// signature costs 1 ms by OpenSSL and 20 ms by the slow path (protocol.md 2.11).

/** What a node remembers having verified: a round of 100 nodes has about a thousand messages, 1 MB with every SEAL. */
export const SEEN_MAX = 8192;
export const SEEN_BYTES = 8 * 1024 * 1024;

/** The longest MQTT packet that is read whole: a message one byte too long behind the longest topic (2 + 65,535, id 2). */
export const PACKET_MAX_BYTES = MESSAGE_MAX_BYTES + 1 + 65_539;

/** Work at the door before the control of the contacts gets its turn: a fifth of the 50 ms that it may be late. */
export const DOOR_SLICE_ms = 10;
/** Until the door looks again whether a lane that has used up its share may go on. */
export const DOOR_PAUSE_ms = 25;

export const LANES = {
  /** What a message in a queue costs beside its bytes. */
  overhead_bytes: 512,
  /** Waiting of one name: a thousand votes, all that a broker keeps for a node that was away (Mosquitto: 1,000). */
  lane_bytes: 1024 * 1024,
  /** Waiting in all: no board misses it. */
  together_bytes: 8 * 1024 * 1024,
  /** Processor time of one name. An honest node costs 10 ms a round, the leader of 100 nodes' SEAL 0.3 s. */
  share_percent: 20,
  /** Before that counts: a page of catch-up of 1,700 signatures, the longest message there is. */
  burst_ms: 2_000,
  /** Processor time of all: two flooders leave the third its share; half is left for control, solver and page. */
  shareTogether_percent: 50,
  /** A round of 100 nodes: 700 signatures, the SEAL twice, and what follows from them. */
  burstTogether_ms: 4_000,
} as const;

export const MUTE = {
  /** An honest node needs no slow check at all; a few, lest a strange library somewhere be silent by the first vote. */
  checks: 8,
  /** For all names: 64 of 20 ms in a minute are 2 % of the processor. */
  checksTogether: 64,
  /** Long enough to make it worthless, short enough for a page of catch-up that needs it to come again in time. */
  for_ms: 60_000,
} as const;
