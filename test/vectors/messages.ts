/**
 * One message of every type with its canonical bytes, id and signature, for whoever writes another implementation.
 * Frozen in messages.json; `node test/vectors/messages.ts --write` makes it anew after a change of the protocol version.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import type { ChainState } from '../../firmware/protocol/chain.ts';
import { checkpointOf, encodeState } from '../../firmware/protocol/checkpoint.ts';
import {
  type Body,
  payloadOf,
  type Signed,
  signed,
  toSign,
  toWire,
  type Unsigned,
} from '../../firmware/protocol/messages.ts';
import { makeRegistry } from '../../firmware/protocol/registry.ts';
import { hex, neighbourhoodOf, signerOf } from '../unit/protocol-driver.ts';

const { nodes } = neighbourhoodOf(4);
const registrar = {
  name: 'registrar',
  publicKey: hex(signerOf(5).publicKey),
  role: 'registrar',
  safeShare_W: 0,
} as const;
const neighbourhood = neighbourhoodOf(4, { nodes: [...nodes, registrar] });
export const registry = makeRegistry(neighbourhood, sha256);

export function sign<B extends Body>(sender: number, body: B, place: Partial<Unsigned> = {}): Signed<B> {
  const message = { epoch: 0, round: 1000, view: 0, sender, ...place, body };
  const payload = payloadOf(message, registry.tag);
  return signed(message, payload, signerOf(sender).sign(toSign(payload)), sha256);
}

const order = sign(0, {
  type: 'ORDER',
  ref: 0,
  connector: 0,
  side: 'buy',
  price: 25_000,
  power_W: 7000,
  maxWait_rounds: 2,
  divisible: true,
  minimum_W: 1380,
});
const site = sign(4, {
  type: 'SITE',
  takenAt_ms: 299_700_000,
  imported_Wh: 1_005_000,
  exported_Wh: 12,
  power_W: -1500,
});
const meter = sign(
  1,
  {
    type: 'METER',
    importedBefore_Wh: 50_000,
    exportedBefore_Wh: 7,
    imported_Wh: 50_583,
    exported_Wh: 7,
    mode: 'lease',
  },
  { round: 998 },
);
const seal = sign(
  2,
  { type: 'PROPOSE', kind: 'SEAL', parent: registry.genesis, carried: [order, site, meter], checkpoint: '' },
  { view: 21_000 },
);
const header = sign(3, {
  type: 'HEADER',
  seal: seal.id,
  lambda: 46_325_703_869,
  pfInt: 2n ** 70n + 1n,
  net_W: 7000,
  operations: 1,
  plan: {
    orders: [0, [1380, 0, 5620]],
    shares: [{ buy_ppm: [1_000_000, 0, 0], sell_ppm: [0, 250_000, 750_000] }],
  },
});
const schedule = sign(
  3,
  { type: 'PROPOSE', kind: 'SCHEDULE', parent: seal.id, carried: [header], checkpoint: '' },
  { view: 21_010 },
);
const carry = sign(
  0,
  { type: 'PROPOSE', kind: 'CARRY', parent: schedule.id, carried: [], checkpoint: '' },
  { view: 21_011 },
);
/** A state small enough to read, and the SEAL of the next day on it. */
const state: ChainState = {
  registry,
  handover: null,
  tip: carry.id,
  height: 3,
  sealRound: 1000,
  seal: seal.id,
  instance: null,
  scheduleRound: 1000,
  schedule: schedule.id,
  pending: [{ order, age: 1, remaining_W: 5620 }],
  rounds: [
    {
      round: 999,
      buy_W: 0,
      sell_W: 0,
      placed_W: 0,
      committed: false,
      scheduled_W: 0,
      vehicles_W: 1380,
      averagedFrom_round: 998,
      theta_W: -1500,
      load_W: -2880,
    },
    { round: 1000, buy_W: 7000, sell_W: 0, placed_W: 7000, committed: true, scheduled_W: 1380, vehicles_W: 1380 },
  ],
  allocations: [{ round: 1000, node: 0, order: order.id, ordered_W: 7000, allocated_W: 1380 }],
  registers: [null, { round: 998, imported_Wh: 50_583, exported_Wh: 7, alone: 5 }, null, null, null],
  site: { round: 1000, imported_Wh: 1_005_000, exported_Wh: 12, takenAt_ms: 300_000_000 },
  settled: [],
};
const checkpoint = checkpointOf(state, 'SEAL', 1152, sha256);
const dawn = sign(
  2,
  { type: 'PROPOSE', kind: 'SEAL', parent: carry.id, carried: [], checkpoint },
  { round: 1152, view: 24_192 },
);
const notarize = sign(0, { type: 'VOTE', kind: 'notarize', to: 21_000, block: seal.id }, { view: 21_000 });
const final = sign(1, { type: 'VOTE', kind: 'final', to: 21_000, block: seal.id }, { view: 21_000 });
const skip = sign(2, { type: 'VOTE', kind: 'skip', to: 21_003, block: '' }, { view: 21_001 });
const request = sign(0, { type: 'SYNC_REQ', to: 2, height: 41, asked_ms: 300_124_000, offset: 0, tips: [] });
const page = sign(2, {
  type: 'SYNC_RES',
  to: 0,
  height: 0,
  asked_ms: 300_124_000,
  blocks: [{ block: seal, votes: [final] }],
  pending: [schedule, notarize, skip],
});

const rival = sign(0, { type: 'VOTE', kind: 'notarize', to: 21_000, block: schedule.id }, { view: 21_000 });
const evidence = sign(2, { type: 'EVIDENCE', first: notarize, second: rival });
const conviction = sign(2, { type: 'EVIDENCE', first: header, second: null });
const part = sign(2, {
  type: 'STATE',
  to: 0,
  height: 576,
  asked_ms: 300_124_000,
  offset: 65_536,
  total: 65_539,
  part: Uint8Array.of(1, 2, 3),
});

const rating = { connector: { kind: 'slow', charge_W: 3680, discharge_W: 0 }, safeShare_W: 690 } as const;
const change = sign(5, {
  type: 'REGISTRY',
  number: 1,
  amendments: [
    { op: 'add', name: 'cp5', publicKey: hex(signerOf(6).publicKey), operator: 'harbour', ...rating },
    { op: 'remove', node: 3 },
    { op: 'rotate', node: 2, publicKey: hex(signerOf(7).publicKey) },
    { op: 'rate', node: 1, ...rating },
  ],
});

export const messages = {
  order,
  site,
  meter,
  header,
  seal,
  schedule,
  carry,
  dawn,
  notarize,
  final,
  skip,
  request,
  page,
  evidence,
  conviction,
  part,
  change,
};

/** Fields as JSON; messages inside messages stand as their id, whole numbers beyond 2^53 as text. */
const readable = (message: Unsigned): unknown =>
  JSON.parse(
    JSON.stringify(
      { epoch: message.epoch, round: message.round, view: message.view, sender: message.sender, body: message.body },
      (_key, value) =>
        typeof value === 'bigint'
          ? `${value}`
          : value instanceof Uint8Array
            ? hex(value)
            : value?.payload instanceof Uint8Array || value?.signature
              ? { message: value.id }
              : value,
    ),
  );

export const vectors = () => ({
  about:
    'P2PEBT/1. id = SHA-256("P2PEBT/1" || payload); signature = ed25519 over "P2PEBT/1" || payload; wire = CBOR [payload, signature]',
  neighbourhood: JSON.parse(JSON.stringify(neighbourhood)),
  genesis: registry.genesis,
  tag: hex(registry.tag),
  publicKeys: registry.publicKeys.map(hex),
  checkpoint: { bytes: hex(encodeState(state, sha256)), hash: checkpoint },
  messages: Object.entries(messages).map(([name, message]) => ({
    name,
    fields: readable(message),
    payload: hex(message.payload),
    id: message.id,
    signature: hex(message.signature),
    wire: hex(toWire(message)),
  })),
});

const FILE = new URL('messages.json', import.meta.url);
export const frozen = (): ReturnType<typeof vectors> => JSON.parse(readFileSync(FILE, 'utf8'));

// Other vectors are made of these, and written by the same word.
if (import.meta.main && process.argv.includes('--write'))
  writeFileSync(FILE, `${JSON.stringify(vectors(), null, 1)}\n`);
