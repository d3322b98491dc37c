/**
 * Checkpoints: whatever the state of a chain, its bytes give it back, and only a block that names exactly those bytes
 * opens them. The arbitrary state is typed field by field: a field that ChainState gains is missing here as in the codec.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256 } from '../../firmware/adapters/sha256.ts';
import type {
  ChainRound,
  ChainState,
  NodeRegisters,
  PendingEntry,
  SiteRegisters,
} from '../../firmware/protocol/chain.ts';
import { genesisState, isRefusal } from '../../firmware/protocol/chain.ts';
import { checkpointOf, encodeState, openCheckpoint } from '../../firmware/protocol/checkpoint.ts';
import { concat, encode, toHex } from '../../firmware/protocol/codec.ts';
import { type Handover, STAGES } from '../../firmware/protocol/members.ts';
import type { Block, Signed } from '../../firmware/protocol/messages.ts';
import { type Member, type Membership, registryWith } from '../../firmware/protocol/registry.ts';
import { dayOf } from '../../firmware/protocol/round.ts';
import type { Allocation } from '../../firmware/protocol/settlement.ts';
import { messages, registry, sign } from '../vectors/messages.ts';

type Each<T> = { readonly [K in keyof T]-?: fc.Arbitrary<T[K]> };

const DAY = 288;
const whole = fc.nat(2 ** 40);
const power = fc.integer({ min: -(2 ** 40), max: 2 ** 40 });
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex);
const registers = { round: whole, imported_Wh: whole, exported_Wh: whole };
const ofNode = fc.record({ ...registers, alone: fc.nat(2 ** 12 - 1) } satisfies Each<NodeRegisters>);
const ofSite = fc.record({ ...registers, takenAt_ms: whole } satisfies Each<SiteRegisters>);
const metered = { averagedFrom_round: whole, theta_W: power, load_W: power };
const chainRound = fc.record(
  {
    ...metered,
    round: whole,
    buy_W: whole,
    sell_W: whole,
    placed_W: power,
    committed: fc.boolean(),
    scheduled_W: power,
    vehicles_W: power,
  } satisfies Each<ChainRound>,
  { requiredKeys: ['round', 'buy_W', 'sell_W', 'placed_W', 'committed', 'scheduled_W', 'vehicles_W'] },
);
const allocation = fc.record({
  round: whole,
  node: fc.nat(99),
  order: hash,
  ordered_W: power,
  allocated_W: power,
} satisfies Each<Allocation>);
const { body } = messages.order;
const entry = fc.record({
  order: fc.integer({ min: 1380, max: 11_000 }).map((power_W) => sign(0, { ...body, power_W })),
  age: fc.nat(12),
  remaining_W: whole,
} satisfies Each<PendingEntry>);
const member = fc.record({
  name: fc.stringMatching(/^[a-z0-9-]{1,32}$/),
  publicKey: hash,
  role: fc.constantFrom('charge-point', 'head-meter', 'registrar'),
  operator: fc.option(fc.string({ maxLength: 32 }), { nil: undefined }),
  connector: fc.option(
    fc.record({ kind: fc.constantFrom('slow', 'fast', 'rapid'), charge_W: whole, discharge_W: whole }),
    { nil: undefined },
  ),
  safeShare_W: whole,
  keyFrom_epoch: whole,
  standing: fc.constantFrom('in', 'struck', 'left'),
} satisfies Each<Member>);
const membership = fc.record({
  epoch: whole,
  changes: whole,
  members: fc.array(member, { minLength: 1, maxLength: 6 }),
} satisfies Each<Membership>);
const anyRegistry = membership.map((members) => registryWith(registry, members, sha256));
const anyState = fc.record({
  registry: anyRegistry,
  handover: fc.option(
    fc.record({ registry: anyRegistry, stage: fc.constantFrom(...STAGES.slice(0, 2)) } satisfies Each<Handover>),
  ),
  tip: hash,
  height: whole,
  sealRound: fc.nat(2 ** 31 - 2 * DAY),
  seal: hash,
  instance: fc.constant(null),
  scheduleRound: whole,
  schedule: hash,
  pending: fc.array(entry, { maxLength: 3 }),
  rounds: fc.array(chainRound, { maxLength: 4 }),
  allocations: fc.array(allocation, { maxLength: 4 }),
  registers: fc.array(fc.option(ofNode), { maxLength: 5 }),
  site: fc.option(ofSite),
  settled: fc.constant([]),
} satisfies Each<ChainState>);

/** The first SEAL of the day after that of the state's last SEAL. */
const opening = (state: ChainState, checkpoint: string): Signed<Block> => {
  const round = DAY * (dayOf(state.sealRound, 300) + 1);
  return sign(2, { type: 'PROPOSE', kind: 'SEAL', parent: state.tip, carried: [], checkpoint }, { round });
};
const named = (state: ChainState): Signed<Block> => {
  const { round } = opening(state, '');
  return opening(state, checkpointOf(state, 'SEAL', round, sha256));
};

test('property: from state to bytes to state to the same bytes', () => {
  fc.assert(
    fc.property(anyState, (state) => {
      const bytes = encodeState(state, sha256);
      const opened = openCheckpoint(bytes, named(state), registry, sha256);
      expect(opened).toEqual(state);
      expect(encodeState(opened as ChainState, sha256)).toEqual(bytes);
    }),
    { numRuns: 200 },
  );
});

test('property: one flipped bit, and no block vouches for the bytes', () => {
  fc.assert(
    fc.property(anyState, fc.nat(), fc.nat(7), (state, place, bit) => {
      const bytes = encodeState(state, sha256);
      bytes[place % bytes.length] ^= 1 << bit;
      const opened = openCheckpoint(bytes, named(state), registry, sha256);
      expect(isRefusal(opened) && opened.code).toBe('wrong-checkpoint');
    }),
    { numRuns: 100 },
  );
});

test('only the first SEAL of a day names a state, and never that of the neighbourhood itself', () => {
  const state = { ...genesisState(registry), sealRound: 4 * DAY + 3 };
  const names = (kind: Block['kind'], round: number, of: ChainState = state): boolean =>
    checkpointOf(of, kind, round, sha256) !== '';
  expect(names('SEAL', 5 * DAY)).toBe(true);
  expect(names('SEAL', 6 * DAY + 7)).toBe(true); // nothing was sealed in between
  expect(names('SEAL', 5 * DAY - 1)).toBe(false);
  expect(names('SEAL', 5 * DAY + 1, { ...state, sealRound: 5 * DAY })).toBe(false);
  expect(names('SCHEDULE', 5 * DAY)).toBe(false);
  expect(names('SEAL', 5 * DAY, genesisState(registry))).toBe(false);
});

test('bytes that are no state are refused, whoever names them', () => {
  for (const value of [null, [], [[1, 1, 1]], new Array(14).fill(null), 'a state']) {
    const bytes = encode(value as never);
    const own = toHex(sha256(concat(new TextEncoder().encode('P2PEBT/1 checkpoint'), bytes)));
    const opened = openCheckpoint(bytes, opening(genesisState(registry), own), registry, sha256);
    expect(isRefusal(opened) && opened.detail).toBe('its bytes are not those of a state');
  }
});
